//! AdamW's step of all parameters at once: `cuda/adamw.cu`.

use crate::error::Result;
use crate::launch::{Launch, count};
use crate::variant::Variant;

const OP: &str = "adamw";
const THREADS: usize = 256;

/// Elements of a block.
const CHUNK: usize = 4096;

/// A parameter with its gradient and its moments, all contiguous f32 of one length.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Entry {
    /// Address of the parameter, which is written.
    pub parameter: u64,
    /// Address of its gradient.
    pub gradient: u64,
    /// Address of the mean of gradients, which is written.
    pub mean: u64,
    /// Address of the mean of their squares, which is written.
    pub square: u64,
    /// Their length.
    pub elements: i64,
    /// Set by [`plan`].
    pub first_block: i32,
    /// Share of the parameter that weight decay leaves.
    pub kept: f32,
}

/// The numbers that all parameters share.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rates {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the mean of squares.
    pub eps: f64,
    /// Factor of gradients.
    pub scale: f64,
    /// Learning rate over the bias of the mean.
    pub rate: f64,
    /// Root of the bias of the mean of squares.
    pub correct2: f64,
}

/// What the kernel is given.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of adamw_arguments in cuda/adamw.cu")]
pub struct Arguments {
    /// Address of the entries, where the kernel can read them.
    pub entries: u64,
    pub count: i32,
    pub beta1: f32,
    pub beta2: f32,
    pub fresh1: f32,
    pub fresh2: f32,
    pub eps: f32,
    pub scale: f32,
    pub rate: f32,
    pub correct2: f32,
}

/// The launch for all `entries`, whose blocks are numbered with it; the entries' address is still to be set.
/// `None` where there is nothing to do.
///
/// # Errors
/// Where there are more elements than a grid has blocks for.
pub fn plan(entries: &mut Vec<Entry>, rates: &Rates) -> Result<Option<Launch<Arguments>>> {
    entries.retain(|entry| entry.elements > 0);
    let mut blocks = 0;
    for entry in entries.iter_mut() {
        entry.first_block = count(OP, "blocks", blocks)?;
        blocks += (entry.elements as usize).div_ceil(CHUNK);
    }
    if entries.is_empty() {
        return Ok(None);
    }
    let arguments = Arguments {
        entries: 0,
        count: count(OP, "parameters", entries.len())?,
        beta1: rates.beta1 as f32,
        beta2: rates.beta2 as f32,
        fresh1: (1.0 - rates.beta1) as f32,
        fresh2: (1.0 - rates.beta2) as f32,
        eps: rates.eps as f32,
        scale: rates.scale as f32,
        rate: rates.rate as f32,
        correct2: rates.correct2.recip() as f32,
    };
    let variant = Variant { file: OP, element: "", width: None };
    Launch::new(&variant, "adamw_step", [blocks, 1], THREADS, 0, arguments).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_blocks_of_parameters_follow_each_other() {
        let entry = |elements| Entry { elements, ..Entry::default() };
        let mut entries = [1, 0, 4096, 4097, 3].map(entry).to_vec();
        let rates = Rates { beta1: 0.9, beta2: 0.999, eps: 1e-8, scale: 1.0, rate: 1e-3, correct2: 1.0 };
        let launch = plan(&mut entries, &rates).expect("a plan").expect("something to do");
        assert_eq!(entries.iter().map(|e| e.first_block).collect::<Vec<_>>(), [0, 1, 2, 4]);
        assert_eq!((launch.blocks, launch.arguments.count), ([5, 1], 4));
        assert!(plan(&mut vec![entry(0)], &rates).expect("a plan").is_none());
    }
}
