//! All integration tests of this crate are one binary: every further one would link the whole crate again.

mod adapter;
mod audit;
mod body;
mod bodybench;
mod captioner;
mod card_kernels;
mod checkpoint;
mod corpus;
mod demo_base;
mod fit;
mod grad;
mod grad_layers;
mod interchange;
mod ipadpt;
mod pipelines;
mod tiled_vae;
mod tokenizer;
mod views;
