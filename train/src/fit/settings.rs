//! How a training goes: table `fit` of its configuration.

use candle_core::{DType, Device};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::FitError;
use crate::learning_rate::CosineWithWarmup;

/// Settings of the loop that every training has in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FitSettings {
    /// Updates of the parameters in all. 2000 of a small model are minutes on a CPU: enough to see whether it learns.
    pub steps: u64,
    /// Samples that one call of the task's `load` gives. The task sets it, a configuration cannot. It is compared on
    /// resuming and gives the rate in the log.
    #[serde(skip_deserializing)]
    pub batch: usize,
    /// Batches whose gradients are averaged for one update: a larger batch in the memory of a small one. 1, as every
    /// batch more costs its whole time.
    pub accumulate: u64,
    /// Highest learning rate. 3e-4 is where Adam is stable for most networks of a few million parameters.
    pub learning_rate: f64,
    /// Steps over which the rate rises: AdamW's mean of squares is poor in its first hundred steps (1 / (1 − β₂) is
    /// 1000), and a high rate then throws the start away.
    pub warmup_steps: u64,
    /// Decay of weights, decoupled (arXiv:1711.05101); PyTorch's default. Parameters of one dimension do not decay:
    /// biases and the gains of norms do not overfit, and a gain that shrinks to 0 switches its layer off.
    pub weight_decay: f64,
    /// Decay of the mean of gradients; the paper's (arXiv:1412.6980).
    pub beta1: f64,
    /// Decay of the mean of squared gradients; the paper's.
    pub beta2: f64,
    /// Norm over all gradients beyond which they are scaled down, so that one odd batch cannot throw the model far.
    /// The log has the norm before. 0 switches it off.
    pub clip_norm: f64,
    /// Decay of the moving average of parameters, which validation and the model file use. At step t it is at most
    /// (1 + t) / (10 + t), so that the start is forgotten early. 0.999 averages about the last 1000 steps.
    pub ema_decay: f64,
    /// Type that the task's network computes in; parameters, moments and average are f32 always.
    pub precision: Precision,
    /// Steps from one checkpoint to the next: what a crash costs at most.
    pub save_every: u64,
    /// Steps from one validation to the next.
    pub validate_every: u64,
    /// How many of the newest checkpoints stay, besides the best. More than one, since a disk can spoil the newest.
    pub keep_last: usize,
    /// Steps from one line of the log to the next. 1: a line is 300 bytes, and a spike between two lines is never seen.
    pub log_every: u64,
    /// Batches loaded ahead. 2 hide a slow one behind a fast one; each costs its memory.
    pub prefetch: usize,
}

impl Default for FitSettings {
    fn default() -> Self {
        Self {
            steps: 2000,
            batch: 8,
            accumulate: 1,
            learning_rate: 3e-4,
            warmup_steps: 100,
            weight_decay: 0.01,
            beta1: 0.9,
            beta2: 0.999,
            clip_norm: 1.0,
            ema_decay: 0.999,
            precision: Precision::Auto,
            save_every: 500,
            validate_every: 500,
            keep_last: 2,
            log_every: 1,
            prefetch: 2,
        }
    }
}

/// Type that a network computes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// bf16 on a GPU, f32 on the CPU, where bf16 is slower.
    #[default]
    Auto,
    /// 32 bits.
    F32,
    /// 16 bits with the range of f32, so that gradients need no scaling.
    Bf16,
}

impl Precision {
    /// The type on a device.
    pub fn on(self, device: &Device) -> DType {
        match self {
            Self::F32 => DType::F32,
            Self::Bf16 => DType::BF16,
            Self::Auto if device.is_cpu() => DType::F32,
            Self::Auto => DType::BF16,
        }
    }
}

/// Settings that change neither the parameters nor the batches: a resumed run may have others without leave.
pub(super) const FREE: [&str; 4] = ["fit.save_every", "fit.keep_last", "fit.log_every", "fit.prefetch"];

impl FitSettings {
    /// The learning rate over the steps.
    pub fn schedule(&self) -> CosineWithWarmup {
        CosineWithWarmup {
            peak: self.learning_rate,
            warmup_steps: self.warmup_steps,
            total_steps: self.steps,
        }
    }

    /// Refuses what cannot be trained with.
    ///
    /// # Errors
    /// Naming the setting and what it takes.
    pub fn check(&self) -> Result<(), FitError> {
        let whole = [
            ("steps", self.steps),
            ("batch", self.batch as u64),
            ("accumulate", self.accumulate),
            ("save_every", self.save_every),
            ("validate_every", self.validate_every),
            ("keep_last", self.keep_last as u64),
            ("log_every", self.log_every),
            ("prefetch", self.prefetch as u64),
        ];
        for (key, value) in whole {
            if value == 0 {
                return Err(refused(key, value.into(), "at least 1"));
            }
        }
        if self.warmup_steps >= self.steps {
            return Err(refused("warmup_steps", self.warmup_steps.into(), "fewer than `fit.steps`"));
        }
        let share = |value: f64| (0.0..1.0).contains(&value);
        let not_negative = |value: f64| value.is_finite() && value >= 0.0;
        for (key, value, is_good, takes) in [
            ("learning_rate", self.learning_rate, self.learning_rate > 0.0, "a number above 0"),
            ("weight_decay", self.weight_decay, not_negative(self.weight_decay), "0 or a number above"),
            ("clip_norm", self.clip_norm, not_negative(self.clip_norm), "a number above 0, or 0 for none"),
            ("beta1", self.beta1, share(self.beta1), "at least 0 and below 1"),
            ("beta2", self.beta2, share(self.beta2), "at least 0 and below 1"),
            ("ema_decay", self.ema_decay, share(self.ema_decay), "at least 0 and below 1"),
        ] {
            if !is_good || !value.is_finite() {
                return Err(refused(key, value.into(), takes));
            }
        }
        Ok(())
    }
}

fn refused(key: &str, value: Value, takes: &'static str) -> FitError {
    FitError::Setting { key: format!("fit.{key}"), value, takes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_out_of_range_is_named_with_what_it_takes() {
        for (settings, named) in [
            (FitSettings { accumulate: 0, ..FitSettings::default() }, "fit.accumulate"),
            (FitSettings { warmup_steps: 2000, ..FitSettings::default() }, "fit.warmup_steps"),
            (FitSettings { learning_rate: f64::NAN, ..FitSettings::default() }, "fit.learning_rate"),
            (FitSettings { ema_decay: 1.0, ..FitSettings::default() }, "fit.ema_decay"),
        ] {
            let message = settings.check().err().map(|error| error.to_string()).unwrap_or_default();
            assert!(message.contains(named), "{message}");
        }
        assert!(FitSettings::default().check().is_ok());
    }
}
