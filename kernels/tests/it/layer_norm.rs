use crate::numbers::{assert_close, assert_whole, numbers, rounded, run};
use kernels::Element;
use kernels::host::{Memory, Order};
use kernels::layer_norm::{Arguments, Shape};

const EPS: f64 = 1e-5;

/// y and the gradients of x, weight and bias.
type OutputAndGradients = [Vec<f64>; 4];

struct Given {
    shape: Shape,
    x: Vec<f64>,
    d_y: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Given {
    fn new(shape: Shape) -> Self {
        let len = shape.rows * shape.width;
        let x = numbers(len, 5, shape.element);
        Self {
            shape,
            x: x.iter().map(|x| rounded(x * 3.0 - 5.0, shape.element)).collect(),
            d_y: numbers(len, 6, shape.element),
            weight: numbers(shape.width, 7, Element::F32),
            bias: numbers(shape.width, 8, Element::F32),
        }
    }

    /// By the definition and the chain rule.
    fn expected(&self) -> OutputAndGradients {
        let width = self.shape.width;
        let (mut y, mut d_x) = (vec![0.0; self.x.len()], vec![0.0; self.x.len()]);
        let (mut d_weight, mut d_bias) = (vec![0.0; width], vec![0.0; width]);
        for (row, x) in self.x.chunks(width).enumerate() {
            let at = row * width;
            let mean = x.iter().sum::<f64>() / width as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (variance + EPS).sqrt();
            let normed: Vec<f64> = x.iter().map(|x| (x - mean) * scale).collect();
            let of_normed: Vec<f64> = (0..width).map(|i| self.d_y[at + i] * self.weight[i]).collect();
            let mean_of = of_normed.iter().sum::<f64>() / width as f64;
            let along = of_normed.iter().zip(&normed).map(|(d, n)| d * n).sum::<f64>() / width as f64;
            for i in 0..width {
                y[at + i] = normed[i] * self.weight[i] + self.bias[i];
                d_x[at + i] = scale * (of_normed[i] - mean_of - normed[i] * along);
                d_weight[i] += self.d_y[at + i] * normed[i];
                d_bias[i] += self.d_y[at + i];
            }
        }
        [y, d_x, d_weight, d_bias]
    }

    fn by_kernels(&self, order: Order) -> OutputAndGradients {
        let shape = self.shape;
        let (mut x, mut d_y) = (Memory::of(&self.x, shape.element), Memory::of(&self.d_y, shape.element));
        let mut weight = Memory::of(&self.weight, Element::F32);
        let mut bias = Memory::of(&self.bias, Element::F32);
        let empty = Memory::empty;
        let (mut y, mut d_x) = (empty(self.x.len(), shape.element), empty(self.x.len(), shape.element));
        let (mut d_weight, mut d_bias) = (empty(shape.width, Element::F32), empty(shape.width, Element::F32));
        let mut statistics = empty(shape.rows * 2, Element::F32);
        let mut parts = empty(shape.parts_len(), Element::F32);
        let arguments = Arguments {
            x: x.address(),
            d_y: d_y.address(),
            weight: weight.address(),
            bias: bias.address(),
            y: y.address(),
            d_x: d_x.address(),
            statistics: statistics.address(),
            parts: parts.address(),
            d_weight: d_weight.address(),
            d_bias: d_bias.address(),
            ..shape.arguments(EPS).expect("a shape with kernels")
        };
        run(shape.forward(arguments), order);
        run(shape.of_input(arguments), order);
        run(shape.parts(arguments), order);
        run(shape.of_weights(arguments), order);
        assert_whole(&[&statistics, &parts]);
        [y, d_x, d_weight, d_bias].map(|memory| memory.values())
    }
}

#[test]
fn rows_of_any_width_are_normalised_as_defined() {
    for element in [Element::F32, Element::Bf16] {
        for (rows, width) in [(1, 1), (9, 320), (7, 77), (130, 64), (3, 1283), (65, 8)] {
            let given = Given::new(Shape { rows, width, element });
            let found = given.by_kernels(Order::Forwards);
            let share = if element == Element::F32 { 2e-5 } else { 1e-2 };
            for ((what, found), expected) in
                ["y", "d_x", "d_weight", "d_bias"].iter().zip(&found).zip(&given.expected())
            {
                assert_close(&format!("{what} of {:?}", given.shape), found, expected, share);
            }
            assert!(found == given.by_kernels(Order::Backwards), "a barrier is missing");
        }
    }
}
