//! Steps of the body-VAE on views of random pixels.

use candle_core::{DType, Tensor};
use photo::joints::JOINT_COUNT;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use train::adamw::{AdamW, AdamWConfig};
use train::body::loss::loss;
use train::body::{
    BodyBatch, BodyVae, BodyVaeConfig, Framing, LossSettings, Moved, Pose, Sets, Target, Views,
};
use train::grad;
use train::parameters::Parameters;

use super::{Outcome, Setting};

/// People of a step, as many drawn.
const PEOPLE: usize = 8;

pub fn measure(setting: &Setting) -> Outcome<Value> {
    let (views, rounds) = if setting.is_tiny { (4, 1) } else { (100, 20) };
    let config = BodyVaeConfig::default();
    let parameters = Parameters::seeded(1);
    let builder = parameters.builder(DType::F32, &setting.device);
    let model = BodyVae::new(&config, &builder)?.with_compute(setting.compute);
    let mut optimiser = AdamW::new(parameters.named(), AdamWConfig::default())?;
    let batch = batch(setting, &config, views)?;
    let mut last = f32::NAN;
    let found = setting.milliseconds(rounds, || {
        let loss = loss(&model, &batch, &LossSettings::default(), 1000)?.total;
        optimiser.step(&grad::backward(&loss)?, 1e-4)?;
        last = loss.to_scalar::<f32>()?;
        Ok(())
    })?;
    let step_ms = found[rounds / 2];
    Ok(json!({
        "people": PEOPLE, "views": views, "view_px": config.view_px, "step_ms": step_ms,
        "views_per_s": 1e3 * (PEOPLE * views) as f64 / step_ms, "finite": last.is_finite(),
    }))
}

fn batch(setting: &Setting, config: &BodyVaeConfig, per_person: usize) -> Outcome<BodyBatch> {
    let device = &setting.device;
    let rng = &mut ChaCha8Rng::seed_from_u64(1);
    let count = PEOPLE * per_person;
    let mut planes = |count: usize, side: usize| -> Vec<u8> {
        (0..count * 3 * side * side).map(|_| rng.random()).collect()
    };
    let (pixels, pictures) = (planes(count, config.view_px), planes(PEOPLE, config.decoded_px));
    let poses: Vec<Pose> = (0..count).map(pose).collect();
    let views = Views::new(&pixels, config.view_px, &poses, device)?;
    let sides = vec![(0..per_person).map(|view| usize::from(view >= per_person / 2)).collect(); PEOPLE];
    Ok(BodyBatch {
        sets: Sets::new(&views.poses, &sides, 2, false, device)?,
        moved: Moved::new(&views.poses, &views.poses, device)?,
        measures: None,
        target: Target::new(
            &pictures,
            config.decoded_px,
            &poses[..PEOPLE],
            &[Framing::whole(); PEOPLE],
            (0..PEOPLE as u32).map(|person| 2 * person).collect(),
            config,
            device,
        )?,
        noise: Tensor::zeros((PEOPLE, config.latent), DType::F32, device)?,
        photos: (0..count).collect(),
        views,
    })
}

/// Somebody who stands, with an arm elsewhere in each view.
fn pose(index: usize) -> Pose {
    let mut joints = [[0.5, 0.2, 0.9]; JOINT_COUNT];
    for (at, joint) in joints.iter_mut().enumerate().skip(5) {
        let side = if at % 2 == 0 { -1.0 } else { 1.0 };
        let arm = if at < 11 { 0.005 * (index % 7) as f32 } else { 0.0 };
        *joint = [0.5 + side * (0.07 + arm), 0.25 + 0.1 * ((at - 5) / 2) as f32, 0.9];
    }
    Pose { joints }
}
