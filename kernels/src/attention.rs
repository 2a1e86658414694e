//! Attention without its scores in memory: `cuda/attention.cu`.

use crate::error::{Error, Result};
use crate::launch::{Element, Launch, count};
use crate::variant::{BF16_WIDTHS, F32_WIDTHS, Variant};

const OP: &str = "attention";

/// Rows of the other side that the backward pass has in shared memory at a time.
const TILE: usize = 32;

/// Where the elements of a head of a sample lie, in elements; those of a row are neighbours.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strides {
    /// From one sample to the next.
    pub sample: i64,
    /// From one row, a query or a key, to the next.
    pub row: i64,
    /// From one head to the next.
    pub head: i64,
}

/// What the kernels are given. Addresses are those of the first element; those a kernel does not use may be 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of attention_arguments in cuda/attention.cu")]
pub struct Arguments {
    pub q: u64,
    pub k: u64,
    pub v: u64,
    pub o: u64,
    pub d_o: u64,
    pub out: u64,
    pub d_q: u64,
    pub d_k: u64,
    pub d_v: u64,
    /// f32 `[samples·heads, queries]`, from the forward pass to the backward: log2 of the sum of the
    /// exponentials of scores.
    pub logsum: u64,
    /// f32 of the same shape, from [`Shape::delta`] to the two that follow it.
    pub delta: u64,
    pub of_q: Strides,
    pub of_k: Strides,
    pub of_v: Strides,
    pub of_o: Strides,
    pub of_d_o: Strides,
    pub of_d_q: Strides,
    pub of_d_k: Strides,
    pub of_d_v: Strides,
    pub heads: i32,
    pub queries: i32,
    pub keys: i32,
    pub width: i32,
    pub scale: f32,
}

/// What attention is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Samples of the batch.
    pub samples: usize,
    /// Heads of a sample.
    pub heads: usize,
    /// Rows of queries.
    pub queries: usize,
    /// Rows of keys and values.
    pub keys: usize,
    /// Elements of a head's row.
    pub width: usize,
    /// Their type.
    pub element: Element,
}

impl Shape {
    /// The arguments that follow from the shape; addresses and strides are still to be set.
    ///
    /// # Errors
    /// Where there are no kernels for the shape.
    pub fn arguments(&self, scale: f64) -> Result<Arguments> {
        self.variant()?;
        for (what, value) in [("heads", self.heads), ("queries", self.queries), ("keys", self.keys)] {
            if value == 0 {
                return Err(Error::Count { op: OP, what, value });
            }
        }
        Ok(Arguments {
            heads: count(OP, "heads", self.heads)?,
            queries: count(OP, "queries", self.queries)?,
            keys: count(OP, "keys", self.keys)?,
            width: count(OP, "elements", self.width)?,
            scale: scale as f32,
            ..Arguments::default()
        })
    }

    /// `out` and `logsum` of `q`, `k`, `v`.
    pub fn forward(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        let tile = match self.element {
            Element::F32 => 32,
            Element::Bf16 => 64,
        };
        let bytes = self.tile_bytes(self.rows() + 2 * tile)?;
        self.launch("attention_forward", self.queries.div_ceil(self.rows()), bytes, arguments)
    }

    /// `delta` of `o` and `d_o`; before the other two of the backward pass.
    pub fn delta(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch("attention_delta", self.queries.div_ceil(self.warps()), 0, arguments)
    }

    /// `d_q` of `q`, `k`, `v`, `d_o`, `logsum` and `delta`.
    pub fn of_queries(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        let bytes = self.tile_bytes(2 * self.rows() + 2 * TILE)?;
        self.launch("attention_of_queries", self.queries.div_ceil(self.rows()), bytes, arguments)
    }

    /// `d_k` and `d_v` of the same.
    pub fn of_keys(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        let bytes = self.tile_bytes(2 * self.rows() + 2 * TILE)? + 2 * TILE * size_of::<f32>();
        self.launch("attention_of_keys", self.keys.div_ceil(self.rows()), bytes, arguments)
    }

