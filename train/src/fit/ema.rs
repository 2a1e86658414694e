//! The moving average of parameters (Polyak averaging), which validation and model files use.

use std::collections::BTreeMap;

use candle_core::{Tensor, Var};
use rayon::prelude::*;

use super::fused::Approach;
use crate::error::{Error, Result};
use crate::grad::{has_kernels, in_pool};
use crate::parameters::Parameters;

/// An average of each parameter over the last steps, in f32.
#[derive(Debug)]
pub(super) struct Ema {
    decay: f64,
    average: BTreeMap<String, Var>,
}

impl Ema {
    /// Begins at the present values.
    pub fn new(parameters: &Parameters, decay: f64) -> Result<Self> {
        let var = |(name, value)| Ok((name, Var::from_tensor(&value)?));
        let average = parameters.values()?.into_iter().map(var).collect::<Result<_>>()?;
        Ok(Self { decay, average })
    }

    /// Takes in the values after update `updates`, counted from 1.
    pub fn update(&mut self, parameters: &[(String, Var)], updates: u64) -> Result<()> {
        let t = updates as f64;
        // Without this warm-up the average would hold initial, random values for about 1 / (1 − decay) steps.
        let decay = self.decay.min((1.0 + t) / (10.0 + t));
        let share = (1.0 - decay) as f32;
        let pairs =
            parameters.iter().filter_map(|(name, parameter)| Some((self.average.get(name)?, parameter)));
        let (on_host, others): (Vec<_>, Vec<_>) =
            pairs.partition(|(average, _)| has_kernels(average.device()));
        in_pool(|| {
            let approach = |(average, parameter): (&Var, &Var)| {
                average.inplace_op2(parameter.as_tensor(), &Approach { share })
            };
            on_host.into_par_iter().try_for_each(approach)
        })?;
        for (average, parameter) in others {
            let step = ((parameter.as_detached_tensor() - average.as_detached_tensor())? * f64::from(share))?;
            average.set(&(average.as_detached_tensor() + step)?)?;
        }
        Ok(())
    }

    /// The average by name. The tensors share its memory.
    pub fn values(&self) -> BTreeMap<String, Tensor> {
        self.average.iter().map(|(name, var)| (name.clone(), var.as_detached_tensor())).collect()
    }

    /// Takes back what [`values`](Self::values) gave.
    pub fn restore(&mut self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        for (name, average) in &self.average {
            let found = values.get(name);
            match found.filter(|value| value.shape() == average.shape()) {
                Some(value) => average.set(&value.to_device(average.device())?)?,
                None => {
                    return Err(Error::Shape {
                        op: "restoring the moving average",
                        tensor: name.clone(),
                        found: found.map_or_else(|| ().into(), |value| value.shape().clone()),
                        expected: format!("{:?}", average.dims()),
                    });
                }
            }
        }
        Ok(())
    }

    /// Runs with the average in the place of the parameters, which have their own values again afterwards.
    pub fn in_place_of<T>(&self, parameters: &Parameters, run: impl FnOnce() -> T) -> Result<T> {
        let own = parameters.values()?;
        parameters.set(&self.values())?;
        let result = run();
        parameters.set(&own)?;
        Ok(result)
    }
}
