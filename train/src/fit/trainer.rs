//! One update of the parameters: gradients of its batches, clipping, AdamW, the moving average.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

use super::ema::Ema;
use super::error::FitError;
use super::fused::squared_norm;
use super::settings::FitSettings;
use super::task::{StepContext, Task, TaskError};
use crate::adamw::{AdamW, AdamWConfig};
use crate::audit::{AuditFailure, Trainable, audit};
use crate::error::{Error, Result};
use crate::parameters::Parameters;

/// What came of a step.
pub(super) enum Outcome {
    /// The parameters were updated.
    Updated {
        loss: f64,
        terms: BTreeMap<&'static str, f64>,
        /// Before clipping.
        gradient_norm: f64,
    },
    /// Nothing was touched.
    NotFinite { what: &'static str, value: f64, batch: String },
}

/// Sums of the terms by name, and in how many batches each was.
type Terms = BTreeMap<&'static str, (f64, u32)>;

/// What of a batch is not finite, and its value.
type NotFinite = (&'static str, f64);

/// What a training keeps from step to step.
pub(super) struct Trainer<'a, B> {
    task: &'a Task<'a, B>,
    settings: &'a FitSettings,
    parameters: Vec<(String, Var)>,
    compute: DType,
    pub optimiser: AdamW,
    pub ema: Ema,
    is_audited: bool,
}

impl<'a, B> Trainer<'a, B> {
    pub fn new(
        parameters: &Parameters,
        task: &'a Task<'a, B>,
        settings: &'a FitSettings,
    ) -> Result<Self, FitError> {
        let named = parameters.named();
        let Some((_, first)) = named.first() else {
            return Err(FitError::Parameters(
                "there are none: build the model before it is trained".to_owned(),
            ));
        };
        if let Some((name, var)) = named.iter().find(|(_, var)| var.dtype() != DType::F32) {
            let found = var.dtype().as_str();
            return Err(FitError::Parameters(format!(
                "{name} is {found}; they are f32 in training, since small updates vanish in fewer bits"
            )));
        }
        let config = AdamWConfig {
            beta1: settings.beta1,
            beta2: settings.beta2,
            weight_decay: settings.weight_decay,
            ..AdamWConfig::default()
        };
        // Biases and gains of norms do not decay: see `FitSettings::weight_decay`.
        let optimiser = AdamW::new(named.clone(), config)?.with_decay_of(|_, var| var.rank() > 1);
        let compute = settings.precision.on(first.device());
        let ema = Ema::new(parameters, settings.ema_decay)?;
        Ok(Self { task, settings, compute, optimiser, ema, parameters: named, is_audited: false })
    }

    /// The type that the network computes in.
    pub fn compute(&self) -> DType {
        self.compute
    }

    /// Takes back what a checkpoint holds.
    pub fn restore(
        &mut self,
        parameters: &Parameters,
        values: &BTreeMap<String, Tensor>,
        average: &BTreeMap<String, Tensor>,
        moments: &BTreeMap<String, Tensor>,
        updates: u64,
    ) -> Result<()> {
        parameters.set(values)?;
        self.ema.restore(average)?;
        self.optimiser.restore(moments, updates)
    }

