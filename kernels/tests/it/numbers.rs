//! What tests give to kernels, and how they compare what comes.

use half::bf16;
use kernels::host::{self, Memory, Order};
use kernels::{Element, Launch};

/// Runs a kernel.
pub fn run<A>(launch: kernels::Result<Launch<A>>, order: Order) {
    let launch = launch.expect("a launch");
    // SAFETY: the tests give tensors of the sizes that the shapes say, which outlive the call.
    #[allow(unsafe_code, reason = "kernels are given addresses")]
    unsafe { host::run(&launch, order) }.expect("the kernel ends");
}

/// Numbers about 0 with a deviation of about 1, the same for the same seed, as the type holds them.
pub fn numbers(len: usize, seed: u64, element: Element) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as f64 / (1u64 << 53) as f64
    };
    let mut normal = || (0..12).map(|_| next()).sum::<f64>() - 6.0;
    (0..len).map(|_| rounded(normal(), element)).collect()
}

/// A number as the type holds it.
pub fn rounded(value: f64, element: Element) -> f64 {
    match element {
        Element::F32 => f64::from(value as f32),
        Element::Bf16 => bf16::from_f64(value).to_f64(),
    }
}

/// Whether `found` is `expected` but for `share` of its root mean square, element by element. Tensors here
/// are of about 1: one that is to be 0 is so but for rounding what cancels.
#[track_caller]
pub fn assert_close(what: &str, found: &[f64], expected: &[f64], share: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = (expected.iter().map(|x| x * x).sum::<f64>() / expected.len() as f64).sqrt().max(0.3);
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let off = (found - expected).abs() / scale.max(expected.abs());
        assert!(off <= share, "{what}[{at}]: {found}, not {expected}: off by {off:.2e} of {scale:.3e}");
    }
}

/// What passes from kernel to kernel is written in full, and nothing beyond it.
#[track_caller]
pub fn assert_whole(between: &[&Memory]) {
    assert!(between.iter().all(|memory| memory.values().iter().all(|value| value.is_finite())));
}
