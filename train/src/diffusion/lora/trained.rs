//! Low-rank updates that are trained: beside every projection of a UNet's attention.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::{Init, ZERO};
use serde_json::json;

use crate::error::Result;
use crate::grad;
use crate::run::tensors;

/// `alpha/rank · B·A` for each of some linear layers; A and B are parameters under the layer's name.
#[derive(Clone)]
pub struct TrainedLora {
    rank: usize,
    alpha: f64,
    builder: VarBuilder<'static>,
}

impl fmt::Debug for TrainedLora {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrainedLora")
            .field("rank", &self.rank)
            .field("alpha", &self.alpha)
            .finish_non_exhaustive()
    }
}

impl TrainedLora {
    /// Updates of `rank`, with the parameters of `builder`.
    pub fn new(rank: usize, alpha: f64, builder: VarBuilder<'static>) -> Self {
        Self { rank, alpha, builder }
    }

    /// The update of the layer `module`, `inputs` to `outputs`. It begins at zero: B is zero, A as peft draws it.
    pub(in crate::diffusion) fn of(&self, module: &str, inputs: usize, outputs: usize) -> Result<LowRank> {
        let builder = self.builder.pp(module);
        let bound = 1.0 / (inputs as f64).sqrt();
        let uniform = Init::Uniform { lo: -bound, up: bound };
        Ok(LowRank {
            down: builder.pp("lora_A").get_with_hints((self.rank, inputs), "weight", uniform)?,
            up: builder.pp("lora_B").get_with_hints((outputs, self.rank), "weight", ZERO)?,
            scale: self.alpha / self.rank as f64,
        })
    }
}

/// The update of one layer.
#[derive(Clone, Debug)]
pub(in crate::diffusion) struct LowRank {
    /// A, `[rank, inputs]`.
    pub down: Tensor,
    /// B, `[outputs, rank]`.
    pub up: Tensor,
    /// alpha/rank.
    pub scale: f64,
}

impl LowRank {
    /// `scale · B·A·x`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok((grad::linear(&grad::linear(x, &self.down, None)?, &self.up, None)? * self.scale)?)
    }
}

/// Writes trained updates of a UNet, `values` by module as [`TrainedLora`] names them, in diffusers' layout.
///
/// # Errors
/// Where the file is there already or cannot be written.
pub fn save_for_diffusers(
    path: &Path,
    values: &BTreeMap<String, Tensor>,
    (rank, alpha): (usize, f64),
    facts: &BTreeMap<String, String>,
) -> Result<()> {
    let named = |(name, value): (&String, &Tensor)| (format!("unet.{name}"), value.clone());
    let mut facts = facts.clone();
    // Without it the reader takes alpha for the rank.
    let metadata = json!({ "unet.r": rank, "unet.lora_alpha": alpha });
    facts.insert("lora_adapter_metadata".to_owned(), metadata.to_string());
    facts.insert("format".to_owned(), "pt".to_owned());
    tensors::save(path, &values.iter().map(named).collect(), &facts)
}

/// The same in kohya's layout, which ComfyUI and others load.
///
/// # Errors
/// Where the file is there already or cannot be written.
pub fn save_for_kohya(
    path: &Path,
    values: &BTreeMap<String, Tensor>,
    (rank, alpha): (usize, f64),
    facts: &BTreeMap<String, String>,
) -> Result<()> {
    let mut tensors = BTreeMap::new();
    for (name, value) in values {
        let parts = [(".lora_A.weight", "lora_down"), (".lora_B.weight", "lora_up")];
        let Some((module, part)) = parts.iter().find_map(|(end, part)| Some((name.strip_suffix(end)?, part)))
        else {
            continue;
        };
        let module = format!("lora_unet_{}", module.replace('.', "_"));
        tensors.insert(format!("{module}.{part}.weight"), value.clone());
        tensors.insert(
            format!("{module}.alpha"),
            Tensor::new(alpha as f32, value.device())?.to_dtype(DType::F32)?,
        );
    }
    let mut facts = facts.clone();
    facts.insert("ss_network_dim".to_owned(), rank.to_string());
    facts.insert("ss_network_alpha".to_owned(), alpha.to_string());
    tensors::save(path, &tensors, &facts)
}
