//! What a stage needs beside the catalog: the models' library, the models, the threads.

use std::env;
use std::path::PathBuf;

use anyhow::{Context, Result};
use curate::Runtime;

/// Where `make onnxruntime` puts the library, relative to the project's folder.
const CACHED_LIBRARY: &str = ".cache/onnxruntime/libonnxruntime.so";

/// ONNX Runtime from `ORT_DYLIB_PATH`, or else from the project's cache: that of the current folder, or of one above
/// the program itself.
pub fn onnx_runtime() -> Result<Runtime> {
    let program = env::current_exe().unwrap_or_default();
    let mut folders = env::current_dir().into_iter().chain(program.ancestors().map(PathBuf::from));
    let cached = folders.find_map(|folder| Some(folder.join(CACHED_LIBRARY)).filter(|path| path.exists()));
    Ok(Runtime::load(&cached.unwrap_or_else(|| PathBuf::from(CACHED_LIBRARY)))?)
}

/// Bounds rayon to `threads`; one per core otherwise, since decoding and models leave no core waiting.
pub fn use_threads(threads: Option<usize>) -> Result<()> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0));
    builder.build_global().context("start the worker threads")
}
