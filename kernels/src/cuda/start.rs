//! Finds a kernel in the binaries that were compiled in, and starts it.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::sys::CUfunction_attribute_enum as Attribute;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaFunction, CudaModule, DeviceRepr, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::{CudaDevice, Result};

use crate::launch::Launch;

include!(concat!(env!("OUT_DIR"), "/cuda_modules.rs"));

/// Shared memory that a kernel has without asking for more.
const SHARED_BYTES: u32 = 48 * 1024;

/// What is loaded, by context and name: no launch asks the driver for it anew. Modules hold their context, so
/// that no other one gets its address.
#[derive(Default)]
struct Loaded {
    modules: HashMap<(usize, &'static str), Arc<CudaModule>>,
    kernels: HashMap<(usize, String), CudaFunction>,
}

static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);

/// Arguments as the driver takes them: a structure, by value.
#[repr(transparent)]
struct Passed<A>(A);

// SAFETY: arguments are `repr(C)` structures of numbers, the same as in the kernel's source.
unsafe impl<A: Copy> DeviceRepr for Passed<A> {}

/// Starts a kernel on the device's stream, after all that was started there before.
///
/// # Safety
/// The addresses in the arguments are of memory of this device, aligned to 16 bytes, as large as the kernel
/// takes it to be, and are held until this returns.
pub(super) unsafe fn start<A: Copy>(device: &CudaDevice, launch: crate::Result<Launch<A>>) -> Result<()> {
    let launch = super::planned(launch)?;
    let stream = device.cuda_stream();
    let function = kernel(stream.context(), &launch)?;
    let [x, y] = launch.blocks;
    let config = LaunchConfig {
        grid_dim: (x, y, 1),
        block_dim: (launch.threads, 1, 1),
        shared_mem_bytes: launch.shared_bytes,
    };
    let arguments = Passed(launch.arguments);
    let mut builder = stream.launch_builder(&function);
    builder.arg(&arguments);
    // SAFETY: the kernel takes this one structure; the rest is the caller's word.
    unsafe { builder.launch(config) }.w()?;
    Ok(())
}

/// The kernel of a launch. Its shared memory follows from what it was compiled for, so it is asked for once.
fn kernel<A>(context: &Arc<CudaContext>, launch: &Launch<A>) -> Result<CudaFunction> {
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let at = Arc::as_ptr(context) as usize;
    let key = (at, launch.function.clone());
    if let Some(function) = loaded.kernels.get(&key) {
        return Ok(function.clone());
    }
    let Some(&(name, binary)) = MODULES.iter().find(|(module, _)| *module == launch.module) else {
        candle_core::bail!("there is no module `{}` of kernels", launch.module);
    };
    let module = match loaded.modules.get(&(at, name)) {
        Some(module) => module.clone(),
        None => context.load_module(Ptx::from_binary(binary.to_vec())).w()?,
    };
    let function = module.load_function(&launch.function).w()?;
    if launch.shared_bytes > SHARED_BYTES {
        let attribute = Attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, launch.shared_bytes as i32).w()?;
    }
    loaded.modules.insert((at, name), module);
    loaded.kernels.insert(key, function.clone());
    Ok(function)
}
