use crate::numbers::{assert_close, assert_whole, numbers, rounded, run};
use kernels::Element;
use kernels::attention::{Arguments, Shape, Strides};
use kernels::host::{Memory, Order};

/// How heads lie in a row.
#[derive(Clone, Copy, PartialEq)]
enum Lie {
    /// `[samples, rows, heads·width]`.
    SideBySide,
    /// `[samples, heads, rows, width]`.
    Apart,
}

impl Lie {
    fn strides(self, shape: &Shape, rows: usize) -> Strides {
        let (heads, width) = (shape.heads as i64, shape.width as i64);
        let sample = rows as i64 * heads * width;
        match self {
            Self::SideBySide => Strides { sample, row: heads * width, head: width },
            Self::Apart => Strides { sample, row: width, head: rows as i64 * width },
        }
    }
}

/// q, k, v and the gradient of the result.
struct Given {
    shape: Shape,
    lie: Lie,
    scale: f64,
    tensors: [Vec<f64>; 4],
}

/// The result and the gradients of q, k, v.
type OutputAndGradients = [Vec<f64>; 4];

impl Given {
    fn new(shape: Shape, lie: Lie) -> Self {
        let rows = [shape.queries, shape.keys, shape.keys, shape.queries];
        let mut seed = 1;
        let tensors = rows.map(|rows| {
            seed += 1;
            numbers(shape.samples * shape.heads * rows * shape.width, seed, shape.element)
        });
        Self { shape, lie, scale: 1.0 / (shape.width as f64).sqrt(), tensors }
    }

    /// By the definition, head by head; gradients of softmax and two products.
    fn expected(&self) -> OutputAndGradients {
        let Shape { samples, heads, queries: n, keys: m, width, .. } = self.shape;
        let [q, k, v, d_o] = &self.tensors;
        let of = |rows| self.lie.strides(&self.shape, rows);
        let at = |strides: Strides, sample: usize, head: usize, row: usize| {
            (sample as i64 * strides.sample + head as i64 * strides.head + row as i64 * strides.row) as usize
        };
        let mut found = [q, q, k, v].map(|like| vec![0.0; like.len()]);
        for (sample, head) in (0..samples).flat_map(|s| (0..heads).map(move |h| (s, h))) {
            let row_of_q = |i| at(of(n), sample, head, i);
            let row_of_k = |j| at(of(m), sample, head, j);
            let dot = |a: &[f64], a_at: usize, b: &[f64], b_at: usize| -> f64 {
                (0..width).map(|c| a[a_at + c] * b[b_at + c]).sum()
            };
            for i in 0..n {
                let scores: Vec<f64> =
                    (0..m).map(|j| dot(q, row_of_q(i), k, row_of_k(j)) * self.scale).collect();
                let highest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                let shares: Vec<f64> = scores.iter().map(|score| (score - highest).exp()).collect();
                let sum: f64 = shares.iter().sum();
                let shares: Vec<f64> = shares.iter().map(|share| share / sum).collect();
                let of_shares: Vec<f64> = (0..m).map(|j| dot(d_o, row_of_q(i), v, row_of_k(j))).collect();
                let mean: f64 = shares.iter().zip(&of_shares).map(|(p, d)| p * d).sum();
                for j in 0..m {
                    let of_score = shares[j] * (of_shares[j] - mean) * self.scale;
                    for c in 0..width {
                        let (in_q, in_k) = (row_of_q(i) + c, row_of_k(j) + c);
                        found[0][in_q] += shares[j] * v[in_k];
                        found[3][in_k] += shares[j] * d_o[in_q];
                        found[1][in_q] += of_score * k[in_k];
                        found[2][in_k] += of_score * q[in_q];
                    }
                }
            }
        }
        found
    }

