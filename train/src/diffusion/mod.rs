//! Stable Diffusion, frozen: the models, their files and the samplers. Every part is named after its
//! counterpart in diffusers.
//!
//! | module | what |
//! |---|---|
//! | `weights` | the tensors of one model by name; what is missing, extra or misshapen |
//! | `tensor_file` | one `.safetensors` file, read tensor by tensor |
//! | `layers` | linear, convolution and normalisation parameters, shared by all models |
//! | `scheduler` | noise schedules, samplers, guidance |
//! | `vae` | AutoencoderKL: images and latents |
//! | `clip` | text and image encoders, L_CLIP |
//! | `image_encoder` | what reads references: CLIP or EVA02-CLIP |
//! | `adapter_file` | IP-Adapter files, read and written |
//! | `checkpoint` | folders and repositories in diffusers' layout |
//! | `sampling` | noise to latents |
//! | `prompt` | prompts to the UNet's conditioning |
//! | `tokenizer` | prompts to token ids |
//! | `json` | configuration files as Python writes them |
//! | `lora` | low-rank updates, merged when a weight is read |

pub mod adapter_file;
pub mod checkpoint;
pub mod clip;
pub mod image_encoder;
pub mod json;
pub(crate) mod layers;
pub mod lora;
mod mismatch;
pub mod prompt;
pub mod sampling;
pub mod scheduler;
pub mod tensor_file;
pub mod tokenizer;
pub mod unet;
pub mod vae;
pub mod weights;

pub use weights::Weights;
