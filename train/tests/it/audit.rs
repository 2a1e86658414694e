//! The gradient audit on a tiny UNet with both streams trainable, and on steps that are cut on purpose.

use candle_core::{DType, Device, Tensor, Var};
use std::fs;
use std::path::{Path, PathBuf};
use train::audit::{AuditFailure, Trainable, audit};
use train::diffusion::Weights;
use train::diffusion::unet::{Conditioning, KeyValue, Stream, UNet, UnetConfig};
use train::error::{Error, Result};
use train::grad;

fn golden() -> PathBuf {
    let set = std::env::var_os("BOLID_GOLDEN").filter(|value| !value.is_empty()).map(PathBuf::from);
    set.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden"))
}

fn random(shape: &[usize], scale: f64) -> Result<Tensor> {
    Ok((Tensor::randn(0f32, 1.0, shape, &Device::Cpu)? * scale)?)
}

/// A tiny UNet, its frozen tensors by name, and a body stream of variables with their names.
struct Step {
    unet: UNet,
    frozen: Vec<(String, Tensor)>,
    trainable: Vec<Trainable>,
    conditioning: Conditioning,
    latents: Tensor,
}

impl Step {
    fn new(checkpointing: bool) -> Result<Self> {
        let case = golden().join("unet_sd15");
        let weights = Weights::open(&[case.join("weights.safetensors")], DType::F32, &Device::Cpu)?;
        let config = fs::read_to_string(case.join("config.json")).expect("a configuration");
        let unet = UNet::load(&weights, UnetConfig::from_json(&config)?)?.with_checkpointing(checkpointing);
        weights.finish()?;
        let width = unet.config().cross_attention_dim;
        let mut trainable = Vec::new();
        let mut var = |name: String, shape: &[usize], scale: f64| -> Result<Tensor> {
            let var = Var::from_tensor(&random(shape, scale)?)?;
            trainable.push(Trainable::new(name, &var));
            Ok(var.as_tensor().clone())
        };
        let mut layers = Vec::new();
        for (name, wide) in unet.cross_attention() {
            let mut part = |kind: &str| var(format!("{name}.{kind}"), &[*wide, width], 0.1);
            layers.push(KeyValue { key: part("to_k_ip")?, value: part("to_v_ip")? });
        }
        let tokens = var("tokens".to_owned(), &[1, 4, width], 1.0)?;
        let mut conditioning = Conditioning::text(random(&[1, 7, width], 1.0)?);
        conditioning.body = Some(Stream { tokens, layers, lambda: 0.7 });
        let latents = random(&[1, unet.config().in_channels, 16, 16], 1.0)?;
        Ok(Self { unet, frozen: weights.given(), trainable, conditioning, latents })
    }

    fn loss(&self) -> Result<Tensor> {
        Ok(self.unet.forward(&self.latents, &[500.0], &self.conditioning)?.sqr()?.mean_all()?)
    }

    fn frozen(&self) -> impl Iterator<Item = (&str, &Tensor)> {
        self.frozen.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }
}

fn failure(result: Result<candle_core::backprop::GradStore>) -> AuditFailure {
    match result {
        Err(Error::Audit(failure)) => failure,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the audit passed"),
    }
}

#[test]
fn a_step_through_the_frozen_unet_reaches_every_variable_and_no_weight() -> Result<()> {
    for checkpointing in [false, true] {
        let step = Step::new(checkpointing)?;
        assert!(step.frozen.len() > 100, "the UNet's tensors are listed");
        audit(&step.trainable, step.frozen(), || step.loss())?;
    }
    Ok(())
}

#[test]
fn checkpointing_changes_no_gradient() -> Result<()> {
    let mut step = Step::new(false)?;
    let kept = step.loss()?;
    let expected = kept.backward()?;
    step.unet = step.unet.with_checkpointing(true);
    let again = step.loss()?;
    assert_eq!(kept.to_scalar::<f32>()?, again.to_scalar::<f32>()?);
    let found = grad::backward(&again)?; // as trainings do
    let body = step.conditioning.body.as_ref().expect("a body stream");
    let mut compared = vec![&body.tokens];
    compared.extend(body.layers.iter().flat_map(|layer| [&layer.key, &layer.value]));
    for tensor in compared {
        let (found, expected) =
            (found.get(tensor).expect("a gradient"), expected.get(tensor).expect("a gradient"));
        let apart = (found - expected)?.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?;
        let norm = expected.sqr()?.sum_all()?.sqrt()?.to_scalar::<f32>()?;
        assert!(norm > 0.0 && apart <= 1e-5 * norm, "apart by {}", apart / norm);
    }
    Ok(())
}

