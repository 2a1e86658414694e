//! Stable Diffusion, frozen: the models, their files and the samplers. Every part is named after its counterpart in diffusers.
//!
//! | module | what |
//! |---|---|
//! | `weights` | the tensors of one model by name; what is missing, extra or misshapen |
//! | `tensor_file` | one `.safetensors` file, read tensor by tensor |
//! | `scheduler` | noise schedules, samplers, guidance |
//! | `json` | configuration files as Python writes them |
//! | `lora` | low-rank updates, merged when a weight is read |

pub mod json;
pub mod lora;
mod mismatch;
pub mod scheduler;
pub mod tensor_file;
pub mod unet;
pub mod weights;

pub use weights::Weights;
