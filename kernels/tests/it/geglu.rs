use crate::numbers::{assert_close, numbers, run};
use kernels::Element;
use kernels::geglu::{Arguments, Shape};
use kernels::host::{Memory, Order};

/// Φ(x), by Simpson's rule over the density.
fn below(x: f64) -> f64 {
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let (count, step) = (1000, x / 1000.0);
    let inner: f64 =
        (1..count).map(|i| density(f64::from(i) * step) * if i % 2 == 1 { 4.0 } else { 2.0 }).sum();
    0.5 + (density(0.0) + inner + density(x)) * step / 3.0
}

#[test]
fn each_half_and_its_gradient_are_as_defined() {
    for element in [Element::F32, Element::Bf16] {
        for (rows, width) in [(1, 1), (5, 77), (3, 64), (2, 1032), (9, 320)] {
            let shape = Shape { rows, width, element };
            let (x, d_y) = (numbers(rows * 2 * width, 9, element), numbers(rows * width, 10, element));
            let (mut y, mut d_x) = (vec![0.0; d_y.len()], vec![0.0; x.len()]);
            for (at, grad) in d_y.iter().enumerate() {
                let value = at / width * 2 * width + at % width;
                let gate = value + width;
                let slope = below(x[gate])
                    + x[gate] * (-0.5 * x[gate] * x[gate]).exp() / (2.0 * std::f64::consts::PI).sqrt();
                y[at] = x[value] * x[gate] * below(x[gate]);
                d_x[value] = grad * x[gate] * below(x[gate]);
                d_x[gate] = grad * x[value] * slope;
            }
            let (mut given, mut grads) = (Memory::of(&x, element), Memory::of(&d_y, element));
            let (mut out, mut of_x) = (Memory::empty(y.len(), element), Memory::empty(x.len(), element));
            let arguments = Arguments {
                x: given.address(),
                d_y: grads.address(),
                y: out.address(),
                d_x: of_x.address(),
                ..shape.arguments().expect("a shape with kernels")
            };
            run(shape.forward(arguments), Order::Forwards);
            run(shape.backward(arguments), Order::Forwards);
            let share = if element == Element::F32 { 2e-6 } else { 5e-3 };
            assert_close(&format!("y of {shape:?}"), &out.values(), &y, share);
            assert_close(&format!("d_x of {shape:?}"), &of_x.values(), &d_x, share);
        }
    }
}
