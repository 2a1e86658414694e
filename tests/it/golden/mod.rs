//! Comparison with public reference implementations; `tests/golden/README.md` explains the vectors.
//!
//! The folder is the one that `BOLID_GOLDEN` names, otherwise `tests/golden`. Sizes, thresholds, names and
//! tolerances are read from the cases, so that the tests run on a set of any seed.

mod blip;
mod candle;
mod case;
mod clip;
mod eva;
mod gaussian_weighting;
mod lora;
mod metrics;
mod schedulers;
mod training;
mod unet;
mod vae;
mod watermark_preprocess;
mod yolo_decode;
mod yolo_letterbox;
