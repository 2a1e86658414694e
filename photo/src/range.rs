//! Settings whose values are out of range.

/// A setting that cannot be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{key} = {value}` is out of range: {expected}")]
pub struct OutOfRange {
    /// The setting, such as `model.view_px`.
    pub key: &'static str,
    /// Its value.
    pub value: String,
    /// What would be in range.
    pub expected: &'static str,
}

/// Refuses `value` of `key` unless `is_in_range`; no number is in no range.
///
/// # Errors
/// [`OutOfRange`].
pub fn check<T: ToString>(
    key: &'static str,
    value: &T,
    is_in_range: bool,
    expected: &'static str,
) -> Result<(), OutOfRange> {
    if is_in_range { Ok(()) } else { Err(OutOfRange { key, value: value.to_string(), expected }) }
}
