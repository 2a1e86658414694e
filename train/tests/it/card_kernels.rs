//! The kernels for cards, run on the host, beside their twins for the CPU.

use candle_core::{Device, Tensor, Var};
use kernels::host::{Memory, Order, run};
use kernels::{Element, Launch, adamw, attention, geglu, group_norm, layer_norm};
use train::grad;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// Numbers between −2 and 2, the same for the same seed.
fn numbers(len: usize, seed: u64) -> Vec<f64> {
    let number = |i: usize| ((i as f64 + 1.0) * (12.9898 + seed as f64) * 78.233).sin() * 2.0;
    (0..len).map(|i| f64::from(number(i) as f32)).collect()
}

fn var(values: &[f64], dims: &[usize]) -> Outcome<Var> {
    let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
    Ok(Var::from_tensor(&Tensor::from_vec(values, dims, &Device::Cpu)?)?)
}

fn f64s(tensor: &Tensor) -> Outcome<Vec<f64>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

/// The result and the gradients of all `inputs`, for a gradient of the result.
fn by_twin(
    inputs: &[Var],
    of_result: &[f64],
    op: impl Fn(&[Tensor]) -> train::Result<Tensor>,
) -> Outcome<Vec<Vec<f64>>> {
    let tensors: Vec<Tensor> = inputs.iter().map(|var| var.as_tensor().clone()).collect();
    let result = op(&tensors)?;
    let upstream = var(of_result, result.dims())?.as_tensor().detach();
    let gradients = grad::backward(&(&result * upstream)?.sum_all()?)?;
    let mut found = vec![f64s(&result)?];
    for tensor in &tensors {
        found.push(f64s(gradients.get(tensor).ok_or("a gradient")?)?);
    }
    Ok(found)
}

fn start<A>(launch: kernels::Result<Launch<A>>) -> Outcome<()> {
    // SAFETY: each test gives tensors of the sizes that its shape says, which outlive the call.
    #[allow(unsafe_code, reason = "kernels are given addresses")]
    Ok(unsafe { run(&launch?, Order::Forwards) }?)
}

fn given(values: &[f64]) -> Memory {
    Memory::of(values, Element::F32)
}

fn room(len: usize) -> Memory {
    Memory::empty(len, Element::F32)
}

fn assert_same(found: &[Memory], expected: &[Vec<f64>]) {
    for (which, (found, expected)) in found.iter().zip(expected).enumerate() {
        let found = found.values();
        assert_eq!(found.len(), expected.len());
        let most = expected.iter().fold(0.1f64, |most, value| most.max(value.abs()));
        for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
            let off = (found - expected).abs() / most;
            assert!(off < 2e-5, "tensor {which} at {at}: {found}, not {expected}");
        }
    }
}

#[test]
fn attention_is_that_of_the_cpu() -> Outcome<()> {
    let (b, heads, n, m, d) = (2, 3, 37, 81, 40);
    let shape = attention::Shape { samples: b, heads, queries: n, keys: m, width: d, element: Element::F32 };
    let scale = 1.0 / (d as f64).sqrt();
    let c = heads * d;
    let [q, k, v, d_o] = [(n, 1), (m, 2), (m, 3), (n, 4)].map(|(rows, seed)| numbers(b * rows * c, seed));
    let inputs = [var(&q, &[b, n, c])?, var(&k, &[b, m, c])?, var(&v, &[b, m, c])?];
    let expected =
        by_twin(&inputs, &d_o, |x| grad::attention_heads(&x[0], &x[1], &x[2], heads, scale, &[m]))?;
    let [mut q, mut k, mut v, mut d_o] = [q, k, v, d_o].map(|values| given(&values));
    let mut found = [n, n, m, m].map(|rows| room(b * rows * c));
    let (mut logsum, mut delta) = (room(b * heads * n), room(b * heads * n));
    let of = |rows: usize| attention::Strides { sample: (rows * c) as i64, row: c as i64, head: d as i64 };
    let [out, d_q, d_k, d_v] = found.each_mut().map(Memory::address);
    let arguments = attention::Arguments {
        q: q.address(),
        k: k.address(),
        v: v.address(),
        o: out,
        d_o: d_o.address(),
        out,
        d_q,
        d_k,
        d_v,
        logsum: logsum.address(),
        delta: delta.address(),
        of_q: of(n),
        of_k: of(m),
        of_v: of(m),
        of_o: of(n),
        of_d_o: of(n),
        of_d_q: of(n),
        of_d_k: of(m),
        of_d_v: of(m),
        ..shape.arguments(scale)?
    };
    for launch in [shape.forward(arguments), shape.delta(arguments)] {
        start(launch)?;
    }
    for launch in [shape.of_queries(arguments), shape.of_keys(arguments)] {
        start(launch)?;
    }
    assert_same(&found, &expected);
    Ok(())
}

