//! Low-rank updates (LoRA, arXiv:2106.09685) merged into weights when they are read.
//!
//! Two layouts are in use, both read here:
//! - *kohya*: `lora_unet_down_blocks_0_….lora_down.weight`, `….lora_up.weight`, `….alpha`; for the UNet under
//!   diffusers' names or, as in
//!   SDXL-Lightning's LoRA files, under those of the original implementation (`lora_unet_input_blocks_4_1_…`);
//! - *diffusers/peft*: `unet.down_blocks.0.….lora_A.weight`, `….lora_B.weight` (older: `.lora.down.weight`,
//!   `.processor.to_q_lora.down.weight`),
//!   with `alpha` in the header's metadata or absent (then it equals the rank).
//!
//! An update is `scale · alpha/rank · up·down`.

mod delta;
mod key;
mod original;
mod trained;

pub(crate) use delta::Delta;
pub(in crate::diffusion) use trained::LowRank;
pub use trained::{TrainedLora, save_for_diffusers, save_for_kohya};

use super::tensor_file::TensorFile;
use super::weights::{TensorMismatch, Weights};
use crate::error::{Error, Result};
use candle_core::{DType, Device, Tensor};
use key::{Key, Part};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

/// A model that a LoRA file may update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The UNet.
    Unet,
    /// The (first) text encoder.
    TextEncoder,
    /// SDXL's second text encoder.
    TextEncoder2,
}

/// The updates of one LoRA file.
#[derive(Clone, Debug)]
pub struct Lora {
    path: PathBuf,
    modules: BTreeMap<(Target, String), Module>,
}

#[derive(Clone, Debug, Default)]
struct Module {
    down: Option<Tensor>,
    up: Option<Tensor>,
    mid: Option<Tensor>,
    alpha: Option<f64>,
}

