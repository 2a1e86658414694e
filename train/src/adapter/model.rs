//! The adapter: the reference stream and the body stream of one UNet.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};

use super::stream::TrainedStream;
use crate::diffusion::unet::{Conditioning, UNet};
use crate::error::Result;
use crate::parameters::Parameters;

/// Weights of the two streams in `Z′ = Attn(text) + λ_ref·Attn(reference) + λ_b·Attn(body)` (paper sec. 4.3).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lambdas {
    /// Of the reference stream.
    pub reference: f64,
    /// Of the body stream.
    pub body: f64,
}

/// Widths of the embeddings that streams are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Widths {
    /// Of image embeddings.
    pub image: usize,
    /// Of c_body.
    pub body: usize,
}

/// Both streams.
#[derive(Clone, Debug)]
pub struct Adapter {
    /// Of CLIP image embeddings.
    pub reference: TrainedStream,
    /// Of c_body.
    pub body: TrainedStream,
}

impl Adapter {
    /// The adapter of `unet` for embeddings of these widths; parameters under
    /// `reference.` and `body.`.
    ///
    /// # Errors
    /// Where a parameter is there in another shape.
    pub fn new(unet: &UNet, widths: Widths, parameters: &Parameters, device: &Device) -> Result<Self> {
        let builder = parameters.builder(DType::F32, device);
        Ok(Self {
            reference: TrainedStream::new(unet, widths.image, &builder.pp("reference"))?,
            body: TrainedStream::new(unet, widths.body, &builder.pp("body"))?,
        })
    }

    /// Sets keys, values and the gains of both streams to what they begin as.
    pub fn begin(unet: &UNet, parameters: &Parameters, gain: f64) -> Result<()> {
        let mut values = parameters.values()?;
        for (name, value) in TrainedStream::initial_values(unet, gain)? {
            values.insert(format!("reference.{name}"), value.clone());
            values.insert(format!("body.{name}"), value);
        }
        parameters.set(&values)
    }

    /// What a prediction is conditioned on: `text` `[b, tokens, cross]`, `image` `[b, width]`, `c_body` `[b, width]`. A
    /// stream whose weight is 0 is left out.
    pub fn conditioning(
        &self,
        text: &Tensor,
        image: &Tensor,
        c_body: &Tensor,
        lambdas: Lambdas,
    ) -> Result<Conditioning> {
        let stream = |trained: &TrainedStream, embeds: &Tensor, lambda: f64| {
            if lambda == 0.0 { Ok(None) } else { trained.of(embeds, lambda).map(Some) }
        };
        Ok(Conditioning {
            reference: stream(&self.reference, image, lambdas.reference)?,
            body: stream(&self.body, c_body, lambdas.body)?,
            ..Conditioning::text(text.clone())
        })
    }
}

/// The parameters of one stream among `values` of both, by their names in its file.
pub fn of_stream(values: &BTreeMap<String, Tensor>, stream: &str) -> BTreeMap<String, Tensor> {
    let prefix = format!("{stream}.");
    let of =
        |(name, value): (&String, &Tensor)| Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()));
    values.iter().filter_map(of).collect()
}
