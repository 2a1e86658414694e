//! BodyBench: how well c_body knows a body, on people whose bodies are known and who were never
//! trained on.
//!
//! Pure functions over arrays: no model runs here, so the same figures can be asked of any reading
//! of a body. [`evaluate`] takes what a model made of everybody's views ([`BenchInput`]) and gives
//! a [`BodyBench`].
//!
//! | module | what |
//! |---|---|
//! | [`input`] | what to fill in: people, their measures, their views and posteriors |
//! | [`figures`] | what comes out, the JSON of `bolid bodybench` |
//! | [`evaluate`] | from the one to the other |
//! | `reading` | the features of everybody, the model's or a baseline's, and their probe |
//! | [`outcome`] | retrieval and R² of one reading, on any draw of the people |
//! | [`probe`] | ridge regression, its penalty chosen by leaving one out; R² |
//! | [`scores`] | how alike two readings are: cosine, evidence of one person |
//! | [`retrieval`] | who is found first, among all and among twins |
//! | [`bootstrap`] | intervals over people |
//! | [`calibration`] | does σ shrink as the error does, and not with copies |
//! | [`baselines`] | the same from joints and pixels, without a model |
//! | [`table`] | the result for a terminal |
//! | [`matrix`], [`cholesky`], [`standardise`] | the arithmetic underneath |

pub mod baselines;
pub mod bootstrap;
pub mod calibration;
pub mod cholesky;
pub mod error;
pub mod evaluate;
pub mod figures;
pub mod input;
pub mod matrix;
pub mod outcome;
pub mod probe;
mod reading;
pub mod retrieval;
pub mod scores;
pub mod standardise;
pub mod table;

pub use error::BenchError;
pub use evaluate::evaluate;
pub use figures::BodyBench;
pub use input::{BenchInput, Estimate, Gaussian, Person, Views};
pub use matrix::Matrix;
pub use probe::Ridge;
pub use table::table;

/// The measures whose mean R² is `r2.lengths`: the limbs, as shares of the height.
pub const LENGTHS: [&str; 4] = ["upper_arm", "forearm", "thigh", "shin"];
/// The measures whose mean R² is `r2.widths`: the torso seen from the front, as shares of the
/// height.
pub const WIDTHS: [&str; 5] = ["shoulder_width", "hip_width", "chest_width", "waist_width", "pelvis_width"];
