//! The body-VAE as a whole: what must hold whatever its weights are.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use photo::joints::JOINT_COUNT;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use train::audit::{Trainable, audit};
use train::body::loss::{loss, reconstruction};
use train::body::{
    BodyBatch, BodyVae, BodyVaeConfig, Framing, LossSettings, Moved, Palette, Pose, Sets, Target, Views, file,
};
use train::grad;
use train::parameters::Parameters;

use crate::grad::apart;

const SIDE: usize = 32;

fn config() -> BodyVaeConfig {
    BodyVaeConfig {
        latent: 12,
        view_px: SIDE,
        decoded_px: SIDE,
        channels: 16,
        strip_width: 8,
        palette: true,
        width: 16,
        measures: vec!["shin".to_owned(), "thigh".to_owned()],
        heads: 2,
        decoder_channels: [16, 8],
        ..BodyVaeConfig::default()
    }
}

fn model(seed: u64) -> (BodyVae, Parameters) {
    let parameters = Parameters::seeded(seed);
    let model = BodyVae::new(&config(), &parameters.builder(DType::F32, &Device::Cpu)).unwrap();
    (model, parameters)
}

/// Random photos and poses, some joints hidden.
fn photos(count: usize, seed: u64) -> (Vec<u8>, Vec<Pose>) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let planes = (0..count * 3 * SIDE * SIDE).map(|_| rng.random()).collect();
    let pose = |rng: &mut ChaCha8Rng| {
        let mut joints = [[0.0; 3]; JOINT_COUNT];
        for (index, joint) in joints.iter_mut().enumerate() {
            if index % 5 != 4 || rng.random_bool(0.5) {
                let down = if index < 11 { 0.3 } else { 0.6 };
                *joint = [
                    rng.random_range(0.4..0.6),
                    down + rng.random_range(-0.1..0.1),
                    rng.random_range(0.4..1.0),
                ];
            }
        }
        Pose { joints }
    };
    let poses = (0..count).map(|_| pose(&mut rng)).collect();
    (planes, poses)
}

fn views(count: usize, seed: u64) -> Views {
    let (planes, poses) = photos(count, seed);
    Views::new(&planes, SIDE, &poses, &Device::Cpu).unwrap()
}

fn values(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn assert_close(a: &[f32], b: &[f32], within: f32) {
    assert_eq!(a.len(), b.len());
    for (index, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= within * (1.0 + b.abs()), "{index}: {a} {b}");
    }
}

fn batch(people: usize, per_person: usize) -> BodyBatch {
    let views = views(people * per_person, 3);
    let sides: Vec<Vec<usize>> =
        (0..people).map(|_| (0..per_person).map(|view| usize::from(view > 0)).collect()).collect();
    let (planes, poses) = photos(people, 4);
    let framings = vec![Framing::whole(); people];
    let from = (0..people as u32).map(|person| 2 * person).collect();
    let mut moved = views.poses.clone();
    for joint in moved.iter_mut().flat_map(|pose| &mut pose.joints) {
        *joint = [joint[0] + 0.01, joint[1] - 0.02, joint[2]];
    }
    BodyBatch {
        sets: Sets::new(&views.poses, &sides, 2, false, &Device::Cpu).unwrap(),
        moved: Moved::new(&views.poses, &moved, &Device::Cpu).unwrap(),
        measures: Some(Tensor::ones((people, 2), DType::F32, &Device::Cpu).unwrap()),
        views,
        target: Target::new(&planes, SIDE, &poses, &framings, from, &config(), &Device::Cpu).unwrap(),
        noise: Tensor::ones((people, 12), DType::F32, &Device::Cpu).unwrap(),
        photos: (0..people * per_person).collect(),
    }
}

#[test]
fn no_view_at_all_gives_the_prior_exactly() {
    let none = model(1).0.encode(&views(0, 1), None).unwrap();
    assert_eq!(values(&none.mean().unwrap()), [0.0; 12]);
    assert_eq!(values(&none.log_variance().unwrap()), [0.0; 12]);
}

#[test]
fn the_order_of_views_changes_nothing() {
    let (model, _) = model(1);
    let (planes, poses) = photos(5, 2);
    let length = 3 * SIDE * SIDE;
    let order = [3, 0, 4, 2, 1];
    let shuffled: Vec<u8> =
        order.iter().flat_map(|&view| planes[view * length..][..length].to_vec()).collect();
    let shuffled_poses: Vec<Pose> = order.iter().map(|&view| poses[view]).collect();
    let encode = |planes: &[u8], poses: &[Pose]| {
        model.encode(&Views::new(planes, SIDE, poses, &Device::Cpu).unwrap(), None).unwrap()
    };
    let (a, b) = (encode(&planes, &poses), encode(&shuffled, &shuffled_poses));
    assert_close(&values(&a.mean().unwrap()), &values(&b.mean().unwrap()), 1e-5);
    assert_close(&values(&a.precision), &values(&b.precision), 1e-5);
}

