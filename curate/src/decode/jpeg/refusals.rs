//! Why a JPEG is not decoded, as [`DecodeError`].

use crate::decode::error::DecodeError;

pub(super) const FORMAT: &str = "jpeg";

/// The file ends before its picture does.
pub(super) fn truncated(detail: impl Into<String>) -> DecodeError {
    DecodeError::Truncated { format: FORMAT, detail: detail.into() }
}

/// The file is not what its headers promise.
pub(super) fn damaged(detail: impl Into<String>) -> DecodeError {
    DecodeError::Damaged { format: FORMAT, detail: detail.into() }
}

/// The file is of a kind that is not decoded.
pub(super) fn unsupported(detail: impl Into<String>) -> DecodeError {
    DecodeError::Unsupported { format: FORMAT, detail: detail.into() }
}
