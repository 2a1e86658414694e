//! Embeddings of the timestep and of SDXL's added conditions.

use super::config::{AddedConfig, UnetConfig};
use super::streams::Added;
use crate::diffusion::Weights;
use crate::diffusion::layers::Linear;
use crate::error::{Error, Result};
use crate::grad;
use candle_core::{DType, Device, Tensor};

/// Sinusoids of `values` (one row each, `width` columns), computed in f64 and rounded to f32: half precision
/// would lose timesteps.
///
/// Frequencies as in Transformer, Vaswani et al. 2017, sec. 3.5; diffusers' `get_timestep_embedding`.
pub fn sinusoids(
    values: &[f64],
    width: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    device: &Device,
) -> Result<Tensor> {
    let half = width / 2;
    let mut rows = vec![0f32; values.len() * width];
    for (row, value) in rows.chunks_exact_mut(width.max(1)).zip(values) {
        let (sin, cos) = if flip_sin_to_cos { (half, 0) } else { (0, half) };
        for i in 0..half {
            let angle = value * (-(10000f64.ln()) * i as f64 / (half as f64 - freq_shift)).exp();
            row[sin + i] = angle.sin() as f32;
            row[cos + i] = angle.cos() as f32;
        }
    }
    Ok(Tensor::from_vec(rows, (values.len(), width), device)?)
}

/// diffusers' `TimestepEmbedding`: two linear layers with SiLU between.
#[derive(Debug)]
struct Mlp {
    linear_1: Linear,
    linear_2: Linear,
}

impl Mlp {
    fn load(weights: &Weights, input: usize, output: usize) -> Result<Self> {
        Ok(Self {
            linear_1: Linear::load(&weights.pp("linear_1"), input, output)?,
            linear_2: Linear::load(&weights.pp("linear_2"), output, output)?,
        })
    }

    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        self.linear_2.forward(&grad::silu(&self.linear_1.forward(x)?)?)
    }
}

/// What the residual blocks learn about the step: timestep, and for SDXL pooled text and sizes.
#[derive(Debug)]
pub struct StepEmbedding {
    width: usize,
    flip_sin_to_cos: bool,
    freq_shift: f64,
    time: Mlp,
    added: Option<(AddedConfig, Mlp)>,
}

impl StepEmbedding {
    pub fn load(weights: &Weights, config: &UnetConfig) -> Result<Self> {
        let width = config.blocks[0].channels;
        let added = match config.added {
            None => None,
            Some(added) => {
                Some((added, Mlp::load(&weights.pp("add_embedding"), added.input_dim, 4 * width)?))
            }
        };
        Ok(Self {
            width,
            flip_sin_to_cos: config.flip_sin_to_cos,
            freq_shift: config.freq_shift,
            time: Mlp::load(&weights.pp("time_embedding"), width, 4 * width)?,
            added,
        })
    }

    /// `[b, 4·width]` from one timestep per sample.
    pub fn forward(&self, timesteps: &[f64], added: Option<&Added>, device: &Device) -> Result<Tensor> {
        let time = self.time.forward(&self.sinusoids(timesteps, self.width, device)?)?;
        match (&self.added, added) {
            (None, None) => Ok(time),
            (Some((config, mlp)), Some(added)) => {
                let ids: Vec<Vec<f64>> =
                    added.time_ids.to_device(&Device::Cpu)?.to_dtype(DType::F64)?.to_vec2()?;
                let times =
                    self.sinusoids(&ids.concat(), config.time_dim, device)?.reshape((ids.len(), ()))?;
                let joined = Tensor::cat(&[&added.text_embeds.to_dtype(DType::F32)?, &times], 1)?;
                Ok((time + mlp.forward(&joined)?)?)
            }
            (wants, _) => Err(Error::Config {
                file: "unet/config.json".into(),
                key: "addition_embed_type".into(),
                value: if wants.is_some() { "text_time" } else { "null" }.into(),
                hint: if wants.is_some() {
                    "give text_embeds and time_ids"
                } else {
                    "give no added conditions"
                }
                .into(),
            }),
        }
    }

    fn sinusoids(&self, values: &[f64], width: usize, device: &Device) -> Result<Tensor> {
        sinusoids(values, width, self.flip_sin_to_cos, self.freq_shift, device)
    }
}
