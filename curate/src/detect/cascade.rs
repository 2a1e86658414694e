//! A model, and behind an int8 variant the fp32 model it was made of.
//!
//! An int8 variant costs half to two thirds as much as its fp32 model and almost always agrees. Where it
//! disagrees, its score is nearly always mid-range. So uncertain detections are run again through the fp32
//! model, with its full input and full letterbox padding, on the photo decoded whole, and that result is
//! used. What is uncertain depends on the photo alone, never on the rules, so that scores follow from a photo
//! and two files.

use serde::Serialize;

use crate::model::{Contract, Device, ModelEntry, ModelError, Network, Registry, Runtime};

/// The scores of a variant, both ends exclusive, for which its fallback runs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct UncertainRange {
    #[serde(rename = "above")] // the names are part of stored cache keys
    pub low: f32,
    #[serde(rename = "below")]
    pub high: f32,
}

impl UncertainRange {
    pub fn contains(self, score: f32) -> bool {
        score > self.low && score < self.high
    }
}

/// What was found, and by which of the two models.
#[derive(Clone, Debug, PartialEq)]
pub struct Escalated<T> {
    /// What was found.
    pub value: T,
    /// Whether the variant was uncertain, so that its fallback ran.
    pub used_fallback: bool,
}

impl<T> Escalated<T> {
    pub(crate) fn map<U>(self, wrap: impl FnOnce(T) -> U) -> Escalated<U> {
        Escalated { value: wrap(self.value), used_fallback: self.used_fallback }
    }
}

/// A model, and the fallback of a variant.
#[derive(Debug)]
pub(crate) struct Cascade {
    first: Network,
    fallback: Option<Network>,
}

impl Cascade {
    /// Reads, verifies and loads the files of an entry.
    pub fn load(
        registry: &Registry,
        entry: &ModelEntry,
        contract: &Contract,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let alone = Self::without_fallback(registry, entry, contract, runtime, device)?;
        let load =
            |entry: ModelEntry| Network::load(&entry, contract, &registry.file(&entry), runtime, device);
        Ok(Self { fallback: entry.fallback_entry().map(load).transpose()?, ..alone })
    }

    /// The same, of the model alone.
    pub fn without_fallback(
        registry: &Registry,
        entry: &ModelEntry,
        contract: &Contract,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let first = Network::load(entry, contract, &registry.file(entry), runtime, device)?;
        Ok(Self { first, fallback: None })
    }

    /// What the registry says of the model.
    pub fn entry(&self) -> &ModelEntry {
        self.first.entry()
    }

    /// Opens sessions for as many threads.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        [Some(&self.first), self.fallback()].into_iter().flatten().try_for_each(|of| of.open_for(threads))
    }

    /// The model that runs first.
    pub fn first(&self) -> &Network {
        &self.first
    }

    /// The model that runs where the first is uncertain.
    pub fn fallback(&self) -> Option<&Network> {
        self.fallback.as_ref()
    }
}
