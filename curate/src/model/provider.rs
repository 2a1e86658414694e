//! Whether a device can be used, and the execution provider of ONNX Runtime for it.

use std::path::Path;

use ort::ep::{CUDA, ExecutionProvider};
use ort::session::builder::SessionBuilder;

use super::device::Device;
use super::error::ModelError;
use super::runtime::Runtime;

/// What the driver of an NVIDIA GPU puts there, and what stands for each GPU.
const DRIVER: &str = "/proc/driver/nvidia/version";
const GPUS: &str = "/proc/driver/nvidia/gpus";

/// Whether the loaded library and the machine can do it.
pub(super) fn check(device: Device, runtime: &Runtime) -> Result<(), ModelError> {
    let missing = match device {
        Device::Cpu => return Ok(()),
        Device::Cuda => what_cuda_lacks(CUDA::is_available().unwrap_or(false), Path::new("/")),
    };
    missing.map_or(Ok(()), |missing| {
        Err(ModelError::Device { device, library: runtime.library.clone(), missing })
    })
}

/// The provider for a session. Refused is better than slow: nothing falls back to the processor unasked.
pub(super) fn choose(
    device: Device,
    builder: SessionBuilder,
    runtime: &Runtime,
) -> Result<SessionBuilder, ModelError> {
    if device == Device::Cpu {
        return Ok(builder);
    }
    // Without TF32: scores are meant to be those of the processor.
    let cuda = CUDA::default().with_tf32(false).build().error_on_failure();
    builder.with_execution_providers([cuda]).map_err(|error| ModelError::Device {
        device,
        library: runtime.library.clone(),
        missing: format!("ONNX Runtime could not start CUDA, often for want of cuDNN or cuBLAS: {error}"),
    })
}

/// The first thing that is missing on a machine whose file system begins at `root`.
fn what_cuda_lacks(library_has_it: bool, root: &Path) -> Option<String> {
    let beneath = |path: &str| root.join(path.trim_start_matches('/'));
    let has_gpu = || beneath(GPUS).read_dir().is_ok_and(|mut gpus| gpus.next().is_some());
    if !library_has_it {
        Some("the library was built without CUDA; take the one of the wheel `onnxruntime-gpu`".to_owned())
    } else if !beneath(DRIVER).exists() {
        Some(format!("there is no NVIDIA driver ({DRIVER} is missing)"))
    } else if !has_gpu() {
        Some(format!("the NVIDIA driver knows no GPU ({GPUS} is empty)"))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_for_cuda_is_named_one_after_the_other() {
        let root = tempfile::tempdir().unwrap();
        let lacks = |library_has_it| what_cuda_lacks(library_has_it, root.path());
        assert!(lacks(false).unwrap().contains("onnxruntime-gpu"));
        assert!(lacks(true).unwrap().contains("no NVIDIA driver"));
        std::fs::create_dir_all(root.path().join("proc/driver/nvidia/gpus")).unwrap();
        std::fs::write(root.path().join("proc/driver/nvidia/version"), "").unwrap();
        assert!(lacks(true).unwrap().contains("no GPU"));
        std::fs::create_dir(root.path().join("proc/driver/nvidia/gpus/0000:01:00.0")).unwrap();
        assert_eq!(lacks(true), None);
    }
}
