//! How good generated pictures are, and whether the body in them is the one asked for.
//!
//! Pure functions over arrays: no model runs here and no file is read. What networks make of pictures comes in as
//! features, logits, joints, masks and similarities.
//!
//! | module | what |
//! |---|---|
//! | [`features`] | what a network makes of a set of pictures, a row for each |
//! | [`frechet`] | Fréchet distance of two sets: FID |
//! | [`kernel`] | kernel distance of two sets, over subsets: KID |
//! | [`inception`] | Inception score |
//! | [`pose`] | joints beside those asked for: L_id, PCK, OKS |
//! | [`average_precision`](mod@average_precision) | OKS-AP of people asked for, as COCO has it |
//! | [`proportions`] | limbs over the torso, and how far two people's are apart |
//! | [`silhouette`] | widths over the torso, from a mask and joints |
//! | [`mask`] | the pixels of one person, and runs through them |
//! | [`retrieval`] | whose photos are most like a picture: retrieval@1, TAR at a FAR |
//! | [`score`] | a figure between its floor and its ceiling, with intervals over identities |
//! | [`error`] | what keeps a figure from being computed |

pub mod average_precision;
pub mod error;
pub mod features;
pub mod frechet;
pub mod inception;
pub mod kernel;
pub mod mask;
pub mod pose;
pub mod proportions;
pub mod retrieval;
pub mod score;
pub mod silhouette;

pub use average_precision::{AveragePrecision, PoseDetection, PoseTarget, average_precision};
pub use error::EvaluationError;
pub use features::Features;
pub use frechet::frechet_distance;
pub use inception::{InceptionScore, inception_score};
pub use kernel::{KernelDistance, Subsets, kernel_distance};
pub use mask::Mask;
pub use pose::{WhichJoints, oks, pck, squared_distance};
pub use proportions::{LimbRatios, LimbStatistic, limb_ratio_error, limb_ratios, limb_ratios_by};
pub use retrieval::{FirstPlaces, Similarities, TrueAccepts};
pub use score::{Better, BodyScore, Normalised, OfIdentity, body_score};
pub use silhouette::{Widths, median_widths, silhouette_widths, width_error};