#[test]
fn chunks_give_the_result_and_the_gradients_of_one_pass() {
    let (model, parameters) = model(1);
    let views = views(7, 2);
    let run = |chunk: Option<usize>| {
        let posterior = model.encode(&views, chunk).unwrap();
        let loss = (posterior.mean().unwrap().sqr().unwrap().sum_all().unwrap()
            + posterior.precision.log().unwrap().sum_all().unwrap())
        .unwrap();
        let grads = loss.backward().unwrap();
        // Offsets are told from single views, and not by the posterior.
        let of_posterior = |name: &str| name.starts_with("encoder.") && !name.contains(".offsets.");
        let of_encoder = parameters.named().into_iter().filter(|(name, _)| of_posterior(name));
        let grads: Vec<Vec<f32>> = of_encoder
            .map(|(name, var)| values(grads.get(&var).unwrap_or_else(|| panic!("{name} has a gradient"))))
            .collect();
        (values(&posterior.mean().unwrap()), grads)
    };
    let (mean, grads) = run(None);
    for chunk in [1, 3, 7] {
        let (chunked_mean, chunked_grads) = run(Some(chunk));
        assert_close(&chunked_mean, &mean, 1e-5);
        for (a, b) in chunked_grads.iter().zip(&grads) {
            assert_close(a, b, 1e-4);
        }
    }
}

#[test]
fn a_view_that_sees_only_itself_says_the_same_in_any_company() {
    let (model, _) = model(1);
    let views = views(4, 2);
    let sets = |sides: &[Vec<usize>]| Sets::new(&views.poses, sides, 1, true, &Device::Cpu).unwrap();
    let together = model.experts(&views, &sets(&[vec![0; 4]]), None).unwrap();
    let apart = model.experts(&views, &sets(&vec![vec![0]; 4]), None).unwrap();
    assert_close(&values(&together.mean), &values(&apart.mean), 1e-5);
    assert_close(&values(&together.precision), &values(&apart.precision), 1e-5);
}

#[test]
fn every_parameter_gets_a_gradient_from_the_loss() {
    let (model, parameters) = model(1);
    let trainable: Vec<Trainable> = parameters
        .named()
        .iter()
        .map(|(name, var)| {
            let trainable = Trainable::new(name, var);
            if name.ends_with("key.bias") { trainable.may_be_zero() } else { trainable }
        })
        .collect();
    let batch = batch(3, 4);
    audit(&trainable, [], || Ok(loss(&model, &batch, &LossSettings::default(), 500)?.total)).unwrap();
}

#[test]
fn gradients_are_the_same_to_the_bit_each_time() {
    let (model, parameters) = model(1);
    let batch = batch(6, 8);
    let run = || -> Vec<Vec<f32>> {
        let grads = loss(&model, &batch, &LossSettings::default(), 500).unwrap().total.backward().unwrap();
        parameters.named().iter().map(|(_, var)| values(grads.get(var).unwrap())).collect()
    };
    let first = run();
    for _ in 0..5 {
        assert_eq!(run(), first);
    }
}

#[test]
fn a_picture_that_is_the_photo_has_no_error_and_black_for_white_the_largest() {
    let poses = photos(1, 4).1;
    let target = |value: u8| {
        let planes = vec![value; 3 * SIDE * SIDE];
        Target::new(&planes, SIDE, &poses, &[Framing::whole()], vec![0], &config(), &Device::Cpu).unwrap()
    };
    let white = Tensor::ones((1, 3, 32, 32), DType::F32, &Device::Cpu).unwrap();
    let error = |target: &Target| values(&reconstruction(&white, target, 64.0).unwrap())[0];
    assert!(error(&target(255)) < 1e-6);
    // From −1 to 1: a difference of 2, squared.
    assert!((error(&target(0)) - 4.0).abs() < 1e-3);
}

#[test]
fn a_saved_model_is_read_back_and_a_damaged_one_is_refused_by_name() {
    let (model, parameters) = model(1);
    let folder = tempfile::tempdir().unwrap();
    let facts = [("run".to_owned(), "0123".to_owned())].into();
    file::save(folder.path(), &config(), &parameters.values().unwrap(), &facts, DType::F32).unwrap();
    let saved = file::load(folder.path(), &Device::Cpu).unwrap();
    let views = views(3, 2);
    let mean = |model: &BodyVae| values(&model.encode(&views, None).unwrap().mean().unwrap());
    assert_eq!(mean(&saved.model), mean(&model));
    assert_eq!(saved.run.as_deref(), Some("0123"));

    let path = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&path).unwrap();
    for (damage, named) in
        [(&bytes[..bytes.len() - 8], "model.safetensors"), (&b"{}"[..], "model.safetensors")]
    {
        std::fs::write(&path, damage).unwrap();
        let message = file::load(folder.path(), &Device::Cpu).unwrap_err().to_string();
        assert!(message.contains(named), "{message}");
    }
    std::fs::write(&path, &bytes).unwrap();
    let other = serde_json::to_vec(&BodyVaeConfig { channels: 24, ..config() }).unwrap();
    std::fs::write(folder.path().join("config.json"), other).unwrap();
    let message = file::load(folder.path(), &Device::Cpu).unwrap_err().to_string();
    assert!(message.contains("does not fit config.json"), "{message}");
}