#[test]
fn group_norm_and_silu_are_those_of_the_cpu() -> Outcome<()> {
    for (samples, channels, groups, side, silu) in [(2, 12, 4, 5, false), (2, 12, 4, 6, true)] {
        let (pixels, eps) = (side * side, 1e-5);
        let shape = group_norm::Shape { samples, channels, groups, pixels, element: Element::F32 };
        let len = samples * channels * pixels;
        let [x, weight, bias, d_y] =
            [(len, 5), (channels, 6), (channels, 7), (len, 8)].map(|(len, seed)| numbers(len, seed));
        let dims = [samples, channels, side, side];
        let inputs = [var(&x, &dims)?, var(&weight, &[channels])?, var(&bias, &[channels])?];
        let expected = by_twin(&inputs, &d_y, |x| match silu {
            true => grad::group_norm_silu(&x[0], groups, &x[1], &x[2], eps),
            false => grad::group_norm(&x[0], groups, &x[1], &x[2], eps),
        })?;
        let [mut x, mut weight, mut bias, mut d_y] = [x, weight, bias, d_y].map(|values| given(&values));
        let mut found = [len, len, channels, channels].map(room);
        let mut between = [shape.parts_len(), 2 * samples * groups, 2 * samples * channels].map(room);
        let [y, d_x, d_weight, d_bias] = found.each_mut().map(Memory::address);
        let [parts, statistics, sums] = between.each_mut().map(Memory::address);
        let arguments = group_norm::Arguments {
            x: x.address(),
            d_y: d_y.address(),
            weight: weight.address(),
            bias: bias.address(),
            y,
            d_x,
            parts,
            statistics,
            sums,
            d_weight,
            d_bias,
            ..shape.arguments(eps, silu)?
        };
        start(shape.parts(arguments))?;
        start(shape.forward(arguments))?;
        start(shape.sums(arguments))?;
        start(shape.of_input(arguments))?;
        start(shape.of_weights(arguments))?;
        assert_same(&found, &expected);
    }
    Ok(())
}

#[test]
fn layer_norm_is_that_of_the_cpu() -> Outcome<()> {
    let (rows, width, eps) = (70, 77, 1e-5);
    let shape = layer_norm::Shape { rows, width, element: Element::F32 };
    let len = rows * width;
    let [x, weight, bias, d_y] =
        [(len, 9), (width, 10), (width, 11), (len, 12)].map(|(len, seed)| numbers(len, seed));
    let inputs = [var(&x, &[rows, width])?, var(&weight, &[width])?, var(&bias, &[width])?];
    let expected = by_twin(&inputs, &d_y, |x| grad::layer_norm(&x[0], &x[1], &x[2], eps))?;
    let [mut x, mut weight, mut bias, mut d_y] = [x, weight, bias, d_y].map(|values| given(&values));
    let mut found = [len, len, width, width].map(room);
    let mut between = [2 * rows, shape.parts_len()].map(room);
    let [y, d_x, d_weight, d_bias] = found.each_mut().map(Memory::address);
    let [statistics, parts] = between.each_mut().map(Memory::address);
    let arguments = layer_norm::Arguments {
        x: x.address(),
        d_y: d_y.address(),
        weight: weight.address(),
        bias: bias.address(),
        y,
        d_x,
        statistics,
        parts,
        d_weight,
        d_bias,
        ..shape.arguments(eps)?
    };
    start(shape.forward(arguments))?;
    start(shape.of_input(arguments))?;
    start(shape.parts(arguments))?;
    start(shape.of_weights(arguments))?;
    assert_same(&found, &expected);
    Ok(())
}

