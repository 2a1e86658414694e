//! Which of two ways an operation goes: kernels of the device's own, or Candle's operators.

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

/// Runs `work` as on a device that has no kernels here: operations are [composed](super::composed), and
/// optimiser and averages are Candle's operators. So that kernels, of the CPU and of cards, can be compared with those.
pub fn composed_only<R>(work: impl FnOnce() -> R) -> R {
    with(true, work)
}

/// Whether kernels for cards are to be left alone as well.
#[cfg(feature = "cuda")]
pub(crate) fn is_composed_only() -> bool {
    COMPOSED_ONLY.get()
}

/// Whether `device` is the CPU, and its kernels are used.
pub(crate) fn has_kernels(device: &Device) -> bool {
    device.is_cpu() && !COMPOSED_ONLY.get()
}

/// Work that goes the way chosen here, on whatever thread it runs.
pub(super) fn carried<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let chosen = COMPOSED_ONLY.get();
    move || with(chosen, work)
}

fn with<R>(composed_only: bool, work: impl FnOnce() -> R) -> R {
    let _before = Before(COMPOSED_ONLY.replace(composed_only));
    work()
}
