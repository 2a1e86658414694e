//! How the tensors of a dataset are stored.

use serde::{Deserialize, Serialize};

/// Whether shards are compressed. The tensors are the same to the byte either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// As they are: a tensor is read as fast as memory is copied, and any reader of safetensors opens a shard.
    #[default]
    None,
    /// A frame of zstd for each tensor of each photo: a half to a third of the disk, read several times as
    /// slowly.
    Zstd,
}

impl Compression {
    /// Whether tensors are stored as they are.
    pub fn is_none(&self) -> bool {
        *self == Self::None
    }
}
