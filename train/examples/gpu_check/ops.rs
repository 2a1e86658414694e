//! Single operations at the shapes of SD 1.5 at 512², a batch of 16.

use candle_core::{DType, Tensor, Var};
use serde_json::{Value, json};
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

pub fn table(setting: &Setting) -> Outcome<Value> {
    let rounds = if setting.is_tiny { 2 } else { 20 };
    let mut rows = Vec::new();
    for op in ops(setting)? {
        let inputs: Vec<Tensor> =
            op.inputs.iter().map(|t| Ok(Var::from_tensor(t)?.into_inner())).collect::<Outcome<_>>()?;
        let frozen: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
        let forward = setting.milliseconds(rounds, || Ok((op.run)(&frozen).map(drop)?))?;
        let upstream = (op.run)(&frozen)?.ones_like()?;
        let both = setting.milliseconds(rounds, || {
            let product = ((op.run)(&inputs)? * &upstream)?.sum_all()?;
            grad::backward(&product)?;
            Ok(())
        })?;
        rows.push(json!({
            "op": op.name, "shape": op.shape,
            "forward_ms": forward[rounds / 2], "with_backward_ms": both[rounds / 2],
        }));
    }
    Ok(json!({ "rows": rows }))
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
        let kept = grad::Kept::default();
        ops.push(Op {
            name: "frozen convolution 3x3",
            shape: format!("{shape:?}"),
            inputs: vec![random(&shape)?],
            run: Box::new(move |x| grad::conv2d_keeping(&x[0], &weight, None, 1, 1, &kept)),
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
