//! AdamW (arXiv:1711.05101) with moments that can be saved and restored.

use crate::error::{Error, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
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
    mean: Tensor,
    square: Tensor,
}

impl AdamW {
    /// An optimiser of these parameters, with moments of zero.
    pub fn new(parameters: impl IntoIterator<Item = (String, Var)>, config: AdamWConfig) -> Result<Self> {
        let start = |(name, var): (String, Var)| {
            // Moments in f32 at least: the second is far below what half precision holds.
            let zeros = Tensor::zeros(var.shape(), moment_type(&var), var.device())?;
            Ok((name, Parameter { mean: zeros.clone(), square: zeros, var }))
        };
        Ok(Self { config, step: 0, parameters: parameters.into_iter().map(start).collect::<Result<_>>()? })
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.step
    }

    /// One step. A parameter without a gradient stays as it is, its moments too, as in PyTorch.
    pub fn step(&mut self, gradients: &GradStore, learning_rate: f64) -> Result<()> {
        self.step += 1;
        let AdamWConfig { beta1, beta2, eps, weight_decay } = self.config;
        let steps = self.step.min(i32::MAX as u64) as i32;
        let (correct1, correct2) = (1.0 - beta1.powi(steps), 1.0 - beta2.powi(steps));
        for parameter in self.parameters.values_mut() {
            let Some(gradient) = gradients.get(parameter.var.as_tensor()) else { continue };
            let dtype = parameter.mean.dtype();
            let gradient = gradient.to_dtype(dtype)?.detach();
            parameter.mean = ((&parameter.mean * beta1)? + (&gradient * (1.0 - beta1))?)?;
            parameter.square = ((&parameter.square * beta2)? + (gradient.sqr()? * (1.0 - beta2))?)?;
            let root = ((parameter.square.sqrt()? / correct2.sqrt())? + eps)?;
            let kept =
                (parameter.var.as_tensor().detach().to_dtype(dtype)? * (1.0 - learning_rate * weight_decay))?;
            let next = (kept - ((&parameter.mean / root)? * (learning_rate / correct1))?)?;
            parameter.var.set(&next.to_dtype(parameter.var.dtype())?)?;
        }
        Ok(())
    }

    /// The moments by name, `mean.NAME` and `square.NAME`, for a checkpoint of the training; the number of steps goes beside them.
    pub fn moments(&self) -> BTreeMap<String, Tensor> {
        let both = |(name, p): (&String, &Parameter)| {
            [(format!("mean.{name}"), p.mean.clone()), (format!("square.{name}"), p.square.clone())]
        };
        self.parameters.iter().flat_map(both).collect()
    }

    /// Takes back what [`moments`](Self::moments) and [`steps`](Self::steps) gave. Nothing changes if a moment is missing or has another shape.
    pub fn restore(&mut self, moments: &BTreeMap<String, Tensor>, steps: u64) -> Result<()> {
        let of = |kind: &str, name: &str, var: &Var| -> Result<Tensor> {
            let key = format!("{kind}.{name}");
            let found = moments.get(&key);
            match found.filter(|t| t.shape() == var.shape()) {
                Some(tensor) => Ok(tensor.to_device(var.device())?.to_dtype(moment_type(var))?),
                None => Err(Error::Shape {
                    op: "restoring the optimiser",
                    found: found.map_or_else(|| ().into(), |t| t.shape().clone()),
                    tensor: key,
                    expected: format!("{:?}", var.dims()),
                }),
            }
        };
        let restored: Result<Vec<(Tensor, Tensor)>> = self
            .parameters
            .iter()
            .map(|(n, p)| Ok((of("mean", n, &p.var)?, of("square", n, &p.var)?)))
            .collect();
        for (parameter, (mean, square)) in self.parameters.values_mut().zip(restored?) {
            (parameter.mean, parameter.square) = (mean, square);
        }
        self.step = steps;
        Ok(())
    }
}

fn moment_type(var: &Var) -> DType {
    if var.dtype() == DType::F64 { DType::F64 } else { DType::F32 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    fn gradients(var: &Var) -> Result<GradStore> {
        Ok(var.as_tensor().sqr()?.sum_all()?.backward()?)
    }

    #[test]
    fn a_restored_optimiser_goes_on_as_if_it_had_never_stopped() -> Result<()> {
        let start = Tensor::new(&[1.0f32, -2.0, 0.5], &Device::Cpu)?;
        let whole = Var::from_tensor(&start)?;
        let mut optimiser = AdamW::new([("w".to_owned(), whole.clone())], AdamWConfig::default())?;
        for _ in 0..3 {
            optimiser.step(&gradients(&whole)?, 0.1)?;
        }
        let resumed = Var::from_tensor(whole.as_tensor())?;
        let mut other = AdamW::new([("w".to_owned(), resumed.clone())], AdamWConfig::default())?;
        other.restore(&optimiser.moments(), optimiser.steps())?;
        for _ in 0..3 {
            optimiser.step(&gradients(&whole)?, 0.1)?;
            other.step(&gradients(&resumed)?, 0.1)?;
        }
        assert_eq!(whole.to_vec1::<f32>()?, resumed.to_vec1::<f32>()?);
        Ok(())
    }

    #[test]
    fn moments_of_another_model_are_refused_by_name() -> Result<()> {
        let var = Var::from_tensor(&Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?)?;
        let mut optimiser = AdamW::new([("w".to_owned(), var)], AdamWConfig::default())?;
        let mut moments = optimiser.moments();
        moments.remove("square.w");
        let message = optimiser.restore(&moments, 5).map_err(|e| e.to_string()).err().unwrap_or_default();
        assert!(message.contains("square.w"), "{message}");
        assert_eq!(optimiser.steps(), 0);
        Ok(())
    }
}
