//! Training from snapshots: the body-VAE, the loop that fits it, and the frozen diffusion base that an adapter is
//! trained through.
//!
//! | module | what |
//! |---|---|
//! | [`views`] | people and their views, from a snapshot to tensors: sampling, pooling, augmentation |
//! | [`body`] | the body-VAE: views of one person to a Gaussian over c_body, and back to a picture |
//! | [`cache`] | what frozen networks make of photos and captions, computed once |
//! | [`adapter`] | the body adapter: streams beside the text, their objective |
//! | [`captioner`] | captions of images, by BLIP and BLIP-2 |
//! | [`dreambooth`] | low-rank updates that know one person by a word |
//! | [`generate`] | pictures of a prompt, a body and a reference |
//! | [`probe`] | joints read off latents, for the adapter's pose term |
//! | `layers` | linear, convolution, normalisation, attention, with parameters to train |
//! | [`parameters`] | the named variables of a model, deterministic from a seed |
//! | [`fit`] | the training loop: optimiser, schedule, EMA, audit, checkpoints that resume to the byte |
//! | [`run`] | what a training leaves: its folder, logs, model files, lineage |
//! | [`report`] | `report.html`: curves and grids |
//! | [`bodybench`] | how well c_body knows a body: retrieval, linear probes, calibration |
//! | [`evaluation`] | how good generated pictures and their bodies are: FID, KID, poses, proportions, body score |
//! | [`embedding_file`] | c_body of one person as a file |
//! | [`whole_file`] | files that are there whole or not at all |
//! | [`ipadpt`] | embeddings as files that ComfyUI loads |
//! | [`diffusion`] | Stable Diffusion's networks, files, samplers; adapters in the IP-Adapter layout |
//! | [`device`] | which device networks compute on, and in which type |
//! | [`group`] | several processes that train one model |
//! | [`grad`] | differentiable building blocks |
//! | [`audit`] | one step, and which tensors got a gradient |
//! | [`adamw`], [`learning_rate`] | the optimiser, its moments visible; cosine with warm-up |
//! | [`error`] | what can go wrong in a computation |

pub mod adamw;
pub mod adapter;
pub mod audit;
pub mod body;
pub mod bodybench;
pub mod cache;
pub mod captioner;
pub mod device;
pub mod diffusion;
pub mod dreambooth;
pub mod embedding_file;
pub mod error;
pub mod evaluation;
pub mod fit;
pub mod generate;
pub mod grad;
pub mod group;
pub mod ipadpt;
mod layers;
pub mod learning_rate;
pub mod parameters;
pub mod probe;
pub mod report;
pub mod run;
pub mod views;
pub mod whole_file;

// The device and the number type a model is built with, so that candle has one home.
pub use candle_core::{DType, Device};
pub use error::{Error, Result};
