//! The pose probe: a small network that reads 17 joints off latents, differentiably, for L_id (paper sec. 4.4).
//!
//! The adapter is trained against it, so it cannot judge the adapter's pictures; a separate pose model does.
//!
//! | file | what |
//! |---|---|
//! | [`network`] | latents to heat maps to joints |
//! | [`loss`] | what it is fitted to, and L_id's distance |
//! | [`source`] | cached latents with noise on them |
//! | [`pck`] | how often it is right, by noise level |
//! | [`file`] | a probe on the disk |

pub mod file;
pub mod loss;
pub mod network;
pub mod pck;
pub mod source;

pub use loss::{joint_loss, probe_loss};
pub use network::{PoseProbe, ProbeConfig};
pub use pck::{pck, pck_of_estimates};
pub use source::{ProbeBatch, ProbeSource};
