//! A shard: the tensors of one person in a safetensors file.
//!
//! ```text
//! joints     f32 [n,17,3]     x, y in px of the tensor, confidence
//! confidence f32 [n,17]       the vector s of paper section 4.2
//! image      u8  [n,3,s,s]    planes of red, green and blue
//! weighted   u8  [n,3,s,s]
//! ```
//! One of the last two is missing where the recipe's `prepare.tensors` left it out.
//!
//! The header says where each tensor begins, so it has to be known before the first photo is. It is: `n` and the
//! side are, and so every photo can be written to its place as soon as it is prepared, in any order, on any thread,
//! with no more than one photo per thread in memory. Reading goes by position as well.
//!
//! With the recipe's `prepare.compression = "zstd"` the same file is cut into frames of zstd ([`frames`]): the header,
//! joints and confidence, then one for each photo of each tensor. `zstd -d` makes the file above of them, and a photo
//! is read without the others.
//!
//! | file | what |
//! |---|---|
//! | [`name`] | the path of a person's shard |
//! | [`layout`] | where the tensors of a shard are |
//! | [`frames`] | frames of zstd with a table at their end |
//! | [`writer`] | writing, photo by photo in any order |
//! | [`reader`] | reading, by position |

mod frames;
mod layout;
mod name;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;

use photo::Tensors;

use crate::error::Error;

pub(crate) use name::{path_of, stem_of};
pub use reader::Shard;
pub(crate) use writer::ShardWriter;

/// The folder of the shards.
pub(crate) const FOLDER: &str = "shards";

/// One of the two image tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pixels {
    /// The photo.
    Image,
    /// The photo weighted by the Gaussians around its joints.
    Weighted,
}

impl Pixels {
    /// The tensor's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Weighted => "weighted",
        }
    }

    fn is_in(self, tensors: Tensors) -> bool {
        match self {
            Self::Image => tensors.has_image(),
            Self::Weighted => tensors.has_weighted(),
        }
    }

    /// The error of a shard that does not hold this tensor.
    fn missing_in(self, path: &Path) -> Error {
        let only = if self == Self::Image { Self::Weighted } else { Self::Image };
        Error::WithoutTensors { path: path.to_owned(), tensor: self.name(), only: only.name() }
    }
}
