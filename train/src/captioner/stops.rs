//! Which ids end a text.

use crate::diffusion::json::Settings;
use crate::error::Result;
use serde_json::Value;

/// The id or the list of ids under `key`.
pub(super) fn stops(settings: &Settings, key: &str, default: u32) -> Result<Vec<u32>> {
    match settings.value(key) {
        Some(Value::Array(_)) => settings.required(key),
        _ => Ok(vec![settings.or(key, default)?]),
    }
}