    fn launch(
        &self,
        name: &str,
        blocks: usize,
        shared_bytes: usize,
        arguments: Arguments,
    ) -> Result<Launch<Arguments>> {
        let grid = [blocks, self.samples * self.heads];
        Launch::new(&self.variant()?, name, grid, 32 * self.warps(), shared_bytes, arguments)
    }

    fn variant(&self) -> Result<Variant> {
        let widths = match self.element {
            Element::F32 => F32_WIDTHS,
            Element::Bf16 => BF16_WIDTHS,
        };
        let fits = |&&filled: &&usize| self.width > 0 && self.width.is_multiple_of(8) && self.width <= filled;
        let width = widths.iter().find(fits).ok_or(Error::Width { width: self.width })?;
        Ok(Variant { file: OP, element: self.element.name(), width: Some(*width) })
    }

    /// Warps of a block, each with 16 rows.
    fn warps(&self) -> usize {
        match self.element {
            Element::F32 => 2,
            Element::Bf16 => 4,
        }
    }

    fn rows(&self) -> usize {
        16 * self.warps()
    }

    /// Of rows in shared memory, which begin in different banks.
    fn tile_bytes(&self, rows: usize) -> Result<usize> {
        let filled = self.variant()?.width.unwrap_or(self.width);
        Ok(rows * (filled + 8) * self.element.bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(width: usize, element: Element) -> Shape {
        Shape { samples: 2, heads: 8, queries: 4096, keys: 77, width, element }
    }

    #[test]
    fn heads_are_filled_up_to_the_next_width_there_is() {
        let module = |width, element| {
            let shape = shape(width, element);
            shape.arguments(1.0).and_then(|arguments| shape.forward(arguments)).map(|launch| launch.module)
        };
        for (width, filled) in [(8, 32), (24, 32), (40, 48), (64, 64), (80, 80), (88, 160), (160, 160)] {
            assert_eq!(module(width, Element::Bf16), Ok(format!("attention_bf16_{filled}")));
        }
        assert_eq!(module(40, Element::F32), Ok("attention_f32_64".to_owned()));
        for width in [0, 4, 20, 168, 512] {
            assert_eq!(module(width, Element::Bf16), Err(Error::Width { width }));
        }
    }

    #[test]
    fn blocks_cover_all_rows_and_no_kernel_takes_more_shared_memory_than_small_cards_have() {
        for element in [Element::F32, Element::Bf16] {
            let shape = shape(160, element);
            let arguments = shape.arguments(0.1).expect("a shape with kernels");
            let rows = if element == Element::F32 { 32 } else { 64 };
            let forward = shape.forward(arguments).expect("a launch");
            assert_eq!(forward.blocks, [4096 / rows, 16]);
            assert_eq!(shape.of_keys(arguments).expect("a launch").blocks, [77u32.div_ceil(rows), 16]);
            for launch in [forward, shape.of_queries(arguments).unwrap(), shape.of_keys(arguments).unwrap()] {
                // 99 KiB: GPUs of 8.6 and 8.9 (CUDA C++ Programming Guide, "Technical Specifications per
                // Compute Capability").
                assert!(launch.shared_bytes <= 99 * 1024, "{}: {}", launch.function, launch.shared_bytes);
            }
        }
    }

    #[test]
    fn nothing_to_attend_to_is_refused_and_so_are_more_heads_than_a_grid_has() {
        let none = Shape { keys: 0, ..shape(40, Element::Bf16) };
        assert_eq!(none.arguments(1.0).err(), Some(Error::Count { op: OP, what: "keys", value: 0 }));
        let many = Shape { samples: 10_000, ..shape(40, Element::Bf16) };
        let arguments = many.arguments(1.0).expect("the shape itself is fine");
        assert!(matches!(many.forward(arguments), Err(Error::Grid { .. })));
    }
}
