//! Single operations at the shapes of SD 1.5 at 512², a batch of 16; those that have kernels also composed of Candle's
//! operators, with how far apart both are.

use candle_core::{DType, Tensor, Var};
use serde_json::{Value, json};
use train::adamw::{AdamW, AdamWConfig};
use train::grad;

use super::{Outcome, Setting};

type Run = dyn Fn(&[Tensor]) -> train::Result<Tensor>;

/// An operation with its inputs, which all get gradients but those that are frozen.
struct Op {
    name: &'static str,
    shape: String,
    inputs: Vec<Tensor>,
    run: Box<Run>,
}

/// Operations that have kernels on cards.
const FUSED: [&str; 5] = [
    "group norm and SiLU",
    "attention, 8 heads",
    "attention to 77 and 4 keys, 8 heads",
    "layer norm",
    "GEGLU",
];

/// Rounds of what is composed: it is slow, and there to compare with.
const COMPOSED_ROUNDS: usize = 4;

pub fn table(setting: &Setting) -> Outcome<Value> {
    let rounds = if setting.is_tiny { 2 } else { 20 };
    let mut rows = Vec::new();
    for op in ops(setting)? {
        let inputs: Vec<Tensor> =
            op.inputs.iter().map(|t| Ok(Var::from_tensor(t)?.into_inner())).collect::<Outcome<_>>()?;
        let frozen: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
        let upstream = (op.run)(&frozen)?.randn_like(0.0, 1.0)?;
        let times = |rounds: usize| -> Outcome<[f64; 2]> {
            let forward = setting.milliseconds(rounds, || Ok((op.run)(&frozen).map(drop)?))?;
            let both = setting.milliseconds(rounds, || {
                let product = ((op.run)(&inputs)? * &upstream)?.sum_all()?;
                grad::backward(&product)?;
                Ok(())
            })?;
            Ok([forward[rounds / 2], both[rounds / 2]])
        };
        let [forward, both] = times(rounds)?;
        let mut row = json!({
            "op": op.name, "shape": op.shape, "forward_ms": forward, "with_backward_ms": both,
        });
        if FUSED.contains(&op.name) {
            let [forward, both] = grad::composed_only(|| times(COMPOSED_ROUNDS))?;
            row["composed_forward_ms"] = json!(forward);
            row["composed_with_backward_ms"] = json!(both);
            let found = found(&op, &inputs, &upstream)?;
            let composed = grad::composed_only(|| self::found(&op, &inputs, &upstream))?;
            row["composed_apart"] = json!(apart(&found, &composed)?);
        }
        rows.push(row);
    }
    rows.push(optimiser(setting, rounds)?);
    Ok(json!({ "rows": rows }))
}

/// The result and the gradients of all inputs.
fn found(op: &Op, inputs: &[Tensor], upstream: &Tensor) -> Outcome<Vec<Tensor>> {
    let result = (op.run)(inputs)?;
    let gradients = grad::backward(&(&result * upstream)?.sum_all()?)?;
    let mut found = vec![result.detach()];
    for input in inputs {
        found.push(gradients.get(input).ok_or("an input has no gradient")?.clone());
    }
    Ok(found)
}

/// The norm of the differences over that of `others`, the largest of all tensors.
fn apart(tensors: &[Tensor], others: &[Tensor]) -> Outcome<f64> {
    let mut most = 0f64;
    for (tensor, other) in tensors.iter().zip(others) {
        let [tensor, other] = [tensor.to_dtype(DType::F32)?, other.to_dtype(DType::F32)?];
        let norm =
            |t: &Tensor| -> Outcome<f64> { Ok(f64::from(t.sqr()?.sum_all()?.to_scalar::<f32>()?).sqrt()) };
        let share = norm(&(&tensor - &other)?)? / norm(&other)?;
        most = if share.is_nan() { share } else { most.max(share) };
    }
    Ok(most)
}

