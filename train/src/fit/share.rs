//! A step that is shared among processes: what each found, put together.

use std::borrow::Cow;
use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{DType, Device, Tensor, Var};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::FitError;
use super::guard;
use super::reducer::Reducer;
use super::settings::FitSettings;
use super::trainer::{Refused, Terms};
use crate::error::{Error, Result};
use crate::group::Group;
use crate::run::RunSpec;

/// What a process found in its batches of a step. Numbers go as their bits: as text they would be another's at times.
#[derive(Serialize, Deserialize)]
struct Contribution {
    loss_bits: u64,
    /// Name, sum and in how many batches.
    terms: Vec<(String, u64, u32)>,
    refused: Option<(bool, u64, String)>,
    /// Which parameters got a gradient, in the order of their names.
    has: Vec<bool>,
}

/// What all found: the same in every process.
pub(super) struct Reduced {
    pub loss: f64,
    pub terms: Terms,
    pub refused: Option<Refused>,
    /// Sums; none where the step is refused.
    pub gradients: GradStore,
}

/// Puts together what this process found and what the others did.
pub(super) fn share(
    reducer: &Reducer<'_>,
    parameters: &[(String, Var)],
    loss: f64,
    terms: &Terms,
    refused: Option<&Refused>,
    gradients: Option<&GradStore>,
) -> Result<Reduced, FitError> {
    let own = Contribution {
        loss_bits: loss.to_bits(),
        terms: terms.iter().map(|(name, (sum, count))| (name.to_string(), sum.to_bits(), *count)).collect(),
        refused: refused.map(|refused| (refused.is_loss, refused.value.to_bits(), refused.batch.clone())),
        has: parameters
            .iter()
            .map(|(_, var)| gradients.is_some_and(|gradients| gradients.get(var).is_some()))
            .collect(),
    };
    let own = serde_json::to_vec(&own).map_err(|error| FitError::Parameters(error.to_string()))?;
    let mut reduced =
        Reduced { loss: 0.0, terms: Terms::new(), refused: None, gradients: GradStore::default() };
    let mut has = vec![false; parameters.len()];
    for (rank, bytes) in reducer.group.all_gather(&own)?.iter().enumerate() {
        let found: Contribution = serde_json::from_slice(bytes)
            .ok()
            .filter(|found: &Contribution| found.has.len() == has.len())
            .ok_or_else(|| {
                FitError::Parameters(format!("process {rank} trains another model, or with another program"))
            })?;
        reduced.loss += f64::from_bits(found.loss_bits);
        for (name, bits, count) in found.terms {
            let (sum, of) = reduced.terms.entry(Cow::Owned(name)).or_insert((0.0, 0));
            (*sum, *of) = (*sum + f64::from_bits(bits), *of + count);
        }
        if let (None, Some((is_loss, bits, batch))) = (&reduced.refused, found.refused) {
            reduced.refused = Some(Refused { is_loss, value: f64::from_bits(bits), batch });
        }
        has.iter_mut().zip(found.has).for_each(|(has, theirs)| *has |= theirs);
    }
    if reduced.refused.is_none() {
        reduced.gradients = sums(reducer, parameters, &has, gradients)?;
    }
    Ok(reduced)
}

/// The sums of the gradients of those parameters that anybody has one of, in one buffer.
fn sums(
    reducer: &Reducer<'_>,
    parameters: &[(String, Var)],
    has: &[bool],
    gradients: Option<&GradStore>,
) -> Result<GradStore, FitError> {
    let with_gradients: Vec<&Var> =
        parameters.iter().zip(has).filter(|(_, has)| **has).map(|((_, var), _)| var).collect();
    let own = |var: &&Var| match gradients.and_then(|gradients| gradients.get(var)) {
        Some(gradient) => gradient.to_dtype(DType::F32)?.flatten_all(),
        None => Tensor::zeros(var.elem_count(), DType::F32, var.device()),
    };
    let mut summed = GradStore::default();
    if with_gradients.is_empty() {
        return Ok(summed);
    }
    let flat = Tensor::cat(&with_gradients.iter().map(own).collect::<candle_core::Result<Vec<_>>>()?, 0)?;
    let flat = reducer.sum(&flat)?;
    let mut from = 0;
    for var in with_gradients {
        // A copy of its own: kernels ask for the alignment of a fresh tensor.
        let own = flat.narrow(0, from, var.elem_count())?.force_contiguous()?;
        summed.insert(var, own.reshape(var.shape())?);
        from += var.elem_count();
    }
    Ok(summed)
}

/// What all processes have to agree in: what decides what comes out, and the type that they compute in, which follows from
/// the device of each.
pub(super) fn agreed(spec: &RunSpec, settings: &FitSettings, compute: DType) -> BTreeMap<String, Value> {
    let mut agreed = guard::settings_of(spec, settings);
    agreed.insert("compute type".to_owned(), compute.as_str().into());
    agreed
}

/// Where the first process begins, for the others to begin there too, and what they have to agree in.
pub(super) fn send_start(
    group: &Group,
    agreed: &BTreeMap<String, Value>,
    step: u64,
    updates: u64,
    values: &BTreeMap<String, Tensor>,
    moments: &BTreeMap<String, Tensor>,
) -> Result<(), FitError> {
    let head = serde_json::to_vec(&Head { step, updates, agreed: agreed.clone() });
    group.broadcast(head.map_err(|error| FitError::Parameters(error.to_string()))?)?;
    for tensors in [values, moments] {
        let mut bytes = Vec::new();
        crate::run::tensors::write(&mut bytes, tensors, &BTreeMap::new())
            .map_err(|error| FitError::Parameters(error.to_string()))?;
        group.broadcast(bytes)?;
    }
    Ok(())
}

/// What goes before the tensors.
#[derive(Serialize, Deserialize)]
struct Head {
    step: u64,
    updates: u64,
    agreed: BTreeMap<String, Value>,
}

/// Where a training begins.
pub(super) struct Start {
    pub step: u64,
    pub updates: u64,
    pub values: BTreeMap<String, Tensor>,
    pub moments: BTreeMap<String, Tensor>,
}

/// What [`send_start`] sent. A process that does not agree in `own` refuses, naming the key.
pub(super) fn receive_start(group: &Group, own: &BTreeMap<String, Value>) -> Result<Start, FitError> {
    let head: Head = serde_json::from_slice(&group.broadcast(Vec::new())?)
        .map_err(|error| FitError::Parameters(format!("the first process runs another program ({error})")))?;
    let differences = guard::between_processes(&head.agreed, own);
    if !differences.is_empty() {
        return Err(FitError::OfAnotherTraining { differences });
    }
    let tensors = || -> Result<BTreeMap<String, Tensor>, FitError> {
        let bytes = group.broadcast(Vec::new())?;
        let found = candle_core::safetensors::load_buffer(&bytes, &Device::Cpu).map_err(Error::from)?;
        Ok(found.into_iter().collect())
    };
    Ok(Start { step: head.step, updates: head.updates, values: tensors()?, moments: tensors()? })
}