#[test]
fn geglu_is_that_of_the_cpu() -> Outcome<()> {
    let (rows, width) = (9, 44);
    let shape = geglu::Shape { rows, width, element: Element::F32 };
    let (x, d_y) = (numbers(rows * 2 * width, 13), numbers(rows * width, 14));
    let expected = by_twin(&[var(&x, &[rows, 2 * width])?], &d_y, |x| grad::geglu(&x[0]))?;
    let (mut x, mut d_y) = (given(&x), given(&d_y));
    let mut found = [rows * width, rows * 2 * width].map(room);
    let [y, d_x] = found.each_mut().map(Memory::address);
    let arguments = geglu::Arguments { x: x.address(), d_y: d_y.address(), y, d_x, ..shape.arguments()? };
    start(shape.forward(arguments))?;
    start(shape.backward(arguments))?;
    assert_same(&found, &expected);
    Ok(())
}

/// Entries on 16 bytes, as a card's are.
#[repr(align(16))]
struct Table {
    entries: [adamw::Entry; 2],
}

#[test]
fn a_first_step_of_adamw_is_that_of_the_cpu() -> Outcome<()> {
    let config = train::adamw::AdamWConfig { weight_decay: 0.1, ..Default::default() };
    let (learning_rate, scale) = (1e-2, 0.5);
    let lengths = [3, 4097];
    let values = lengths.map(|len| numbers(len, 15));
    let factors = lengths.map(|len| numbers(len, 16));
    let vars = [var(&values[0], &[3])?, var(&values[1], &[4097])?];
    // A product's gradient is the other factor.
    let mut loss = Tensor::new(0f32, &Device::Cpu)?;
    for (var_, factor) in vars.iter().zip(&factors) {
        let factor = var(factor, var_.dims())?.as_tensor().detach();
        loss = (loss + (var_.as_tensor() * factor)?.sum_all()?)?;
    }
    let named = [("bias".to_owned(), vars[0].clone()), ("weight".to_owned(), vars[1].clone())];
    let mut optimiser = train::adamw::AdamW::new(named, config)?.with_decay_of(|name, _| name == "weight");
    optimiser.step_scaled(&grad::backward(&loss)?, learning_rate, scale)?;
    let moments = optimiser.moments()?;

    let mut tensors = [0, 1].map(|at| {
        [
            given(&values[at]),
            given(&factors[at]),
            given(&vec![0.0; lengths[at]]),
            given(&vec![0.0; lengths[at]]),
        ]
    });
    let mut entries = Vec::new();
    for (at, tensors) in tensors.iter_mut().enumerate() {
        let [parameter, gradient, mean, square] = tensors.each_mut().map(Memory::address);
        let kept = if at == 1 { 1.0 - learning_rate * config.weight_decay } else { 1.0 };
        let (elements, kept) = (lengths[at] as i64, kept as f32);
        entries.push(adamw::Entry { parameter, gradient, mean, square, elements, first_block: 0, kept });
    }
    let rates = adamw::Rates {
        beta1: config.beta1,
        beta2: config.beta2,
        eps: config.eps,
        scale,
        rate: learning_rate / (1.0 - config.beta1),
        correct2: (1.0 - config.beta2).sqrt(),
    };
    let mut launch = adamw::plan(&mut entries, &rates)?.ok_or("something to do")?;
    let table = Table { entries: [entries[0], entries[1]] };
    launch.arguments.entries = (&raw const table.entries) as u64;
    start(Ok(launch))?;
    for ((name, var), [parameter, _, mean, square]) in ["bias", "weight"].iter().zip(&vars).zip(tensors) {
        let moment = |kind: &str| f64s(&moments[&format!("{kind}.{name}")]);
        let expected = [f64s(var.as_tensor())?, moment("mean")?, moment("square")?];
        assert_same(&[parameter, mean, square], &expected);
    }
    Ok(())
}
