//! What the runs of each training are called in `run.json`.

/// Of `bolid train vae`.
pub const BODY_VAE: &str = "body-vae";
/// Of `bolid train adapter`.
pub const ADAPTER: &str = "adapter";
/// Of `bolid train pose-probe`.
pub const POSE_PROBE: &str = "pose-probe";
/// Of `bolid train dreambooth`.
pub const DREAMBOOTH: &str = "dreambooth";
