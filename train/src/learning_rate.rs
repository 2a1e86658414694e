//! The learning rate over the steps of a training.

use std::f64::consts::PI;

/// Rises linearly over the warm-up, then falls along half a cosine to 0 (diffusers'
/// `get_cosine_schedule_with_warmup`, transformers' too).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CosineWithWarmup {
    /// The highest rate, reached at the end of the warm-up.
    pub peak: f64,
    /// Steps of the warm-up.
    pub warmup_steps: u64,
    /// Steps in all, the warm-up included.
    pub total_steps: u64,
}

impl CosineWithWarmup {
    /// The rate of a step, counted from 0. After the last step it is 0.
    pub fn at(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            return self.peak * step as f64 / self.warmup_steps as f64;
        }
        let falling = self.total_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((step - self.warmup_steps) as f64 / falling as f64).min(1.0);
        self.peak * 0.5 * (1.0 + (PI * progress).cos())
    }
}
