//! The kernels on the host: the same sources, compiled by a C compiler, one thread of the grid after the other.
//!
//! Slow, and for tests alone: whether indices and barriers are right is known before a GPU is seen.
#![allow(unsafe_code, reason = "kernels are given addresses")]

mod memory;

pub use memory::Memory;

use std::ffi::{c_int, c_void};

use crate::error::{Error, Result};
use crate::launch::Launch;

type Kernel = unsafe extern "C" fn(*const c_void);

include!(concat!(env!("OUT_DIR"), "/host_kernels.rs"));

unsafe extern "C" {
    fn bolid_run_kernel(
        kernel: Kernel,
        arguments: *const c_void,
        blocks_x: c_int,
        blocks_y: c_int,
        threads: c_int,
        shared_bytes: c_int,
        backwards: c_int,
    ) -> c_int;
}

/// How warps, and the threads of one, take turns between two barriers, each as far ahead as it can go. Where
/// both orders give the same, no barrier is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// From the first to the last.
    Forwards,
    /// From the last to the first.
    Backwards,
}

/// Runs a kernel to its end.
///
/// # Errors
/// Where there is no such kernel, or its threads wait for each other for ever.
///
/// # Safety
/// The addresses in the arguments are those of memory of this process, aligned to 16 bytes, as large as the
/// kernel takes it to be, and nobody else uses what it writes.
pub unsafe fn run<A>(launch: &Launch<A>, order: Order) -> Result<()> {
    let failed = |reason| Error::Host { function: launch.function.clone(), reason };
    let found = KERNELS.iter().find(|(name, _)| *name == launch.function);
    let (_, kernel) = found.ok_or_else(|| failed("there is no such kernel"))?;
    let [x, y] = launch.blocks;
    let arguments = (&raw const launch.arguments).cast();
    // SAFETY: the kernel reads its own structure, which `Launch`'s makers give it; the rest is the caller's word.
    let outcome = unsafe {
        bolid_run_kernel(
            *kernel,
            arguments,
            x as c_int,
            y as c_int,
            launch.threads as c_int,
            launch.shared_bytes as c_int,
            c_int::from(order == Order::Backwards),
        )
    };
    match outcome {
        0 => Ok(()),
        1 => Err(failed("threads of a block wait at different barriers")),
        _ => Err(failed("no memory for its threads, or they are not whole warps")),
    }
}
