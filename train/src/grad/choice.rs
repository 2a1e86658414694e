//! Whether an operation runs kernels written for the device, or is composed of Candle's operators.

use std::cell::Cell;

use candle_core::Device;

thread_local! {
    static COMPOSED_ONLY: Cell<bool> = const { Cell::new(false) };
}

/// Puts back what was there before, also where the work panics.
struct Before(bool);

impl Drop for Before {
    fn drop(&mut self) {
        COMPOSED_ONLY.set(self.0);
    }
}

/// Runs `work` without the kernels of this crate: operations are [composed](super::composed), and optimiser
/// and moving averages are Candle's operators. Tests and benchmarks compare kernels, of the CPU and of GPUs,
/// with that.
pub fn composed_only<R>(work: impl FnOnce() -> R) -> R {
    with(true, work)
}

/// Whether kernels for GPUs are to be left alone as well.
#[cfg(feature = "cuda")]
pub(crate) fn is_composed_only() -> bool {
    COMPOSED_ONLY.get()
}

/// Whether `device` is the CPU, and its kernels are used.
pub(crate) fn has_kernels(device: &Device) -> bool {
    device.is_cpu() && !COMPOSED_ONLY.get()
}

/// `work` with this thread's choice, on whatever thread it runs.
pub(super) fn carried<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let chosen = COMPOSED_ONLY.get();
    move || with(chosen, work)
}

fn with<R>(composed_only: bool, work: impl FnOnce() -> R) -> R {
    let _before = Before(COMPOSED_ONLY.replace(composed_only));
    work()
}
