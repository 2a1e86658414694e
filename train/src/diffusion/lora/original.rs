//! The UNet's names in the original implementation (Stability AI's generative-models), which LoRA files for SDXL use.

use std::collections::BTreeSet;

/// Translates diffusers' module names. How the blocks are counted depends on the number of residual blocks
/// per resolution.
pub(super) struct Names {
    per_block: usize,
    up_blocks_with_attention: BTreeSet<String>,
}

impl Names {
    /// From all names of a UNet.
    pub(super) fn of(names: &BTreeSet<&str>) -> Self {
        let in_first =
            |n: &&str| n.strip_prefix("down_blocks.0.resnets.")?.split('.').next()?.parse::<usize>().ok();
        let per_block = names.iter().filter_map(in_first).max().map_or(0, |last| last + 1);
        let with_attention = |n: &&str| {
            let (block, rest) = n.strip_prefix("up_blocks.")?.split_once('.')?;
            rest.starts_with("attentions.").then(|| block.to_owned())
        };
        Self { per_block, up_blocks_with_attention: names.iter().filter_map(with_attention).collect() }
    }

    /// `down_blocks.1.attentions.0.proj_in` → `input_blocks.4.1.proj_in`; `None` where both agree or there is
    /// no counterpart.
    pub(super) fn of_module(&self, module: &str) -> Option<String> {
        let whole = match module {
            "conv_in" => "input_blocks.0.0",
            "time_embedding.linear_1" => "time_embed.0",
            "time_embedding.linear_2" => "time_embed.2",
            "add_embedding.linear_1" => "label_emb.0.0",
            "add_embedding.linear_2" => "label_emb.0.2",
            "conv_norm_out" => "out.0",
            "conv_out" => "out.2",
            _ => "",
        };
        if !whole.is_empty() {
            return Some(whole.to_owned());
        }
        if let Some(rest) = module.strip_prefix("mid_block.") {
            let (kind, index, rest) = split(rest)?;
            return match (kind, index) {
                ("resnets", 0) => Some(format!("middle_block.0.{}", in_resnet(rest)?)),
                ("attentions", 0) => Some(format!("middle_block.1.{rest}")),
                ("resnets", 1) => Some(format!("middle_block.2.{}", in_resnet(rest)?)),
                _ => None,
            };
        }
        if let Some(rest) = module.strip_prefix("down_blocks.") {
            let (block, rest) = rest.split_once('.')?;
            let first = block.parse::<usize>().ok()? * (self.per_block + 1) + 1;
            let (kind, index, rest) = split(rest)?;
            return match kind {
                "resnets" => Some(format!("input_blocks.{}.0.{}", first + index, in_resnet(rest)?)),
                "attentions" => Some(format!("input_blocks.{}.1.{rest}", first + index)),
                "downsamplers" => Some(format!("input_blocks.{}.0.op", first + self.per_block)),
                _ => None,
            };
        }
        let (block, rest) = module.strip_prefix("up_blocks.")?.split_once('.')?;
        let first = block.parse::<usize>().ok()? * (self.per_block + 1);
        let (kind, index, rest) = split(rest)?;
        match kind {
            "resnets" => Some(format!("output_blocks.{}.0.{}", first + index, in_resnet(rest)?)),
            "attentions" => Some(format!("output_blocks.{}.1.{rest}", first + index)),
            "upsamplers" => {
                let place = if self.up_blocks_with_attention.contains(block) { 2 } else { 1 };
                Some(format!("output_blocks.{}.{place}.conv", first + self.per_block))
            }
            _ => None,
        }
    }
}

/// `resnets.0.conv1` → (`resnets`, 0, `conv1`).
fn split(rest: &str) -> Option<(&str, usize, &str)> {
    let (kind, rest) = rest.split_once('.')?;
    let (index, rest) = rest.split_once('.')?;
    Some((kind, index.parse().ok()?, rest))
}

fn in_resnet(layer: &str) -> Option<&'static str> {
    Some(match layer {
        "norm1" => "in_layers.0",
        "conv1" => "in_layers.2",
        "time_emb_proj" => "emb_layers.1",
        "norm2" => "out_layers.0",
        "conv2" => "out_layers.3",
        "conv_shortcut" => "skip_connection",
        _ => return None,
    })
}
