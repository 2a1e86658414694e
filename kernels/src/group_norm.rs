//! Group normalisation, with SiLU after it or without: `cuda/group_norm.cu`.

use crate::error::{Error, Result};
use crate::launch::{Element, Launch, count};
use crate::variant::Variant;

const OP: &str = "group_norm";
const THREADS: usize = 256;
const WARP: usize = 32;

/// Elements of a group that a block has.
const PART: usize = 8192;

/// Pixels from which on a channel is work for a block and not for a warp.
const LARGE: usize = 1024;

/// What the kernels are given. Addresses a kernel does not use may be 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of group_norm_arguments in cuda/group_norm.cu")]
pub struct Arguments {
    pub x: u64,
    pub d_y: u64,
    /// f32 `[channels]`, as bias and the gradients of both.
    pub weight: u64,
    pub bias: u64,
    pub y: u64,
    pub d_x: u64,
    /// f32, [`Shape::parts_len`] of them, from [`Shape::parts`] to [`Shape::forward`].
    pub parts: u64,
    /// f32 `[samples·groups, 2]`, from the forward pass to the backward: mean and 1 / deviation.
    pub statistics: u64,
    /// f32 `[samples, channels, 2]`, from [`Shape::sums`] to the two that follow it.
    pub sums: u64,
    pub d_weight: u64,
    pub d_bias: u64,
    pub samples: i32,
    pub channels: i32,
    pub groups: i32,
    pub pixels: i32,
    pub silu: i32,
    pub team: i32,
    pub eps: f32,
}

/// What is normalised: contiguous, `[samples, channels, pixels]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples of the batch.
    pub samples: usize,
    /// Channels of a sample.
    pub channels: usize,
    /// Groups of channels.
    pub groups: usize,
    /// Pixels of a channel.
    pub pixels: usize,
    /// The type of the tensor; weight and bias are f32.
    pub element: Element,
}

impl Shape {
    /// The arguments that follow from the shape; addresses are still to be set.
    ///
    /// # Errors
    /// Where there are no kernels for the shape.
    pub fn arguments(&self, eps: f64, silu: bool) -> Result<Arguments> {
        let Self { channels, groups, .. } = *self;
        if groups == 0 || channels == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::Groups { channels, groups });
        }
        if self.pixels == 0 {
            return Err(Error::Count { op: OP, what: "pixels", value: 0 });
        }
        Ok(Arguments {
            samples: count(OP, "samples", self.samples)?,
            channels: count(OP, "channels", channels)?,
            groups: count(OP, "groups", groups)?,
            pixels: count(OP, "pixels", self.pixels)?,
            silu: i32::from(silu),
            team: self.team() as i32,
            eps: eps as f32,
            ..Arguments::default()
        })
    }

    /// Numbers in `parts`.
    pub fn parts_len(&self) -> usize {
        self.samples * self.groups * self.parts_of_group() * 2
    }

    /// `parts` of `x`; before [`forward`](Self::forward).
    pub fn parts(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.by_part("group_norm_parts", arguments)
    }

    /// `y` and `statistics` of `x` and `parts`.
    pub fn forward(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.by_part("group_norm_forward", arguments)
    }

    /// `sums` of `x`, `d_y` and `statistics`; before the other two of the backward pass.
    pub fn sums(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        let blocks = self.channels.div_ceil(THREADS / self.team());
        self.launch("group_norm_sums", [blocks, self.samples], arguments)
    }

    /// `d_x` of the same and `sums`.
    pub fn of_input(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.by_part("group_norm_of_input", arguments)
    }

    /// `d_weight` and `d_bias` of `sums`.
    pub fn of_weights(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch("group_norm_of_weights", [self.channels.div_ceil(THREADS), 1], arguments)
    }

    fn by_part(&self, name: &str, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch(name, [self.parts_of_group(), self.samples * self.groups], arguments)
    }

    fn launch(&self, name: &str, blocks: [usize; 2], arguments: Arguments) -> Result<Launch<Arguments>> {
        let variant = Variant { file: OP, element: self.element.name(), width: None };
        Launch::new(&variant, name, blocks, THREADS, THREADS / WARP * size_of::<f32>(), arguments)
    }

    fn parts_of_group(&self) -> usize {
        (self.channels / self.groups.max(1) * self.pixels).div_ceil(PART)
    }

    fn team(&self) -> usize {
        if self.pixels < LARGE { WARP } else { THREADS }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_map_is_cut_into_parts_and_its_channels_are_work_for_blocks() {
        // The first level of Stable Diffusion 1.5 at 512²: groups of 10 · 4096 elements.
        let shape = Shape { samples: 16, channels: 320, groups: 32, pixels: 4096, element: Element::Bf16 };
        let arguments = shape.arguments(1e-5, true).expect("a shape with kernels");
        assert_eq!(shape.forward(arguments).expect("a launch").blocks, [5, 512]);
        assert_eq!(shape.sums(arguments).expect("a launch").blocks, [320, 16]);
        assert_eq!((shape.parts_len(), arguments.team), (16 * 32 * 5 * 2, 256));
        // The last: 40 · 64.
        let shape = Shape { channels: 1280, pixels: 64, ..shape };
        let arguments = shape.arguments(1e-5, true).expect("a shape with kernels");
        assert_eq!(shape.forward(arguments).expect("a launch").blocks, [1, 512]);
        assert_eq!(shape.sums(arguments).expect("a launch").blocks, [160, 16]);
        assert_eq!(arguments.team, 32);
    }

    #[test]
    fn channels_that_are_no_groups_are_refused() {
        let shape = Shape { samples: 1, channels: 10, groups: 4, pixels: 1, element: Element::F32 };
        assert_eq!(shape.arguments(1e-5, false).err(), Some(Error::Groups { channels: 10, groups: 4 }));
    }
}