    /// Does step `step`, counted from 0, on the batches that `next` gives.
    pub fn step(
        &mut self,
        step: u64,
        next: &mut dyn FnMut() -> Result<B, TaskError>,
    ) -> Result<Outcome, FitError> {
        let count = self.settings.accumulate;
        let mut sum: Option<(GradStore, f64)> = None;
        let (mut loss, mut terms) = (0.0, Terms::new());
        let mut refused = None;
        for micro_step in step * count..(step + 1) * count {
            let batch = next().map_err(|source| FitError::Load { step, micro_step, source })?;
            if refused.is_some() {
                // The loader goes on to the next step, so the rest of this one is taken from it.
                continue;
            }
            let context = StepContext { step, steps: self.settings.steps, micro_step, compute: self.compute };
            match self.gradients(&batch, &context, &mut loss, &mut terms)? {
                Ok((gradients, norm)) => match &mut sum {
                    Some((sum, _)) => sum.extend(gradients)?,
                    None => sum = Some((gradients, norm)),
                },
                Err((what, value)) => {
                    refused = Some(Outcome::NotFinite { what, value, batch: (self.task.describe)(&batch) });
                }
            }
        }
        if let Some(refused) = refused {
            return Ok(refused);
        }
        let (gradients, norm) = sum.ok_or_else(|| FitError::Parameters("a step had no batch".to_owned()))?;
        let share = 1.0 / count as f64;
        let gradient_norm = if count == 1 { norm } else { self.norm(&gradients)? * share };
        let clip = self.settings.clip_norm;
        let clipped = if clip > 0.0 && gradient_norm > clip { clip / gradient_norm } else { 1.0 };
        let rate = self.settings.schedule().at(step);
        self.optimiser.step_scaled(&gradients, rate, share * clipped)?;
        self.ema.update(&self.parameters, self.optimiser.steps())?;
        // A term may be missing in some batches of a step: its mean is over those that have it.
        let terms = terms.into_iter().map(|(name, (sum, count))| (name, sum / f64::from(count))).collect();
        Ok(Outcome::Updated { loss: loss * share, terms, gradient_norm })
    }

    /// The gradients of a batch and their norm, or what of it is not finite.
    fn gradients(
        &mut self,
        batch: &B,
        context: &StepContext,
        loss: &mut f64,
        terms: &mut Terms,
    ) -> Result<Result<(GradStore, f64), NotFinite>, FitError> {
        let of_batch = |source: TaskError| FitError::Loss {
            step: context.step,
            batch: (self.task.describe)(batch),
            source,
        };
        let found = (self.task.loss)(batch, context).map_err(of_batch)?;
        let total = scalar(&found.total).map_err(|error| of_batch(error.into()))?;
        if !total.is_finite() {
            return Ok(Err(("loss", total)));
        }
        let gradients = if self.is_audited {
            crate::grad::backward(&found.total)?
        } else {
            match self.audited(&found.total) {
                Err(Error::Audit(failure)) if is_only_not_finite(&failure) => {
                    return Ok(Err(("gradient norm", f64::NAN)));
                }
                gradients => gradients?,
            }
        };
        let norm = self.norm(&gradients)?;
        if !norm.is_finite() {
            return Ok(Err(("gradient norm", norm)));
        }
        self.is_audited = true;
        *loss += total;
        for (name, value) in &found.terms {
            let (sum, count) = terms.entry(*name).or_insert((0.0, 0));
            *sum += scalar(value)?;
            *count += 1;
        }
        Ok(Ok((gradients, norm)))
    }

    fn audited(&self, loss: &Tensor) -> Result<GradStore> {
        let expected = |(name, var): &(String, Var)| {
            let trainable = Trainable::new(name, var);
            let trainable = if (self.task.may_be_zero)(name) { trainable.may_be_zero() } else { trainable };
            if (self.task.may_be_absent)(name) { trainable.may_be_absent() } else { trainable }
        };
        let trainable: Vec<Trainable> = self.parameters.iter().map(expected).collect();
        audit(&trainable, [], || Ok(loss.clone()))
    }

    fn norm(&self, gradients: &GradStore) -> Result<f64> {
        let mut sum = 0.0;
        for (_, var) in &self.parameters {
            if let Some(gradient) = gradients.get(var) {
                sum += squared_norm(gradient)?;
            }
        }
        Ok(sum.sqrt())
    }
}

fn is_only_not_finite(failure: &AuditFailure) -> bool {
    failure.without.is_empty() && failure.zero.is_empty() && !failure.not_finite.is_empty()
}

fn scalar(tensor: &Tensor) -> Result<f64> {
    if tensor.elem_count() != 1 {
        return Err(Error::Shape {
            op: "reading a loss",
            tensor: "loss".to_owned(),
            found: tensor.shape().clone(),
            expected: "one number".to_owned(),
        });
    }
    Ok(f64::from(tensor.reshape(())?.to_dtype(DType::F32)?.to_scalar::<f32>()?))
}
