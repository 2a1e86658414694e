use crate::numbers::{assert_close, assert_whole, numbers, rounded, run};
use kernels::Element;
use kernels::group_norm::{Arguments, Shape};
use kernels::host::{Memory, Order};

const EPS: f64 = 1e-5;

/// y and the gradients of x, weight and bias.
type OutputAndGradients = [Vec<f64>; 4];

struct Given {
    shape: Shape,
    silu: bool,
    x: Vec<f64>,
    d_y: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
}

impl Given {
    fn new(shape: Shape, silu: bool) -> Self {
        let len = shape.samples * shape.channels * shape.pixels;
        // Away from 0, where a variance of squares less the square of the mean would lose digits.
        let x = numbers(len, 1, shape.element);
        Self {
            shape,
            silu,
            x: x.iter().map(|x| rounded(x + 4.0, shape.element)).collect(),
            d_y: numbers(len, 2, shape.element),
            weight: numbers(shape.channels, 3, Element::F32),
            bias: numbers(shape.channels, 4, Element::F32),
        }
    }

    /// By the definition and the chain rule.
    fn expected(&self) -> OutputAndGradients {
        let Shape { samples, channels, groups, pixels, .. } = self.shape;
        let each = channels / groups * pixels;
        let mut y = vec![0.0; self.x.len()];
        let mut d_x = y.clone();
        let (mut d_weight, mut d_bias) = (vec![0.0; channels], vec![0.0; channels]);
        for group in 0..samples * groups {
            let own = group * each..(group + 1) * each;
            let x = &self.x[own.clone()];
            let mean = x.iter().sum::<f64>() / each as f64;
            let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / each as f64;
            let scale = 1.0 / (variance + EPS).sqrt();
            let (mut of_normed, mut means) = (vec![0.0; each], [0.0; 2]);
            for i in 0..each {
                let c = group % groups * (channels / groups) + i / pixels;
                let normed = (x[i] - mean) * scale;
                let z = normed * self.weight[c] + self.bias[c];
                let gate = 1.0 / (1.0 + (-z).exp());
                y[own.start + i] = if self.silu { z * gate } else { z };
                let slope = if self.silu { gate * (1.0 + z * (1.0 - gate)) } else { 1.0 };
                let of_z = self.d_y[own.start + i] * slope;
                d_weight[c] += of_z * normed;
                d_bias[c] += of_z;
                of_normed[i] = of_z * self.weight[c];
                means[0] += of_normed[i] / each as f64;
                means[1] += of_normed[i] * normed / each as f64;
            }
            for i in 0..each {
                d_x[own.start + i] = scale * (of_normed[i] - means[0] - (x[i] - mean) * scale * means[1]);
            }
        }
        [y, d_x, d_weight, d_bias]
    }

    fn by_kernels(&self, order: Order) -> OutputAndGradients {
        let shape = self.shape;
        let of = |values: &[f64], element| Memory::of(values, element);
        let (mut x, mut d_y) = (of(&self.x, shape.element), of(&self.d_y, shape.element));
        let (mut weight, mut bias) = (of(&self.weight, Element::F32), of(&self.bias, Element::F32));
        let empty = Memory::empty;
        let (mut y, mut d_x) = (empty(self.x.len(), shape.element), empty(self.x.len(), shape.element));
        let (mut d_weight, mut d_bias) =
            (empty(shape.channels, Element::F32), empty(shape.channels, Element::F32));
        let mut parts = empty(shape.parts_len(), Element::F32);
        let mut statistics = empty(shape.samples * shape.groups * 2, Element::F32);
        let mut sums = empty(shape.samples * shape.channels * 2, Element::F32);
        let arguments = Arguments {
            x: x.address(),
            d_y: d_y.address(),
            weight: weight.address(),
            bias: bias.address(),
            y: y.address(),
            d_x: d_x.address(),
            parts: parts.address(),
            statistics: statistics.address(),
            sums: sums.address(),
            d_weight: d_weight.address(),
            d_bias: d_bias.address(),
            ..shape.arguments(EPS, self.silu).expect("a shape with kernels")
        };
        run(shape.parts(arguments), order);
        run(shape.forward(arguments), order);
        run(shape.sums(arguments), order);
        run(shape.of_input(arguments), order);
        run(shape.of_weights(arguments), order);
        assert_whole(&[&parts, &statistics, &sums]);
        [y, d_x, d_weight, d_bias].map(|memory| memory.values())
    }

    #[track_caller]
    fn check(&self) {
        let found = self.by_kernels(Order::Forwards);
        let share = if self.shape.element == Element::F32 { 2e-5 } else { 1e-2 };
        for ((what, found), expected) in
            ["y", "d_x", "d_weight", "d_bias"].iter().zip(&found).zip(&self.expected())
        {
            assert_close(&format!("{what} of {:?}", self.shape), found, expected, share);
        }
        assert!(found == self.by_kernels(Order::Backwards), "a barrier is missing");
    }
}

fn check(samples: usize, channels: usize, groups: usize, pixels: usize) {
    for element in [Element::F32, Element::Bf16] {
        for silu in [false, true] {
            Given::new(Shape { samples, channels, groups, pixels, element }, silu).check();
        }
    }
}

#[test]
fn one_group_and_as_many_groups_as_channels_are_normalised_as_defined() {
    check(2, 6, 1, 24);
    check(2, 6, 6, 24);
}

#[test]
fn pixels_need_not_be_whole_vectors() {
    check(3, 12, 4, 35);
    check(1, 40, 2, 1);
}

#[test]
fn a_group_of_several_parts_is_joined_of_unequal_ones() {
    // Groups of 2 · 4160 elements: a whole part and 128 elements more; channels are work for blocks.
    check(1, 4, 2, 4160);
    check(2, 2, 2, 8201);
}