impl Lora {
    /// Reads a LoRA file of either layout. A tensor that belongs to neither is an error that names it.
    pub fn read(path: &Path) -> Result<Self> {
        let file = TensorFile::open(path)?;
        let mut modules: BTreeMap<_, Module> = BTreeMap::new();
        let mut unknown = BTreeSet::new();
        for name in file.names() {
            let Some(Key { target, module, part }) = Key::parse(name) else {
                unknown.insert(name.to_owned());
                continue;
            };
            let tensor = file.read(name, &Device::Cpu)?;
            let entry = modules.entry((target, module)).or_default();
            match part {
                Part::Down => entry.down = Some(tensor),
                Part::Up => entry.up = Some(tensor),
                Part::Mid => entry.mid = Some(tensor),
                Part::Alpha => entry.alpha = Some(scalar(&tensor)?),
            }
        }
        if !unknown.is_empty() {
            let names = unknown.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::malformed(
                path,
                format!(
                    "not a LoRA of linear and convolution layers in kohya's or diffusers' layout: {names}"
                ),
            ));
        }
        let incomplete = |(_, m): &(&(Target, String), &Module)| m.down.is_none() || m.up.is_none();
        let halves: Vec<&str> =
            modules.iter().filter(incomplete).map(|((_, name), _)| name.as_str()).collect();
        if !halves.is_empty() {
            return Err(Error::malformed(
                path,
                format!("lacks the up or the down half of {}", halves.join(", ")),
            ));
        }
        let mut lora = Self { path: path.to_owned(), modules };
        if let Some(text) = file.metadata().get("lora_adapter_metadata") {
            let metadata = super::json::parse(text).map_err(|e| Error::malformed(path, e))?;
            lora.take_alphas(&metadata)?;
        }
        Ok(lora)
    }

    /// The models this file updates.
    pub fn targets(&self) -> BTreeSet<Target> {
        self.modules.keys().map(|(target, _)| *target).collect()
    }

    /// The weights with this file's updates of `target`, times `scale`, added as they are read.
    ///
    /// A module without a counterpart among the weights, or of another shape, is an error that names all of them.
    pub fn merge(&self, target: Target, weights: &Weights, scale: f64) -> Result<Weights> {
        let by_alias = aliases(target, weights);
        let mut deltas = Vec::new();
        let mut report =
            TensorMismatch { origin: self.path.display().to_string(), ..TensorMismatch::default() };
        for ((_, module), entry) in self.modules.iter().filter(|((of, _), _)| *of == target) {
            let (Some(name), Some(down), Some(up)) = (by_alias.get(module), &entry.down, &entry.up) else {
                report.extra.push(module.clone());
                continue;
            };
            let rank = down.dim(0)?;
            let factor = scale * entry.alpha.unwrap_or(rank as f64) / rank as f64;
            let delta = Delta { down: down.clone(), up: up.clone(), mid: entry.mid.clone(), factor };
            let needed = weights.shape_of(name).unwrap_or_default();
            match delta.shape_like(&needed) {
                Some(_) => deltas.push((name.clone(), delta)),
                None => report.misshapen.push((module.clone(), needed, delta.factors_shape())),
            }
        }
        if report.is_empty() { Ok(weights.with_deltas(deltas)) } else { Err(report.into()) }
    }

    /// peft's settings, which newer diffusers puts into the header: `unet.lora_alpha`, `unet.alpha_pattern`,
    /// `unet.use_rslora`.
    fn take_alphas(&mut self, metadata: &serde_json::Value) -> Result<()> {
        for ((target, module), entry) in &mut self.modules {
            let prefix = match target {
                Target::Unet => "unet",
                Target::TextEncoder => "text_encoder",
                Target::TextEncoder2 => "text_encoder_2",
            };
            let setting = |key: &str| metadata.get(format!("{prefix}.{key}"));
            let own = setting("alpha_pattern").and_then(|patterns| {
                let of_module = |(pattern, alpha): (&String, &serde_json::Value)| {
                    let dotted = format!(".{pattern}");
                    (module == pattern || module.ends_with(&dotted)).then(|| alpha.as_f64()).flatten()
                };
                patterns.as_object()?.iter().find_map(of_module)
            });
            let general = setting("lora_alpha").and_then(serde_json::Value::as_f64);
            let rank_stabilised = setting("use_rslora").and_then(serde_json::Value::as_bool) == Some(true);
            if let (None, Some(alpha), Some(down)) = (entry.alpha, own.or(general), &entry.down) {
                // Rank-stabilised LoRA (arXiv:2312.03732) divides by √rank.
                entry.alpha =
                    Some(if rank_stabilised { alpha * (down.dim(0)? as f64).sqrt() } else { alpha });
            }
        }
        Ok(())
    }
}

/// The facts in a LoRA file's header: of one that was trained here, its run.
///
/// # Errors
/// Where the file cannot be read.
pub fn facts(path: &Path) -> Result<BTreeMap<String, String>> {
    Ok(TensorFile::open(path)?.metadata().clone())
}

/// Every name a LoRA file may use for a weight → the weight's name.
fn aliases(target: Target, weights: &Weights) -> HashMap<String, String> {
    let mut aliases = HashMap::new();
    let names = weights.names();
    let original = (target == Target::Unet).then(|| original::Names::of(&names));
    for name in &names {
        let Some(module) = name.strip_suffix(".weight") else { continue };
        let mut add = |alias: String| {
            aliases.insert(alias.replace('.', "_"), (*name).to_owned());
            aliases.insert(alias, (*name).to_owned());
        };
        add(module.to_owned());
        if target != Target::Unet && !module.starts_with("text_model.") {
            add(format!("text_model.{module}"));
        }
        if let Some(original) = original.as_ref().and_then(|names| names.of_module(module)) {
            add(original);
        }
    }
    aliases
}

fn scalar(tensor: &Tensor) -> Result<f64> {
    let flat = tensor.to_dtype(DType::F64)?.flatten_all()?;
    Ok(flat.get(0)?.to_scalar()?)
}

#[cfg(test)]
mod tests;
