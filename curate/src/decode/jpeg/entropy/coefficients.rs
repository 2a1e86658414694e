//! The coefficients of blocks: of some MCUs on their way to samples, or of all where several scans bring them.

use crate::decode::jpeg::headers::picture::Picture;
use crate::decode::jpeg::samples::idct::Block;

/// The coefficients of a component.
pub(crate) struct Coefficients {
    /// Row by row, those blocks included that fill up MCUs.
    pub blocks: Vec<Block>,
    /// Blocks in a row.
    pub stride: usize,
    /// Of each block: which coefficients are not 0, in the file's order.
    pub nonzero: Vec<u64>,
}

impl Coefficients {
    /// Zeros, for so many MCUs along x and y.
    pub fn of(picture: &Picture, mcus: (usize, usize)) -> Vec<Self> {
        let of_component = |(wide, high): (usize, usize)| {
            let stride = mcus.0 * wide;
            let all = stride * mcus.1 * high;
            Self { blocks: vec![[0; _]; all], stride, nonzero: vec![0; all] }
        };
        picture.components.iter().map(|component| of_component(component.sampling)).collect()
    }

    /// The bytes that those of a whole picture take.
    pub fn bytes(picture: &Picture) -> u64 {
        let in_mcu: usize = picture.components.iter().map(|of| of.sampling.0 * of.sampling.1).sum();
        let blocks = in_mcu as u64 * picture.mcus.0 as u64 * picture.mcus.1 as u64;
        blocks * (size_of::<Block>() + size_of::<u64>()) as u64
    }
}
