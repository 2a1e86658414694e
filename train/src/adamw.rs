//! AdamW (arXiv:1711.05101) with moments that can be saved and restored.

use crate::error::{Error, Result};
#[cfg(feature = "cuda")]
use crate::fit::card;
use crate::fit::fused::Update;
use crate::grad::{has_kernels, in_pool};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Settings of the optimiser; the defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub eps: f64,
    /// Share of a parameter taken off at each step, times the learning rate.
    pub weight_decay: f64,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.01 }
    }
}

/// Updates named parameters from their gradients.
#[derive(Debug)]
pub struct AdamW {
    config: AdamWConfig,
    step: u64,
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Debug)]
struct Parameter {
    var: Var,
    moments: Moments,
    decays: bool,
}

#[derive(Debug)]
enum Moments {
    /// Of an f32 parameter on the CPU: updated in place, in one pass over parameter, gradient and moments.
    Host { mean: Vec<f32>, square: Vec<f32> },
    /// Any other parameter. On a GPU one kernel launch updates all that are f32; otherwise candle's operators
    /// do. No other tensor shares this memory: the kernel writes in place.
    Tensors { mean: Tensor, square: Tensor },
}

impl AdamW {
    /// An optimiser of these parameters, with moments of zero.
    pub fn new(parameters: impl IntoIterator<Item = (String, Var)>, config: AdamWConfig) -> Result<Self> {
        let parameters = parameters.into_iter().map(|(name, var)| start(name, var));
        Ok(Self { config, step: 0, parameters: parameters.collect::<Result<_>>()? })
    }

