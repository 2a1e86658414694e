//! The kernels on the host beside what they are to compute, in f64.

mod adamw;
mod attention;
mod geglu;
mod group_norm;
mod host;
mod layer_norm;
mod numbers;
