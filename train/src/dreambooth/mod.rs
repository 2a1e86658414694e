//! DreamBooth as low-rank updates (Ruiz et al. 2023, arXiv:2208.12242; paper eq. 8): a few photos of one
//! person teach a base an identifier, and pictures that the base draws of people in general keep it from
//! forgetting those.
//!
//! | file | what |
//! |---|---|
//! | [`settings`] | table `dreambooth` of a configuration |
//! | [`prepare`] | latents of photos and of pictures that the base draws |
//! | [`source`] | a step's batch: photos of the person, and pictures of the class |
//! | [`loss`] | `L = L_photos + λ·L_class` |
//! | [`page`](mod@page) | the report |

pub mod loss;
pub mod page;
pub mod prepare;
pub mod settings;
pub mod source;

pub use loss::{Halves, Objective};
pub use settings::DreamBoothSettings;
pub use source::{DreamBoothBatch, DreamBoothSource, Known};
