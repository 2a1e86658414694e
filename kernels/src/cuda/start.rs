use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::sys::CUfunction_attribute_enum::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
use candle_core::cuda_backend::cudarc::driver::{
    CudaContext, CudaModule, DeviceRepr, LaunchConfig, PushKernelArg,
};
use candle_core::cuda_backend::cudarc::nvrtc::Ptx;
use candle_core::{CudaDevice, Result};

use crate::launch::Launch;

include!(concat!(env!("OUT_DIR"), "/cuda_modules.rs"));

/// Shared memory that a kernel has without asking for more.
const SHARED_BYTES: u32 = 48 * 1024;

/// Loaded modules by context and name. A module holds its context, so that no other one gets its address.
type Loaded = HashMap<(usize, &'static str), Arc<CudaModule>>;

static LOADED: LazyLock<Mutex<Loaded>> = LazyLock::new(Mutex::default);

/// Arguments as the driver takes them: a structure, by value.
#[repr(transparent)]
struct Passed<A>(A);

// SAFETY: arguments are `repr(C)` structures of numbers, the same as in the kernel's source.
unsafe impl<A: Copy> DeviceRepr for Passed<A> {}

/// Starts a kernel on the device's stream, after all that was started there before.
///
/// # Safety
/// The addresses in the arguments are of memory of this device, aligned to 16 bytes, as large as the kernel takes it to be, and
/// are held until this returns.
pub(super) unsafe fn start<A: Copy>(device: &CudaDevice, launch: crate::Result<Launch<A>>) -> Result<()> {
    let launch = super::planned(launch)?;
    let stream = device.cuda_stream();
    let function = module(stream.context(), &launch.module)?.load_function(&launch.function).w()?;
    if launch.shared_bytes > SHARED_BYTES {
        let attribute = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
        function.set_attribute(attribute, launch.shared_bytes as i32).w()?;
    }
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

fn module(context: &Arc<CudaContext>, name: &str) -> Result<Arc<CudaModule>> {
    let Some(&(name, binary)) = MODULES.iter().find(|(module, _)| *module == name) else {
        candle_core::bail!("there is no module `{name}` of kernels");
    };
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (Arc::as_ptr(context) as usize, name);
    if let Some(module) = loaded.get(&key) {
        return Ok(module.clone());
    }
    let module = context.load_module(Ptx::from_binary(binary.to_vec())).w()?;
    loaded.insert(key, module.clone());
    Ok(module)
}
