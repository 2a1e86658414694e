//! What is started, and how.

use crate::variant::Variant;

/// The type of a tensor's elements. Sums are in f32 with both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    /// 32 bits.
    F32,
    /// The upper 16 bits of those.
    Bf16,
}

impl Element {
    /// Bytes of an element.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// As in names of kernels.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Elements that kernels move at once, 16 bytes.
    pub fn vector(self) -> usize {
        16 / self.bytes()
    }
}

/// A kernel with its grid and its arguments, which are passed as one structure.
#[derive(Clone, Debug)]
pub struct Launch<A> {
    /// The module that has the kernel.
    pub module: String,
    /// The kernel.
    pub function: String,
    /// Blocks in x and y.
    pub blocks: [u32; 2],
    /// Threads of a block.
    pub threads: u32,
    /// Shared memory of a block, in bytes.
    pub shared_bytes: u32,
    /// What the kernel is given; addresses are numbers here, and whoever starts it answers for them.
    pub arguments: A,
}

impl<A> Launch<A> {
    pub(crate) fn new(
        variant: &Variant,
        function: &str,
        blocks: [usize; 2],
        threads: usize,
        shared_bytes: usize,
        arguments: A,
    ) -> crate::Result<Self> {
        let [x, y] = blocks;
        // What any GPU takes.
        if x == 0 || y == 0 || x > i32::MAX as usize || y > 65_535 {
            return Err(crate::Error::Grid { function: variant.named(function), blocks });
        }
        Ok(Self {
            module: variant.module(),
            function: variant.named(function),
            blocks: [x as u32, y as u32],
            threads: threads as u32,
            shared_bytes: shared_bytes as u32,
            arguments,
        })
    }
}

/// A number of the arguments' kind.
pub(crate) fn count(op: &'static str, what: &'static str, value: usize) -> crate::Result<i32> {
    i32::try_from(value).map_err(|_| crate::Error::Count { op, what, value })
}