/// AdamW's step of what an adapter trains.
fn optimiser(setting: &Setting, rounds: usize) -> Outcome<Value> {
    let (count, shape) = if setting.is_tiny { (8, [64, 48]) } else { (128, [1280, 768]) };
    let vars = (0..count)
        .map(|at| Ok((at.to_string(), Var::randn(0f32, 1.0, &shape, &setting.device)?)))
        .collect::<Outcome<Vec<_>>>()?;
    let mut loss = Tensor::new(0f32, &setting.device)?;
    for (_, var) in &vars {
        loss = (loss + var.as_tensor().sqr()?.sum_all()?)?;
    }
    let gradients = grad::backward(&loss)?;
    let times = |rounds: usize| -> Outcome<f64> {
        let mut optimiser = AdamW::new(vars.clone(), AdamWConfig::default())?;
        let times = setting.milliseconds(rounds, || Ok(optimiser.step(&gradients, 1e-6)?))?;
        Ok(times[rounds / 2])
    };
    let (step, composed) = (times(rounds)?, grad::composed_only(|| times(COMPOSED_ROUNDS))?);
    Ok(json!({
        "op": format!("AdamW of {count} tensors"), "shape": format!("{shape:?}"),
        "forward_ms": step, "with_backward_ms": step,
        "composed_forward_ms": composed, "composed_with_backward_ms": composed,
    }))
}

fn ops(setting: &Setting) -> Outcome<Vec<Op>> {
    let (b, factor) = if setting.is_tiny { (1, 8) } else { (16, 1) };
    let random = |shape: &[usize]| -> Outcome<Tensor> {
        Ok(Tensor::randn(0f32, 1.0, shape, &setting.device)?.to_dtype(setting.compute)?)
    };
    let small = |len: usize| Tensor::ones(len, DType::F32, &setting.device);
    let mut ops = Vec::new();
    for (channels, side) in [(320, 64), (640, 32), (1280, 16)] {
        let (channels, side) = (channels / factor, side / factor);
        let (pixels, shape) = (side * side, [b, channels, side, side]);
        let weight = (random(&[channels, channels, 3, 3])? * 0.01)?;
        let cache = grad::WeightCache::default();
        ops.push(Op {
            name: "frozen convolution 3x3",
            shape: format!("{shape:?}"),
            inputs: vec![random(&shape)?],
            run: Box::new(move |x| grad::conv2d_cached(&x[0], &weight, None, 1, 1, &cache)),
        });
        let (gain, shift) = (small(channels)?, small(channels)?);
        ops.push(Op {
            name: "group norm and SiLU",
            shape: format!("{shape:?}"),
            inputs: vec![random(&shape)?],
            run: Box::new(move |x| grad::group_norm_silu(&x[0], 8, &gain, &shift, 1e-5)),
        });
        let rows = [b, pixels, channels];
        ops.push(Op {
            name: "attention, 8 heads",
            shape: format!("{rows:?}"),
            inputs: vec![random(&rows)?, random(&rows)?, random(&rows)?],
            run: Box::new(move |x| {
                let scale = 1.0 / ((channels / 8) as f64).sqrt();
                grad::attention_heads(&x[0], &x[1], &x[2], 8, scale, &[pixels])
            }),
        });
        let keys = [b, 81, channels];
        ops.push(Op {
            name: "attention to 77 and 4 keys, 8 heads",
            shape: format!("{rows:?}"),
            inputs: vec![random(&rows)?, random(&keys)?, random(&keys)?],
            run: Box::new(move |x| {
                let scale = 1.0 / ((channels / 8) as f64).sqrt();
                grad::attention_heads(&x[0], &x[1], &x[2], 8, scale, &[77, 4])
            }),
        });
        let (gain, shift) = (small(channels)?, small(channels)?);
        ops.push(Op {
            name: "layer norm",
            shape: format!("{rows:?}"),
            inputs: vec![random(&rows)?],
            run: Box::new(move |x| grad::layer_norm(&x[0], &gain, &shift, 1e-5)),
        });
        let wide = [b, pixels, 8 * channels];
        ops.push(Op {
            name: "GEGLU",
            shape: format!("{wide:?}"),
            inputs: vec![random(&wide)?],
            run: Box::new(|x| grad::geglu(&x[0])),
        });
        let weight = (random(&[8 * channels, channels])? * 0.01)?;
        ops.push(Op {
            name: "frozen linear layer",
            shape: format!("{rows:?}"),
            inputs: vec![random(&rows)?],
            run: Box::new(move |x| grad::linear(&x[0], &weight, None)),
        });
    }
    let side = if setting.is_tiny { 128 } else { 8192 };
    ops.push(Op {
        name: "matrix product",
        shape: format!("[{side}, {side}]"),
        inputs: vec![random(&[side, side])?, random(&[side, side])?],
        run: Box::new(|x| Ok(x[0].matmul(&x[1])?)),
    });
    Ok(ops)
}
