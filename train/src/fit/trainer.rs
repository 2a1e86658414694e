//! One update of the parameters: gradients of its batches, clipping, AdamW, the moving average.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};

use super::ema::Ema;
use super::error::FitError;
use super::reading::{norm as norm_of, read, sum_of_squares};
use super::reducer::Reducer;
use super::settings::FitSettings;
use super::share::{Start, share};
use super::task::{StepContext, Task, TaskError};
use crate::adamw::{AdamW, AdamWConfig};
use crate::audit::{AuditFailure, Trainable, audit};
use crate::error::{Error, Result};
use crate::grad::has_kernels;
use crate::group::Group;
use crate::parameters::Parameters;

/// What came of a step.
pub(super) enum Outcome {
    /// The parameters were updated.
    Updated {
        loss: f64,
        terms: BTreeMap<Cow<'static, str>, f64>,
        /// Before clipping.
        gradient_norm: f64,
    },
    /// Nothing was touched.
    NotFinite { what: &'static str, value: f64, batch: String },
}

/// Sums of the terms by name, and in how many batches each was.
pub(super) type Terms = BTreeMap<Cow<'static, str>, (f64, u32)>;

/// A batch that is not finite.
pub(super) struct Refused {
    /// Whether the loss is not, else the gradients' norm.
    pub is_loss: bool,
    pub value: f64,
    pub batch: String,
}

impl Refused {
    fn outcome(self) -> Outcome {
        let what = if self.is_loss { LOSS } else { NORM };
        Outcome::NotFinite { what, value: self.value, batch: self.batch }
    }
}

const LOSS: &str = "loss";
const NORM: &str = "gradient norm";

/// What of a batch is not finite, and its value.
type NotFinite = (&'static str, f64);

/// What a training keeps from step to step.
pub(super) struct Trainer<'a, B> {
    task: &'a Task<'a, B>,
    settings: &'a FitSettings,
    parameters: Vec<(String, Var)>,
    compute: DType,
    /// The processes that a step's batches are shared among.
    reducer: Option<Reducer<'a>>,
    pub optimiser: AdamW,
    pub ema: Ema,
    is_audited: bool,
}

impl<'a, B> Trainer<'a, B> {
    pub fn new(
        parameters: &Parameters,
        task: &'a Task<'a, B>,
        settings: &'a FitSettings,
        group: Option<&'a Group>,
    ) -> Result<Self, FitError> {
        if let Some(group) = group
            && !settings.accumulate.is_multiple_of(group.size() as u64)
        {
            return Err(FitError::Setting {
                key: "fit.accumulate".to_owned(),
                value: settings.accumulate.into(),
                takes: "a multiple of the number of processes, which share a step's batches",
            });
        }
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
        let reducer = group.map(|group| Reducer::new(group, first.device())).transpose()?;
        Ok(Self { task, settings, compute, reducer, optimiser, ema, parameters: named, is_audited: false })
    }

    /// The type that the network computes in.
    pub fn compute(&self) -> DType {
        self.compute
    }

    /// Those of some batches that this process computes.
    pub fn own(&self, micro_steps: Range<u64>) -> impl Iterator<Item = u64> + Send + use<B> {
        let (rank, size) = match &self.reducer {
            Some(Reducer { group, .. }) => (group.rank() as u64, group.size() as u64),
            None => (0, 1),
        };
        micro_steps.filter(move |micro_step| micro_step % size == rank)
    }

