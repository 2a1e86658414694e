//! Which build this is.

use std::sync::LazyLock;

/// The commit that `make install` builds from. Any other build would have to be made anew after every commit
/// to name it, which takes minutes.
const COMMIT: Option<&str> = option_env!("BOLID_COMMIT");

/// What was switched on beside the default.
const FEATURES: [(&str, bool); 3] = [
    ("turbojpeg", cfg!(feature = "turbojpeg")),
    ("cuda", cfg!(feature = "cuda")),
    ("cudnn", cfg!(feature = "cudnn")),
];

/// `0.1.0 (commit 0123456789ab, features: cuda)`.
pub fn long() -> &'static str {
    static LONG: LazyLock<String> = LazyLock::new(|| {
        let commit = COMMIT.filter(|commit| !commit.is_empty()).unwrap_or("unknown");
        let features: Vec<_> = FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
        let features = if features.is_empty() { "none".to_owned() } else { features.join(", ") };
        format!("{} (commit {commit}, features: {features})", env!("CARGO_PKG_VERSION"))
    });
    &LONG
}