/// Candle's own kind of softmax on the last dimension: fused, and without a gradient.
fn fused_softmax(x: &Tensor) -> Result<Tensor> {
    struct Fused;
    impl candle_core::CustomOp1 for Fused {
        fn name(&self) -> &'static str {
            "softmax_last_dim"
        }
        fn cpu_fwd(
            &self,
            x: &candle_core::CpuStorage,
            layout: &candle_core::Layout,
        ) -> candle_core::Result<(candle_core::CpuStorage, candle_core::Shape)> {
            let width = layout.dims()[layout.dims().len() - 1];
            let mut y = x.as_slice::<f32>()?.to_vec();
            for row in y.chunks_exact_mut(width) {
                let max = row.iter().copied().fold(f32::MIN, f32::max);
                row.iter_mut().for_each(|x| *x = (*x - max).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|x| *x /= sum);
            }
            Ok((candle_core::CpuStorage::F32(y), layout.shape().clone()))
        }
    }
    Ok(x.apply_op1_no_bwd(&Fused)?)
}

/// Attention weights of two projections, through the softmax given.
fn attend(
    softmax: impl Fn(&Tensor) -> Result<Tensor>,
    x: &Tensor,
    key: &Tensor,
    value: &Tensor,
) -> Result<Tensor> {
    let (k, v) = (grad::linear(x, key, None)?, grad::linear(x, value, None)?);
    Ok(softmax(&x.matmul(&k.t()?)?)?.matmul(&v)?.sqr()?.sum_all()?)
}

#[test]
fn a_fused_softmax_that_cuts_the_graph_is_caught_by_name() -> Result<()> {
    let x = random(&[5, 8], 1.0)?;
    let [key, value] = [Var::from_tensor(&random(&[8, 8], 0.3)?)?, Var::from_tensor(&random(&[8, 8], 0.3)?)?];
    let trainable = [Trainable::new("to_k_ip", &key), Trainable::new("to_v_ip", &value)];
    audit(&trainable, [], || attend(grad::softmax, &x, &key, &value))?;
    let failure = failure(audit(&trainable, [], || attend(fused_softmax, &x, &key, &value)));
    assert_eq!(failure, AuditFailure { without: vec!["to_k_ip".into()], ..AuditFailure::default() });
    assert_eq!(failure.to_string(), "gradient audit failed; trainable without a gradient: to_k_ip");
    Ok(())
}

#[test]
fn a_variable_left_out_is_caught_by_name() -> Result<()> {
    let mut step = Step::new(false)?;
    step.trainable.push(Trainable::new("image_proj", &Var::from_tensor(&random(&[3], 1.0)?)?));
    let failure = failure(audit(&step.trainable, step.frozen(), || step.loss()));
    assert_eq!(failure, AuditFailure { without: vec!["image_proj".into()], ..AuditFailure::default() });
    Ok(())
}

#[test]
fn a_gradient_of_zeros_is_caught_unless_it_is_expected() -> Result<()> {
    let (down, up) = (Var::from_tensor(&random(&[2, 4], 1.0)?)?, Var::from_tensor(&random(&[4, 2], 0.0)?)?);
    let x = random(&[3, 4], 1.0)?;
    let loss = || -> Result<Tensor> {
        let y = grad::linear(&grad::linear(&x, &down, None)?, &up, None)?;
        Ok((y - 1.0)?.sqr()?.sum_all()?)
    };
    let (first, second) = (Trainable::new("lora.down", &down), Trainable::new("lora.up", &up));
    let failure = failure(audit(&[first.clone(), second.clone()], [], loss));
    assert_eq!(failure.zero, ["lora.down"]);
    audit(&[first.may_be_zero(), second], [], loss)?;
    Ok(())
}

#[test]
fn a_gradient_that_is_not_finite_is_caught() -> Result<()> {
    let x = Var::from_tensor(&Tensor::zeros(3, DType::F32, &Device::Cpu)?)?;
    let failure = failure(audit(&[Trainable::new("x", &x)], [], || Ok(x.sqrt()?.sum_all()?)));
    assert_eq!(failure.not_finite, ["x"]);
    Ok(())
}

#[test]
fn a_frozen_weight_with_a_gradient_is_caught_by_name() -> Result<()> {
    let (x, weight) = (Var::from_tensor(&random(&[3, 4], 1.0)?)?, random(&[4, 4], 1.0)?);
    let trainable = [Trainable::new("x", &x)];
    // Candle's own product computes the gradient of both factors.
    let failure = failure(audit(&trainable, [("weight", &weight)], || Ok(x.matmul(&weight)?.sum_all()?)));
    assert_eq!(failure.frozen_with, ["weight"]);
    audit(&trainable, [("weight", &weight)], || Ok(grad::linear(&x, &weight, None)?.sum_all()?))?;
    Ok(())
}
