//! ONNX Runtime, loaded when the program runs.

use std::env;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::error::ModelError;

/// The variable that names the library, also read by `ort` itself.
const LIBRARY_VARIABLE: &str = "ORT_DYLIB_PATH";

/// ONNX Runtime allows one environment per process, which lives until the end.
static RUNTIME: Mutex<Option<Runtime>> = Mutex::new(None);

/// The loaded library.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(super) environment: Environment,
    /// Where it was loaded from.
    pub(super) library: PathBuf,
}

impl Runtime {
    /// Loads the library that `ORT_DYLIB_PATH` names, otherwise `library`. Later calls give the same runtime.
    ///
    /// # Errors
    /// When the library is missing or too old; the text says what to run.
    pub fn load(library: &Path) -> Result<Self, ModelError> {
        let named = env::var_os(LIBRARY_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let path = named.unwrap_or_else(|| library.to_owned());
        let failed = |detail: String| ModelError::Runtime { path: path.clone(), detail };
        // A panic while the lock is held leaves `None` or a whole environment, both fine to go on with.
        let mut loaded = RUNTIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        // Absolute, because the loader searches a relative path in other places first.
        let absolute = std::path::absolute(&path).map_err(|error| failed(error.to_string()))?;
        if !absolute.is_file() {
            return Err(failed("there is no such file".to_owned()));
        }
        let builder = ort::init_from(&absolute).map_err(|error| failed(error.to_string()))?;
        let environment = builder
            .with_name("bolid")
            .with_telemetry(false)
            .build()
            .map_err(|error| failed(error.to_string()))?;
        environment.set_log_level(LogLevel::Warning);
        Ok(loaded.insert(Self { environment, library: absolute }).clone())
    }
}
