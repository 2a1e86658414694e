//! The models: `models.toml`, ONNX Runtime, and the networks with their sessions.
//!
//! What a network is for, what it is given and how its output is read is not known here but in
//! [`crate::detect`]: a [`Contract`] says what of it a file has to meet.
//!
//! | module | what |
//! |---|---|
//! | `registry` | `models.toml`, read |
//! | `edit` | `models.toml`, changed; its comments stay |
//! | `contract` | what a role demands of the input and output of its models |
//! | `signature` | the inputs and outputs of a loaded file, against that contract |
//! | [`tensor`] | pixels to the planes of floats that networks take |
//! | `runtime` | ONNX Runtime, loaded when the program runs |
//! | `device`, `provider` | where models run: on processors or an NVIDIA GPU |
//! | `network` | a model that meets its contract, and runs |
//! | `session` | a verified file, and how sessions of it are opened and run |
//! | `pool` | idle sessions |
//! | `split_head` | a YOLO detector whose boxes and joints are computed only where a score asks for them |
//! | `features` | a network that makes features and logits of pictures, as InceptionV3 |
//! | `error` | why a model cannot be used |

mod contract;
mod device;
mod edit;
mod error;
mod features;
mod network;
mod pool;
mod provider;
mod registry;
mod runtime;
mod session;
mod signature;
mod split_head;
pub mod tensor;

pub use contract::{BOX_CHANNELS, Contract, POSE_CHANNELS};
pub use device::{Device, ParseDeviceError};
pub use edit::{declare, relative_to, remove};
pub use error::ModelError;
pub use features::{FeatureNetwork, PictureFeatures};
pub(crate) use network::Network;
pub use registry::{Fallback, ModelEntry, Registry};
pub use runtime::Runtime;
pub(crate) use session::{input_dimensions, read};
pub use split_head::parts as split_parts;
