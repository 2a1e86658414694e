use super::*;
use candle_core::Device;

fn gradients(var: &Var) -> Result<GradStore> {
    Ok(var.as_tensor().sqr()?.sum_all()?.backward()?)
}

#[test]
fn a_restored_optimiser_goes_on_as_if_it_had_never_stopped() -> Result<()> {
    let start = Tensor::new(&[1.0f32, -2.0, 0.5], &Device::Cpu)?;
    let whole = Var::from_tensor(&start)?;
    let mut optimiser = AdamW::new([("w".to_owned(), whole.clone())], AdamWConfig::default())?;
    for _ in 0..3 {
        optimiser.step(&gradients(&whole)?, 0.1)?;
    }
    let resumed = Var::from_tensor(whole.as_tensor())?;
    let mut other = AdamW::new([("w".to_owned(), resumed.clone())], AdamWConfig::default())?;
    other.restore(&optimiser.moments()?, optimiser.steps())?;
    for _ in 0..3 {
        optimiser.step(&gradients(&whole)?, 0.1)?;
        other.step(&gradients(&resumed)?, 0.1)?;
    }
    assert_eq!(whole.to_vec1::<f32>()?, resumed.to_vec1::<f32>()?);
    Ok(())
}

#[test]
fn moments_of_another_model_are_refused_by_name() -> Result<()> {
    let var = Var::from_tensor(&Tensor::new(&[1.0f32, 2.0], &Device::Cpu)?)?;
    let mut optimiser = AdamW::new([("w".to_owned(), var)], AdamWConfig::default())?;
    let mut moments = optimiser.moments()?;
    moments.remove("square.w");
    let message = optimiser.restore(&moments, 5).map_err(|e| e.to_string()).err().unwrap_or_default();
    assert!(message.contains("square.w"), "{message}");
    assert_eq!(optimiser.steps(), 0);
    Ok(())
}

#[test]
fn a_scaled_step_is_the_step_of_scaled_gradients() -> Result<()> {
    let start = Tensor::new(&[[1.0f32, -2.0], [0.5, 3.0]], &Device::Cpu)?;
    let (scaled, plain) = (Var::from_tensor(&start)?, Var::from_tensor(&start)?);
    let optimiser = |var: &Var| AdamW::new([("w".to_owned(), var.clone())], AdamWConfig::default());
    let (mut one, mut other) = (optimiser(&scaled)?, optimiser(&plain)?);
    for _ in 0..3 {
        one.step_scaled(&gradients(&scaled)?, 0.1, 0.25)?;
        let halved = (plain.as_tensor() * 0.5)?.sqr()?.sum_all()?.backward()?;
        other.step(&halved, 0.1)?;
    }
    assert_eq!(scaled.to_vec2::<f32>()?, plain.to_vec2::<f32>()?);
    Ok(())
}

#[test]
fn only_what_decays_shrinks_without_a_gradient() -> Result<()> {
    let start = Tensor::new(&[1.0f32, -2.0], &Device::Cpu)?;
    let (weight, bias) = (Var::from_tensor(&start)?, Var::from_tensor(&start)?);
    let named = [("weight".to_owned(), weight.clone()), ("bias".to_owned(), bias.clone())];
    let config = AdamWConfig { weight_decay: 0.5, ..AdamWConfig::default() };
    let mut optimiser = AdamW::new(named, config)?.with_decay_of(|name, _| name == "weight");
    let zeros = weight.zeros_like()?;
    let nothing = ((weight.as_tensor() + bias.as_tensor())? * zeros)?.sum_all()?.backward()?;
    optimiser.step(&nothing, 0.1)?;
    assert_eq!(bias.to_vec1::<f32>()?, [1.0, -2.0]);
    assert_eq!(weight.to_vec1::<f32>()?, [0.95, -1.9]);
    Ok(())
}

/// The same parameters in f64 go through candle's operations.
#[test]
fn one_pass_does_what_the_operations_do() -> Result<()> {
    let values: Vec<f32> = (0..50_000).map(|i| (i as f32 * 0.37).sin()).collect();
    let start = Tensor::from_vec(values, 50_000, &Device::Cpu)?;
    let (host, wide) = (Var::from_tensor(&start)?, Var::from_tensor(&start.to_dtype(DType::F64)?)?);
    let optimiser = |var: &Var| AdamW::new([("w".to_owned(), var.clone())], AdamWConfig::default());
    let (mut one, mut other) = (optimiser(&host)?, optimiser(&wide)?);
    for _ in 0..5 {
        one.step_scaled(&gradients(&host)?, 0.01, 0.5)?;
        other.step_scaled(&gradients(&wide)?, 0.01, 0.5)?;
    }
    let off = (host.to_dtype(DType::F64)? - wide.as_tensor())?.abs()?.max_all()?.to_scalar::<f64>()?;
    assert!(off < 2e-6, "{off}");
    Ok(())
}