    /// Begins where the first process does. The moving average is that one's to keep.
    pub fn start(&mut self, parameters: &Parameters, start: &Start) -> Result<()> {
        parameters.set(&start.values)?;
        self.optimiser.restore(&start.moments, start.updates)
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
        // With the norm, where they are those of a single batch.
        let mut sum: Option<(GradStore, Option<f64>)> = None;
        let (mut loss, mut terms) = (0.0, Terms::new());
        let mut refused = None;
        for micro_step in self.own(step * count..(step + 1) * count) {
            let batch = next().map_err(|source| FitError::Load { step, micro_step, source })?;
            if refused.is_some() {
                // The loader goes on to the next step, so the rest of this one is taken from it.
                continue;
            }
            let context = StepContext { step, steps: self.settings.steps, micro_step, compute: self.compute };
            match self.gradients(&batch, &context, &mut loss, &mut terms)? {
                Ok((gradients, norm)) => match &mut sum {
                    Some((sum, of_first)) => {
                        sum.extend(gradients)?;
                        *of_first = None;
                    }
                    None => sum = Some((gradients, Some(norm))),
                },
                Err((what, value)) => {
                    let batch = (self.task.describe)(&batch);
                    refused = Some(Refused { is_loss: what == LOSS, value, batch });
                }
            }
        }
        if let Some(reducer) = &self.reducer {
            let gradients = sum.as_ref().map(|(gradients, _)| gradients);
            let reduced = share(reducer, &self.parameters, loss, &terms, refused.as_ref(), gradients)?;
            (loss, terms, refused) = (reduced.loss, reduced.terms, reduced.refused);
            sum = Some((reduced.gradients, None));
        }
        if let Some(refused) = refused {
            return Ok(refused.outcome());
        }
        let (gradients, norm) = sum.ok_or_else(|| FitError::Parameters("a step had no batch".to_owned()))?;
        // The loss of a step is the mean of its batches'.
        let of_each = 1.0 / count as f64;
        let norm_of_sum = match norm {
            Some(norm) => norm,
            None => norm_of(&self.of_parameters(&gradients))?,
        };
        let gradient_norm = norm_of_sum * of_each;
        if !gradient_norm.is_finite() {
            // Each batch's is finite, and their sum has overflowed: scaled by 1/∞ and 0, it would make NaN of parameters.
            let batch = format!("the sum of the step's {count} batches, each of them finite");
            return Ok(Outcome::NotFinite { what: NORM, value: gradient_norm, batch });
        }
        let clip = self.settings.clip_norm;
        let clipped = if clip > 0.0 && gradient_norm > clip { clip / gradient_norm } else { 1.0 };
        let rate = self.settings.schedule().at(step);
        self.optimiser.step_scaled(&gradients, rate, of_each * clipped)?;
        self.ema.update(&self.parameters, self.optimiser.steps())?;
        // A term may be missing in some batches of a step: its mean is over those that have it.
        let terms = terms.into_iter().map(|(name, (sum, count))| (name, sum / f64::from(count))).collect();
        Ok(Outcome::Updated { loss: loss * of_each, terms, gradient_norm })
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
        let mut wanted = vec![&found.total];
        wanted.extend(found.terms.iter().map(|(_, value)| value));
        let on_host = has_kernels(found.total.device());
        let mut numbers =
            if on_host { read(&wanted).map_err(|error| of_batch(error.into()))? } else { vec![] };
        if let Some(total) = numbers.first().filter(|total| !total.is_finite()) {
            return Ok(Err((LOSS, *total)));
        }
        let gradients = if self.is_audited {
            crate::grad::backward(&found.total)?
        } else {
            match self.audited(&found.total) {
                Err(Error::Audit(failure)) if is_only_not_finite(&failure) => {
                    let total = read(&wanted[..1])?[0];
                    return Ok(Err(if total.is_finite() { (NORM, f64::NAN) } else { (LOSS, total) }));
                }
                gradients => gradients?,
            }
        };
        let tensors = self.of_parameters(&gradients);
        let norm = match sum_of_squares(&tensors)? {
            None => norm_of(&tensors)?,
            Some(sum) => {
                wanted.push(&sum);
                numbers = read(&wanted).map_err(|error| of_batch(error.into()))?;
                numbers.pop().unwrap_or(f64::NAN).sqrt()
            }
        };
        let total = numbers[0];
        if !total.is_finite() {
            return Ok(Err((LOSS, total)));
        }
        if !norm.is_finite() {
            return Ok(Err((NORM, norm)));
        }
        self.is_audited = true;
        *loss += total;
        for ((name, _), value) in found.terms.iter().zip(&numbers[1..]) {
            let (sum, count) = terms.entry(Cow::Borrowed(*name)).or_insert((0.0, 0));
            *sum += value;
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

    /// The gradients there are, in the order of the parameters' names.
    fn of_parameters<'g>(&self, gradients: &'g GradStore) -> Vec<&'g Tensor> {
        self.parameters.iter().filter_map(|(_, var)| gradients.get(var)).collect()
    }
}

fn is_only_not_finite(failure: &AuditFailure) -> bool {
    failure.without.is_empty() && failure.zero.is_empty() && !failure.not_finite.is_empty()
}