    /// Weight decay only for parameters of which `decays` holds; without this call, for all.
    #[must_use]
    pub fn with_decay_of(mut self, decays: impl Fn(&str, &Var) -> bool) -> Self {
        for (name, parameter) in &mut self.parameters {
            parameter.decays = decays(name, &parameter.var);
        }
        self
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step. A parameter without a gradient stays as it is, its moments too, as in PyTorch.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<()> {
        self.step_scaled(gradients, learning_rate, 1.0)
    }

    /// One step with every gradient times `scale`: clipping and the mean over accumulated gradients, without a copy
    /// of any of them.
    pub fn step_scaled(&mut self, gradients: &GradStore, learning_rate: f64, scale: f64) -> Result<()> {
        self.step += 1;
        let steps = self.step.min(i32::MAX as u64) as i32;
        let config = self.config;
        let rates = |decays: bool| compute_rates(config, steps, learning_rate, scale, decays);
        #[cfg(feature = "cuda")]
        if self.step_on_card(gradients, &rates)? {
            return Ok(());
        }
        let with_gradient = self.parameters.values_mut().filter_map(|parameter| {
            let gradient = gradients.get(parameter.var.as_tensor())?;
            Some((parameter, gradient))
        });
        let (on_host, others): (Vec<_>, Vec<_>) =
            with_gradient.partition(|(parameter, _)| matches!(parameter.moments, Moments::Host { .. }));
        // Most parameters are too small to be shared among threads, so each thread takes some of them.
        in_pool(|| {
            let step = |(parameter, gradient): (&mut Parameter, &Tensor)| {
                parameter.step(gradient, &rates(parameter.decays))
            };
            on_host.into_par_iter().try_for_each(step)
        })?;
        for (parameter, gradient) in others {
            parameter.step(gradient, &rates(parameter.decays))?;
        }
        Ok(())
    }

    /// Updates all parameters in one kernel launch, if they allow it; returns whether it did.
    #[cfg(feature = "cuda")]
    fn step_on_card(&self, gradients: &GradStore, rates: &impl Fn(bool) -> Rates) -> Result<bool> {
        let mut steps = Vec::with_capacity(self.parameters.len());
        for parameter in self.parameters.values() {
            let Moments::Tensors { mean, square } = &parameter.moments else { return Ok(false) };
            let Some(gradient) = gradients.get(parameter.var.as_tensor()) else { continue };
            let kept = rates(parameter.decays).kept;
            steps.push(card::Step { parameter: parameter.var.as_tensor(), gradient, mean, square, kept });
        }
        card::adamw(&steps, &rates(true))
    }

    /// The moments by name, `mean.NAME` and `square.NAME`, for a checkpoint of the training; the number of
    /// steps goes beside them.
    pub fn moments(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut all = BTreeMap::new();
        for (name, Parameter { var, moments, .. }) in &self.parameters {
            let (mean, square) = match moments {
                Moments::Host { mean, square } => {
                    let tensor = |values: &[f32]| Tensor::from_slice(values, var.shape(), var.device());
                    (tensor(mean)?, tensor(square)?)
                }
                Moments::Tensors { mean, square } => (mean.copy()?, square.copy()?),
            };
            all.insert(format!("mean.{name}"), mean);
            all.insert(format!("square.{name}"), square);
        }
        Ok(all)
    }

    /// Takes back what [`moments`](Self::moments) and [`steps`](Self::steps) gave. Nothing changes if a
    /// moment is missing or has another shape.
    pub fn restore(&mut self, moments: &BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        let restored: Result<Vec<(Tensor, Tensor)>> = self
            .parameters
            .iter()
            .map(|(name, of)| {
                let found = |kind| stored_moment(moments, format!("{kind}.{name}"), &of.var);
                Ok((found("mean")?, found("square")?))
            })
            .collect();
        for (parameter, (mean, square)) in self.parameters.values_mut().zip(restored?) {
            parameter.moments = match &parameter.moments {
                Moments::Host { .. } => Moments::Host {
                    mean: mean.flatten_all()?.to_vec1()?,
                    square: square.flatten_all()?.to_vec1()?,
                },
                Moments::Tensors { .. } => Moments::Tensors { mean: mean.copy()?, square: square.copy()? },
            };
        }
        self.step = steps;
        Ok(())
    }
}

fn compute_rates(config: AdamWConfig, steps: i32, learning_rate: f64, scale: f64, decays: bool) -> Rates {
    Rates {
        config,
        scale,
        kept: 1.0 - learning_rate * if decays { config.weight_decay } else { 0.0 },
        rate: learning_rate / (1.0 - config.beta1.powi(steps)),
        correct2: (1.0 - config.beta2.powi(steps)).sqrt(),
    }
}

fn start(name: String, var: Var) -> Result<(String, Parameter)> {
    let moments = if is_host(&var) {
        Moments::Host { mean: vec![0.0; var.elem_count()], square: vec![0.0; var.elem_count()] }
    } else {
        // Moments in f32 at least: the second is far below what half precision holds.
        let zeros = || Tensor::zeros(var.shape(), moment_type(&var), var.device());
        Moments::Tensors { mean: zeros()?, square: zeros()? }
    };
    Ok((name, Parameter { var, moments, decays: true }))
}

/// The moment `key` for a variable, in the variable's shape and on its device.
fn stored_moment(moments: &BTreeMap<String, Tensor>, key: String, var: &Var) -> Result<Tensor> {
    let found = moments.get(&key);
    match found.filter(|moment| moment.shape() == var.shape()) {
        Some(moment) => Ok(moment.to_device(var.device())?.to_dtype(moment_type(var))?),
        None => Err(Error::Shape {
            op: "restoring the optimiser",
            found: found.map_or_else(|| ().into(), |moment| moment.shape().clone()),
            tensor: key,
            expected: format!("{:?}", var.dims()),
        }),
    }
}

/// The numbers of one parameter's step.
pub(crate) struct Rates {
    pub config: AdamWConfig,
    /// Factor of the gradient.
    pub scale: f64,
    /// Share of the parameter that weight decay leaves.
    pub kept: f64,
    /// Learning rate over the bias of the mean.
    pub rate: f64,
    /// Root of the bias of the mean of squares.
    pub correct2: f64,
}

impl Parameter {
    fn step(&mut self, gradient: &Tensor, rates: &Rates) -> Result<()> {
        let Rates { config: AdamWConfig { beta1, beta2, eps, .. }, scale, kept, rate, correct2 } = *rates;
        match &mut self.moments {
            Moments::Host { mean, square } => {
                let gradient = gradient.to_dtype(DType::F32)?.contiguous()?;
                self.var.inplace_op2(&gradient, &Update::new(mean, square, rates))?;
            }
            Moments::Tensors { mean, square } => {
                let dtype = mean.dtype();
                let gradient = (gradient.to_dtype(dtype)?.detach() * scale)?;
                *mean = ((&*mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
                *square = ((&*square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
                let root = ((square.sqrt()? / correct2)? + eps)?;
                let left = (self.var.as_tensor().detach().to_dtype(dtype)? * kept)?;
                let next = (left - ((&*mean / root)? * rate)?)?;
                self.var.set(&next.to_dtype(self.var.dtype())?)?;
            }
        }
        Ok(())
    }
}

fn is_host(var: &Var) -> bool {
    has_kernels(var.device()) && var.dtype() == DType::F32
}

fn moment_type(var: &Var) -> DType {
    if var.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

#[cfg(test)]
mod tests;
