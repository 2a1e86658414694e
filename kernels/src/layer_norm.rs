//! Layer normalisation: `cuda/layer_norm.cu`.

use crate::error::{Error, Result};
use crate::launch::{Element, Launch, count};
use crate::variant::Variant;

const OP: &str = "layer_norm";
const THREADS: usize = 256;
const WARP: usize = 32;

/// Rows that are summed up together for the gradients of weight and bias, at least.
const ROWS_OF_PART: usize = 64;
const MOST_PARTS: usize = 128;

/// What the kernels are given. Addresses a kernel does not use may be 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of layer_norm_arguments in cuda/layer_norm.cu")]
pub struct Arguments {
    pub x: u64,
    pub d_y: u64,
    /// f32 `[width]`, as bias and the gradients of both.
    pub weight: u64,
    pub bias: u64,
    pub y: u64,
    pub d_x: u64,
    /// f32 `[rows, 2]`, from the forward pass to the backward: mean and 1 / deviation.
    pub statistics: u64,
    /// f32, [`Shape::parts_len`] of them, from [`Shape::parts`] to [`Shape::of_weights`].
    pub parts: u64,
    pub d_weight: u64,
    pub d_bias: u64,
    pub rows: i64,
    pub width: i32,
    pub parts_count: i32,
    pub eps: f32,
}

/// What is normalised: contiguous, `[rows, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// All dimensions but the last.
    pub rows: usize,
    /// The last.
    pub width: usize,
    /// The type of the tensor; weight and bias are f32.
    pub element: Element,
}

impl Shape {
    /// The arguments that follow from the shape; addresses are still to be set.
    ///
    /// # Errors
    /// Where there are no kernels for the shape.
    pub fn arguments(&self, eps: f64) -> Result<Arguments> {
        for (what, value) in [("rows", self.rows), ("columns", self.width)] {
            if value == 0 {
                return Err(Error::Count { op: OP, what, value });
            }
        }
        Ok(Arguments {
            rows: self.rows as i64,
            width: count(OP, "columns", self.width)?,
            parts_count: self.parts_count() as i32,
            eps: eps as f32,
            ..Arguments::default()
        })
    }

    /// Numbers in `parts`.
    pub fn parts_len(&self) -> usize {
        self.parts_count() * 2 * self.width
    }

    /// `y` and `statistics` of `x`.
    pub fn forward(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.by_row("layer_norm_forward", arguments)
    }

    /// `d_x` of `x`, `d_y` and `statistics`.
    pub fn of_input(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.by_row("layer_norm_of_input", arguments)
    }

    /// `parts` of the same; before [`of_weights`](Self::of_weights).
    pub fn parts(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        let blocks = [self.width.div_ceil(WARP), self.parts_count()];
        self.launch("layer_norm_parts", blocks, 2 * THREADS * size_of::<f32>(), arguments)
    }

    /// `d_weight` and `d_bias` of `parts`.
    pub fn of_weights(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch("layer_norm_of_weights", [self.width.div_ceil(THREADS), 1], 0, arguments)
    }

    fn by_row(&self, name: &str, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch(name, [self.rows.div_ceil(THREADS / WARP), 1], 0, arguments)
    }

    fn launch(
        &self,
        name: &str,
        blocks: [usize; 2],
        shared_bytes: usize,
        arguments: Arguments,
    ) -> Result<Launch<Arguments>> {
        let variant = Variant { file: OP, element: self.element.name(), width: None };
        Launch::new(&variant, name, blocks, THREADS, shared_bytes, arguments)
    }

    fn parts_count(&self) -> usize {
        self.rows.div_ceil(ROWS_OF_PART).clamp(1, MOST_PARTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_warp_has_a_row_and_the_weights_gradient_has_parts() {
        let shape = Shape { rows: 4097, width: 320, element: Element::Bf16 };
        let arguments = shape.arguments(1e-5).expect("a shape with kernels");
        assert_eq!(shape.forward(arguments).expect("a launch").blocks, [513, 1]);
        assert_eq!(shape.parts(arguments).expect("a launch").blocks, [10, 65]);
        assert_eq!(shape.parts_len(), 65 * 2 * 320);
        assert_eq!(Shape { rows: 1 << 20, ..shape }.parts_len(), 128 * 2 * 320);
    }

    #[test]
    fn no_rows_are_refused() {
        let shape = Shape { rows: 0, width: 320, element: Element::Bf16 };
        assert_eq!(shape.arguments(1e-5).err(), Some(Error::Count { op: OP, what: "rows", value: 0 }));
    }
}
