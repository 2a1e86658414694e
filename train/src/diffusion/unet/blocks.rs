//! A residual block and the transformer that follows it: the unit that down, mid and up blocks repeat, and
//! that gradient checkpointing runs again.

use super::config::UnetConfig;
use super::resnet::Resnet;
use super::streams::Conditioning;
use super::transformer::{LayerCount, Transformer};
use crate::diffusion::Weights;
use crate::error::Result;
use crate::grad;
use candle_core::Tensor;
use std::sync::Arc;

/// `resnets.j`, then `attentions.j` where the block has attention.
#[derive(Clone, Debug)]
pub struct Layer {
    resnet: Resnet,
    attention: Option<Transformer>,
}

impl Layer {
    /// `shape` is (input channels, output channels, heads, transformer blocks); `name` that of the block, `j`
    /// the layer within it.
    pub fn load(
        weights: &Weights,
        config: &UnetConfig,
        j: usize,
        shape: (usize, usize, usize, usize),
        count: &mut LayerCount,
        name: &str,
    ) -> Result<Self> {
        let (input, output, heads, depth) = shape;
        let resnet = Resnet::load(&weights.pp("resnets").pp(j), config, input, output)?;
        let attention = if depth == 0 {
            None
        } else {
            let name = format!("{name}.attentions.{j}");
            let weights = weights.pp("attentions").pp(j);
            Some(Transformer::load(&weights, config, output, heads, depth, count, &name)?)
        };
        Ok(Self { resnet, attention })
    }

    /// `x` `[b, c, h, w]`, joined with `skip` (same size) on the way up; `step` the step embedding after SiLU.
    pub fn forward(
        &self,
        x: &Tensor,
        skip: Option<&Tensor>,
        step: &Tensor,
        conditioning: &Conditioning,
    ) -> Result<Tensor> {
        let joined;
        let x = match skip {
            Some(skip) => {
                joined = Tensor::cat(&[x, skip], 1)?;
                &joined
            }
            None => x,
        };
        let x = self.resnet.forward(x, step)?;
        match &self.attention {
            Some(attention) => attention.forward(&x, conditioning),
            None => Ok(x),
        }
    }

    /// The same as [`forward`](Self::forward); the graph keeps its inputs only, and the backward pass runs it again.
    pub fn forward_checkpointed(
        self: &Arc<Self>,
        x: &Tensor,
        skip: Option<&Tensor>,
        step: &Tensor,
        conditioning: &Conditioning,
    ) -> Result<Tensor> {
        let places: Vec<usize> = self.attention.iter().flat_map(Transformer::cross_attention).collect();
        let mut inputs = vec![x, step];
        inputs.extend(skip);
        // What is trained has to be among the inputs: nothing else gets a gradient.
        inputs.extend(self.attention.iter().flat_map(Transformer::updates));
        let updates = self.attention.iter().flat_map(Transformer::updates).count();
        inputs.extend(conditioning.tensors(&places));
        let (layer, skipped, conditioning) = (self.clone(), skip.is_some(), conditioning.clone());
        grad::checkpoint(&inputs, move |inputs| {
            let (skip, rest) = if skipped { (Some(&inputs[2]), &inputs[3..]) } else { (None, &inputs[2..]) };
            let conditioning = conditioning.with_tensors(&places, &rest[updates..]);
            if updates == 0 {
                return layer.forward(&inputs[0], skip, &inputs[1], &conditioning);
            }
            let mut layer = Self::clone(&layer);
            let mut trained = rest[..updates].iter().cloned();
            layer.attention.iter_mut().for_each(|attention| attention.set_updates(&mut trained));
            layer.forward(&inputs[0], skip, &inputs[1], &conditioning)
        })
    }
}
