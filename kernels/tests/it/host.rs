//! Whether the host sees faults that a GPU would show now and then, or not at all.

use kernels::host::{Memory, Order, run};
use kernels::{Element, Error, Launch};

const THREADS: usize = 64;

fn launch(function: &str, out: u64) -> Launch<u64> {
    Launch {
        module: "none".to_owned(),
        function: function.to_owned(),
        blocks: [1, 1],
        threads: THREADS as u32,
        shared_bytes: (THREADS * size_of::<f32>()) as u32,
        arguments: out,
    }
}

/// What a kernel without inputs writes.
fn outcome(function: &str, order: Order) -> kernels::Result<Vec<f64>> {
    let mut out = Memory::empty(THREADS, Element::F32);
    // SAFETY: these kernels write a number for each thread.
    #[allow(unsafe_code, reason = "kernels are given addresses")]
    unsafe { run(&launch(function, out.address()), order) }?;
    Ok(out.values())
}

#[test]
fn a_missing_barrier_shows_by_the_order_of_threads() {
    let [one, other] =
        [Order::Forwards, Order::Backwards].map(|order| outcome("wrong_without_barrier", order));
    let (one, other) = (one.expect("an end"), other.expect("an end"));
    assert_ne!(one, other);
    assert!(one.iter().any(|value| value.is_nan()), "shared memory is no numbers before it is written");
}

#[test]
fn a_barrier_that_not_all_come_to_and_a_kernel_that_is_not_there_are_errors() {
    for (function, said) in [("wrong_divergent", "different barriers"), ("none", "no such kernel")] {
        let error: Error = outcome(function, Order::Forwards).expect_err("a fault");
        assert!(error.to_string().contains(said), "{error}");
    }
}
