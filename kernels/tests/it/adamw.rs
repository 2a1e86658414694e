use crate::numbers::{assert_close, numbers, run};
use kernels::Element;
use kernels::adamw::{Entry, Rates, plan};
use kernels::host::{Memory, Order};

/// Entries where the kernel reads them, aligned as on a GPU.
#[repr(align(16))]
struct Table {
    entries: [Entry; 6],
}

#[test]
fn one_launch_steps_tensors_of_any_length_each_with_its_own_decay() {
    let lengths = [1, 3, 1023, 1024, 4097, 4096];
    let rates = Rates { beta1: 0.9, beta2: 0.999, eps: 1e-8, scale: 0.5, rate: 1e-2, correct2: 0.0447 };
    let kept = |at: usize| if at.is_multiple_of(2) { 0.9 } else { 1.0 };
    let start = |kind: u64, at: usize| {
        let values = numbers(lengths[at], 100 * kind + at as u64, Element::F32);
        // Squares are none below 0.
        values.into_iter().map(|value| if kind == 3 { value * value } else { value }).collect::<Vec<_>>()
    };
    let mut tensors: Vec<[Memory; 4]> = (0..lengths.len())
        .map(|at| [0, 1, 2, 3].map(|kind| Memory::of(&start(kind, at), Element::F32)))
        .collect();
    let mut entries: Vec<Entry> = tensors
        .iter_mut()
        .enumerate()
        .map(|(at, [parameter, gradient, mean, square])| Entry {
            parameter: parameter.address(),
            gradient: gradient.address(),
            mean: mean.address(),
            square: square.address(),
            elements: lengths[at] as i64,
            first_block: 0,
            kept: kept(at) as f32,
        })
        .collect();
    let mut launch = plan(&mut entries, &rates).expect("a plan").expect("something to do");
    let table = Table { entries: entries.try_into().expect("six") };
    launch.arguments.entries = (&raw const table.entries) as u64;
    run(Ok(launch), Order::Forwards);
    for (at, tensor) in tensors.iter().enumerate() {
        let [mut parameter, gradient, mut mean, mut square] = [0, 1, 2, 3].map(|kind| start(kind, at));
        for i in 0..lengths[at] {
            let gradient = gradient[i] * rates.scale;
            mean[i] = rates.beta1 * mean[i] + (1.0 - rates.beta1) * gradient;
            square[i] = rates.beta2 * square[i] + (1.0 - rates.beta2) * gradient * gradient;
            let step = rates.rate * mean[i] / (square[i].sqrt() / rates.correct2 + rates.eps);
            parameter[i] = parameter[i] * kept(at) - step;
        }
        let found = [&tensor[0], &tensor[2], &tensor[3]].map(Memory::values);
        for (what, found, expected) in
            [("parameter", &found[0], &parameter), ("mean", &found[1], &mean), ("square", &found[2], &square)]
        {
            assert_close(&format!("{what} of {} elements", lengths[at]), found, expected, 1e-6);
        }
    }
}