    fn by_kernels(&self, order: Order) -> OutputAndGradients {
        let shape = self.shape;
        let [mut q, mut k, mut v, mut d_o] =
            self.tensors.each_ref().map(|tensor| Memory::of(tensor, shape.element));
        let empty = |len| Memory::empty(len, shape.element);
        let [len_q, len_k] = [0, 1].map(|i| self.tensors[i].len());
        let (mut out, mut d_q, mut d_k, mut d_v) = (empty(len_q), empty(len_q), empty(len_k), empty(len_k));
        let rows = shape.samples * shape.heads * shape.queries;
        let (mut logsum, mut delta) = (Memory::empty(rows, Element::F32), Memory::empty(rows, Element::F32));
        let (of_q, of_k) = (self.lie.strides(&shape, shape.queries), self.lie.strides(&shape, shape.keys));
        let arguments = Arguments {
            q: q.address(),
            k: k.address(),
            v: v.address(),
            o: out.address(),
            d_o: d_o.address(),
            out: out.address(),
            d_q: d_q.address(),
            d_k: d_k.address(),
            d_v: d_v.address(),
            logsum: logsum.address(),
            delta: delta.address(),
            of_q,
            of_k,
            of_v: of_k,
            of_o: of_q,
            of_d_o: of_q,
            of_d_q: of_q,
            of_d_k: of_k,
            of_d_v: of_k,
            ..shape.arguments(self.scale).expect("a shape with kernels")
        };
        run(shape.forward(arguments), order);
        run(shape.delta(arguments), order);
        run(shape.of_queries(arguments), order);
        run(shape.of_keys(arguments), order);
        assert_whole(&[&logsum, &delta]);
        [out, d_q, d_k, d_v].map(|memory| memory.values())
    }

    #[track_caller]
    fn check(&self) {
        let found = self.by_kernels(Order::Forwards);
        // bf16 has 8 bits, and shares and their gradients are rounded to it on the way.
        let share = if self.shape.element == Element::F32 { 2e-5 } else { 3e-2 };
        let Shape { queries, keys, width, element, .. } = self.shape;
        for ((what, found), expected) in ["out", "d_q", "d_k", "d_v"].iter().zip(&found).zip(&self.expected())
        {
            assert_close(
                &format!("{what} of {queries} × {keys} × {width}, {element:?}"),
                found,
                expected,
                share,
            );
        }
        // By their bits: a NaN would equal nothing.
        assert!(found == self.by_kernels(Order::Backwards), "a barrier is missing");
    }
}

const BOTH: [Element; 2] = [Element::F32, Element::Bf16];

fn shape(queries: usize, keys: usize, width: usize, element: Element) -> Shape {
    Shape { samples: 2, heads: 2, queries, keys, width, element }
}

#[test]
fn attention_of_all_widths_that_bases_have_is_the_definitions() {
    for element in BOTH {
        for width in [8, 24, 32, 40, 64, 80, 160] {
            Given::new(shape(33, 41, width, element), Lie::SideBySide).check();
        }
    }
}

#[test]
fn rows_need_not_be_whole_tiles_and_keys_may_be_more_or_fewer_than_queries() {
    for element in BOTH {
        // One; a text's 77; 77 and four of a body; a row more than whole tiles of either kernel.
        for (queries, keys) in [(1, 1), (1, 77), (77, 1), (81, 77), (64, 81), (130, 4), (65, 129)] {
            Given::new(shape(queries, keys, 40, element), Lie::SideBySide).check();
        }
    }
}

#[test]
fn heads_may_lie_apart() {
    for element in BOTH {
        Given::new(shape(35, 66, 64, element), Lie::Apart).check();
    }
}

#[test]
fn scores_of_eighty_give_numbers() {
    for element in BOTH {
        let mut given = Given::new(shape(40, 70, 40, element), Lie::SideBySide);
        // Products of queries and keys with a deviation of √40 · 80 / 2, of which the largest are beyond ±80
        // after scaling.
        given.scale = 1.0;
        for i in 0..2 {
            for value in &mut given.tensors[i] {
                *value = rounded(*value * 2.0, element);
            }
        }
        let found = given.by_kernels(Order::Forwards);
        assert!(found.iter().flatten().all(|value| value.is_finite()));
        let share = if element == Element::F32 { 1e-3 } else { 0.15 };
        for (found, expected) in found.iter().zip(&given.expected()) {
            assert_close("at large scores", found, expected, share);
        }
    }
}
