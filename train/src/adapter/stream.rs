//! One trained stream: an embedding to four tokens, and keys and values of them in every cross-attention layer.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_nn::init::Init;

use crate::diffusion::adapter_file::{AdapterFile, Projection};
use crate::diffusion::unet::{KeyValue, Stream, UNet};
use crate::error::Result;

/// Tokens of a stream. A linear layer with a norm is the projection of the original IP-Adapter; diffusers
/// reads its number of tokens from the file, but ComfyUI assumes four: no other number loads in both.
pub const TOKENS: usize = 4;

/// The parameters of one stream under the names of its file.
#[derive(Clone, Debug)]
pub struct TrainedStream {
    adapter: AdapterFile,
}

impl TrainedStream {
    /// The stream of embeddings of width `embed` for `unet`, its parameters from `builder`.
    ///
    /// # Errors
    /// Where a parameter is there in another shape.
    pub fn new(unet: &UNet, embed: usize, builder: &VarBuilder) -> Result<Self> {
        let cross = unet.config().cross_attention_dim;
        let projection = builder.pp("image_proj");
        let (proj, norm) = (projection.pp("proj"), projection.pp("norm"));
        // As PyTorch draws a linear layer: uniform within ±1/√in.
        let bound = 1.0 / (embed as f64).sqrt();
        let uniform = Init::Uniform { lo: -bound, up: bound };
        let layer = |(index, (_, width)): (usize, &(String, usize))| -> Result<KeyValue> {
            let layer = builder.pp("ip_adapter").pp(2 * index + 1);
            let weight = |name: &str| layer.pp(name).get_with_hints((*width, cross), "weight", uniform);
            Ok(KeyValue { key: weight("to_k_ip")?, value: weight("to_v_ip")? })
        };
        let layers = unet.cross_attention().iter().enumerate().map(layer).collect::<Result<_>>()?;
        let projection = Projection {
            weight: proj.get_with_hints((TOKENS * cross, embed), "weight", uniform)?,
            bias: proj.get_with_hints(TOKENS * cross, "bias", uniform)?,
            norm_weight: norm.get_with_hints(cross, "weight", Init::Const(1.0))?,
            norm_bias: norm.get_with_hints(cross, "bias", Init::Const(0.0))?,
        };
        Ok(Self { adapter: AdapterFile { projection, layers } })
    }

    /// The stream of a file, in f32.
    pub fn from_file(file: &AdapterFile) -> Result<Self> {
        let f32 = |tensor: &Tensor| tensor.to_dtype(DType::F32);
        let p = &file.projection;
        let projection = Projection {
            weight: f32(&p.weight)?,
            bias: f32(&p.bias)?,
            norm_weight: f32(&p.norm_weight)?,
            norm_bias: f32(&p.norm_bias)?,
        };
        let layer = |kv: &KeyValue| Ok(KeyValue { key: f32(&kv.key)?, value: f32(&kv.value)? });
        let layers = file.layers.iter().map(layer).collect::<Result<_>>()?;
        Ok(Self { adapter: AdapterFile { projection, layers } })
    }

    /// What keys and values begin as: the base's own of the text, which already read tokens of this width
    /// (IP-Adapter, arXiv:2308.06721, its trainer's `init_adapter_modules`); and the norm of the tokens, with
    /// `gain`. By their names below the stream's.
    pub fn initial_values(unet: &UNet, gain: f64) -> Result<BTreeMap<String, Tensor>> {
        let gain = Tensor::full(gain as f32, unet.config().cross_attention_dim, &Device::Cpu)?;
        let mut values = BTreeMap::from([("image_proj.norm.weight".to_owned(), gain)]);
        for (index, layer) in unet.text_key_values().iter().enumerate() {
            let number = 2 * index + 1;
            for (name, weight) in [("to_k_ip", &layer.key), ("to_v_ip", &layer.value)] {
                values.insert(format!("ip_adapter.{number}.{name}.weight"), weight.to_dtype(DType::F32)?);
            }
        }
        Ok(values)
    }

    /// Width of the embeddings it takes.
    pub fn embed_dim(&self) -> usize {
        self.adapter.projection.embed_dim()
    }

    /// The stream of `embeds` `[b, embed]` with weight `lambda`; a row of zeros is the null condition.
    pub fn of(&self, embeds: &Tensor, lambda: f64) -> Result<Stream> {
        Ok(Stream {
            tokens: self.adapter.projection.forward(embeds)?,
            layers: self.adapter.layers.clone(),
            lambda,
        })
    }

    /// The parameters as an adapter file.
    pub fn file(&self) -> &AdapterFile {
        &self.adapter
    }
}