#[test]
fn an_exported_model_is_half_as_large_and_says_nearly_the_same() {
    let (model, parameters) = model(1);
    let folder = tempfile::tempdir().unwrap();
    let facts = [("run".to_owned(), "0123".to_owned())].into();
    let (whole, half) = (folder.path().join("f32"), folder.path().join("f16"));
    std::fs::create_dir(&whole).unwrap();
    file::save(&whole, &config(), &parameters.values().unwrap(), &facts, DType::F32).unwrap();
    file::export(&whole, &half, DType::F16).unwrap();
    let size = |folder: &std::path::Path| std::fs::metadata(folder.join("model.safetensors")).unwrap().len();
    assert!(size(&half) < size(&whole) * 6 / 10);
    let saved = file::load(&half, &Device::Cpu).unwrap();
    assert_eq!(saved.run.as_deref(), Some("0123"));
    let views = views(3, 2);
    let mean = |model: &BodyVae| values(&model.encode(&views, None).unwrap().mean().unwrap());
    assert_close(&mean(&saved.model), &mean(&model), 2e-2);
    let again = file::export(&whole, &half, DType::F16).unwrap_err().to_string();
    assert!(again.contains("f16"), "{again}");
}

#[test]
fn colours_change_the_picture_of_a_model_that_is_told_them_and_of_no_other() {
    let (planes, poses) = photos(2, 4);
    let palettes: Vec<Palette> = planes
        .chunks_exact(3 * SIDE * SIDE)
        .zip(&poses)
        .map(|(planes, pose)| Palette::of(planes, SIDE, pose, 0.0625))
        .collect();
    let c_body = Tensor::zeros((1, 12), DType::F32, &Device::Cpu).unwrap();
    for palette in [true, false] {
        let parameters = Parameters::seeded(1);
        let builder = parameters.builder(DType::F32, &Device::Cpu);
        let model = BodyVae::new(&BodyVaeConfig { palette, ..config() }, &builder).unwrap();
        let drawn = |of: usize| values(&model.decode(&c_body, &poses[..1], &palettes[of..=of]).unwrap());
        assert_eq!(drawn(0) != drawn(1), palette);
        let without = model.decode(&c_body, &poses[..1], &[]);
        assert_eq!(without.is_err(), palette);
    }
}

/// The gradients of a step by the parameters' names, and its loss.
fn step(model: &BodyVae, parameters: &Parameters) -> (BTreeMap<String, Tensor>, f32) {
    let loss = loss(model, &batch(3, 4), &LossSettings::default(), 1000).unwrap().total;
    let found = grad::backward(&loss).unwrap();
    let of = |(name, var): (String, Var)| found.get(&var).map(|gradient| (name, gradient.clone()));
    (parameters.named().into_iter().filter_map(of).collect(), loss.to_scalar().unwrap())
}

#[test]
fn a_device_without_kernels_gives_the_same_step() {
    let (model, parameters) = model(1);
    let (kernels, expected) = step(&model, &parameters);
    let (composed, found) = grad::composed_only(|| step(&model, &parameters));
    assert!((found / expected - 1.0).abs() < 1e-5, "{found} instead of {expected}");
    assert_eq!(composed.len(), kernels.len());
    let largest = |of: &Tensor| of.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
    for (name, found) in &composed {
        // A bias of keys has rounding for a gradient.
        if largest(&kernels[name]) < 1e-6 {
            assert!(largest(found) < 1e-5, "{name}");
            continue;
        }
        let apart = apart(found, &kernels[name]).unwrap();
        assert!(apart < 5e-4, "{name}: apart by {apart:.1e}");
    }
}

#[test]
fn in_a_half_type_the_step_is_about_that_of_f32_and_gradients_are_f32() {
    let (model, parameters) = model(1);
    let (exact, expected) = step(&model, &parameters);
    // f16: Candle multiplies no matrices of bf16 on the CPU.
    let (half, found) = step(&model.with_compute(DType::F16), &parameters);
    assert!((found / expected - 1.0).abs() < 5e-3, "{found} instead of {expected}");
    let flat = |of: &BTreeMap<String, Tensor>| of.values().flat_map(values).collect::<Vec<f32>>();
    assert!(half.values().all(|gradient| gradient.dtype() == DType::F32) && half.len() == exact.len());
    let (half, exact) = (flat(&half), flat(&exact));
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let cosine = dot(&half, &exact) / (dot(&half, &half) * dot(&exact, &exact)).sqrt();
    assert!(cosine > 0.998, "cosine {cosine}");
}
