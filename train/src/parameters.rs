//! The named variables of a model.
//!
//! candle-nn's `VarMap` draws initial values from the thread's random generator, which cannot be
//! seeded on the CPU, and iterates in random order. [`Parameters`] is a backend of its `VarBuilder`
//! that does neither: each variable's values follow from the seed and its name alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use candle_core::{DType, Device, Shape, Tensor, Var};
use candle_nn::VarBuilder;
use candle_nn::init::{Init, NormalOrUniform};
use candle_nn::var_builder::SimpleBackend;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// The variables of a model by name, in the order of their names. A clone shares them.
#[derive(Clone, Debug)]
pub struct Parameters {
    seed: u64,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Parameters {
    /// No variables yet: the model makes them through [`builder`](Self::builder).
    pub fn seeded(seed: u64) -> Self {
        Self { seed, vars: Arc::default() }
    }

    /// A builder for candle-nn's modules. A variable is made when it is first asked for.
    pub fn builder(&self, dtype: DType, device: &Device) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device.clone())
    }

    /// Every variable with its name, sorted by name.
    pub fn named(&self) -> Vec<(String, Var)> {
        self.lock().iter().map(|(name, var)| (name.clone(), var.clone())).collect()
    }

    /// How many numbers they hold.
    pub fn count(&self) -> usize {
        self.lock().values().map(|var| var.elem_count()).sum()
    }

    /// The present values by name.
    ///
    /// # Errors
    /// If a device cannot copy.
    pub fn values(&self) -> Result<BTreeMap<String, Tensor>> {
        let copy = |(name, var): (&String, &Var)| Ok((name.clone(), var.as_tensor().detach().copy()?));
        self.lock().iter().map(copy).collect()
    }

    /// Sets every variable from `values`; names that no variable has are ignored.
    ///
    /// # Errors
    /// Naming the first variable that `values` lacks, or has in another shape. Then nothing has changed.
    pub fn set(&self, values: &BTreeMap<String, Tensor>) -> Result<()> {
        let vars = self.lock();
        for (name, var) in vars.iter() {
            let found = values.get(name);
            if found.is_none_or(|tensor| tensor.shape() != var.shape()) {
                return Err(Error::Shape {
                    op: "setting parameters",
                    tensor: name.clone(),
                    found: found.map_or_else(|| ().into(), |tensor| tensor.shape().clone()),
                    expected: format!("{:?}", var.dims()),
                });
            }
        }
        for (name, var) in vars.iter() {
            var.set(&values[name].to_dtype(var.dtype())?.to_device(var.device())?)?;
        }
        Ok(())
    }

    /// Sets the variables that `values` has, and gives the names of those that it lacks: they stay as they began.
    ///
    /// # Errors
    /// Naming the first variable that `values` has in another shape. Then nothing has changed.
    pub fn set_known(&self, values: &BTreeMap<String, Tensor>) -> Result<Vec<String>> {
        let present = self.values()?;
        let lacking: Vec<String> =
            present.keys().filter(|name| !values.contains_key(*name)).cloned().collect();
        let known = present.into_iter().map(|(name, value)| {
            let value = values.get(&name).cloned().unwrap_or(value);
            (name, value)
        });
        self.set(&known.collect())?;
        Ok(lacking)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.vars.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SimpleBackend for Parameters {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        init: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        let mut vars = self.lock();
        if let Some(var) = vars.get(name) {
            if var.shape() != &shape {
                candle_core::bail!("parameter {name} has shape {:?}, {shape:?} was asked for", var.shape());
            }
            return Ok(var.as_tensor().clone());
        }
        let values = initial_values(self.seed, name, &shape, init);
        let var = Var::from_tensor(&Tensor::from_vec(values, &shape, device)?.to_dtype(dtype)?)?;
        let tensor = var.as_tensor().clone();
        vars.insert(name.to_owned(), var);
        Ok(tensor)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        match self.lock().get(name) {
            Some(var) => Ok(var.as_tensor().clone()),
            None => candle_core::bail!("there is no parameter {name}"),
        }
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.lock().contains_key(name)
    }
}

fn initial_values(seed: u64, name: &str, shape: &Shape, init: Init) -> Vec<f32> {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    let mut rng = ChaCha8Rng::from_seed(hash.finalize().into());
    let count = shape.elem_count();
    match init {
        Init::Const(value) => vec![value as f32; count],
        Init::Uniform { lo, up } => (0..count).map(|_| rng.random_range(lo..up) as f32).collect(),
        Init::Randn { mean, stdev } => normals(&mut rng, count, mean, stdev),
        Init::Kaiming { dist, fan, non_linearity } => {
            let stdev = non_linearity.gain() / (fan.for_shape(shape) as f64).sqrt();
            match dist {
                NormalOrUniform::Normal => normals(&mut rng, count, 0.0, stdev),
                NormalOrUniform::Uniform => {
                    let bound = 3f64.sqrt() * stdev;
                    (0..count).map(|_| rng.random_range(-bound..bound) as f32).collect()
                }
            }
        }
    }
}

/// Draws from a normal distribution, two at a time (Box and Muller 1958).
pub(crate) fn normals(rng: &mut impl Rng, count: usize, mean: f64, stdev: f64) -> Vec<f32> {
    let mut values = Vec::with_capacity(count + 1);
    while values.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
        let (sin, cos) = (std::f64::consts::TAU * rng.random::<f64>()).sin_cos();
        values.extend([cos, sin].map(|side| (mean + stdev * radius * side) as f32));
    }
    values.truncate(count);
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(seed: u64) -> Result<Parameters> {
        let parameters = Parameters::seeded(seed);
        let builder = parameters.builder(DType::F32, &Device::Cpu);
        candle_nn::linear(3, 2, builder.pp("b"))?;
        candle_nn::linear(2, 2, builder.pp("a"))?;
        Ok(parameters)
    }

    #[test]
    fn initial_values_follow_from_the_seed_and_the_name() -> Result<()> {
        let (first, again, other) = (model(1)?, model(1)?, model(2)?);
        let flat = |parameters: &Parameters| -> Result<Vec<Vec<f32>>> {
            parameters.named().iter().map(|(_, var)| Ok(var.flatten_all()?.to_vec1()?)).collect()
        };
        assert_eq!(flat(&first)?, flat(&again)?);
        assert_ne!(flat(&first)?, flat(&other)?);
        let names: Vec<String> = first.named().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["a.bias", "a.weight", "b.bias", "b.weight"]);
        Ok(())
    }

    #[test]
    fn values_of_another_shape_change_nothing_and_are_named() -> Result<()> {
        let parameters = model(1)?;
        let before = parameters.values()?;
        let mut values = model(2)?.values()?;
        values.insert("b.weight".to_owned(), Tensor::zeros((5, 5), DType::F32, &Device::Cpu)?);
        let message = parameters.set(&values).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(message.contains("b.weight"), "{message}");
        for (name, value) in before {
            let var = parameters.named().into_iter().find(|(found, _)| *found == name).map(|(_, var)| var);
            let now: Vec<f32> = var.map(|var| var.flatten_all()?.to_vec1()).transpose()?.unwrap_or_default();
            assert_eq!(now, value.flatten_all()?.to_vec1::<f32>()?);
        }
        Ok(())
    }
}
