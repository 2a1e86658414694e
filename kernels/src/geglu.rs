//! The gated GELU of transformer blocks: `cuda/geglu.cu`.

use crate::error::{Error, Result};
use crate::launch::{Element, Launch, count};
use crate::variant::Variant;

const OP: &str = "geglu";
const THREADS: usize = 256;

/// What the kernels are given. Addresses a kernel does not use may be 0.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
#[allow(missing_docs, reason = "the fields are those of geglu_arguments in cuda/geglu.cu")]
pub struct Arguments {
    pub x: u64,
    pub d_y: u64,
    pub y: u64,
    pub d_x: u64,
    pub rows: i64,
    pub width: i32,
}

/// What is gated: contiguous, `[rows, 2·width]`; the result is `[rows, width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// All dimensions but the last.
    pub rows: usize,
    /// The result's last.
    pub width: usize,
    /// The type of both tensors.
    pub element: Element,
}

impl Shape {
    /// The arguments that follow from the shape; addresses are still to be set.
    ///
    /// # Errors
    /// Where there are no kernels for the shape.
    pub fn arguments(&self) -> Result<Arguments> {
        for (what, value) in [("rows", self.rows), ("columns", self.width)] {
            if value == 0 {
                return Err(Error::Count { op: OP, what, value });
            }
        }
        Ok(Arguments {
            rows: self.rows as i64,
            width: count(OP, "columns", self.width)?,
            ..Arguments::default()
        })
    }

    /// `y` of `x`.
    pub fn forward(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch("geglu_forward", arguments)
    }

    /// `d_x` of `x` and `d_y`.
    pub fn backward(&self, arguments: Arguments) -> Result<Launch<Arguments>> {
        self.launch("geglu_backward", arguments)
    }

    fn launch(&self, name: &str, arguments: Arguments) -> Result<Launch<Arguments>> {
        let vector = self.element.vector();
        let each = if self.width.is_multiple_of(vector) { vector } else { 1 };
        let blocks = (self.rows * self.width).div_ceil(THREADS * each);
        let variant = Variant { file: OP, element: self.element.name(), width: None };
        Launch::new(&variant, name, [blocks, 1], THREADS, 0, arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_has_as_many_elements_as_move_at_once() {
        let blocks = |width, element| {
            let shape = Shape { rows: 100, width, element };
            shape.arguments().and_then(|arguments| shape.forward(arguments)).map(|launch| launch.blocks[0])
        };
        assert_eq!(blocks(1280, Element::Bf16), Ok(63));
        assert_eq!(blocks(1280, Element::F32), Ok(125));
        assert_eq!(blocks(1283, Element::Bf16), Ok(502));
    }
}
