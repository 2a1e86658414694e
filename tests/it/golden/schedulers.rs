//! Noise schedules, samplers and guidance, against diffusers.

use train::diffusion::json::Settings;
use train::diffusion::scheduler::guidance::{guide, guide_eq6};
use train::diffusion::scheduler::{Sampler, SamplerKind, SchedulerConfig};

use super::candle::{candle, check, values};
use super::case::{Case, Tolerance, number, text};

fn config(case: &Case, name: &str) -> SchedulerConfig {
    let settings = Settings::new(format!("schedulers/{name}"), case.info["config"][name].clone());
    settings.and_then(SchedulerConfig::try_from).expect("a supported configuration")
}

fn tolerance(case: &Case, name: &str) -> Tolerance {
    Tolerance::read(&case.info["tolerance"][name])
}

#[test]
fn the_forward_process_and_ancestral_steps_are_those_of_the_reference() {
    let case = Case::open("schedulers");
    let config = config(&case, "ddpm");
    let schedule = config.noise_schedule().expect("a schedule");
    let alphas: Vec<f32> = schedule.alphas_cumprod().iter().map(|&a| a as f32).collect();
    tolerance(&case, "ddpm").check("alphas_cumprod", &alphas, &case.output("ddpm.alphas_cumprod").values);

    let (x0, noise) = (candle(case.input("x0")), candle(case.input("noise")));
    let output = candle(case.input("eps_cond"));
    let n = x0.dims()[0];
    let every = schedule.len();
    let mut sampler = Sampler::new(SamplerKind::Ddpm, &config, every).expect("a sampler");
    let (mut noisy, mut stepped) = (Vec::new(), Vec::new());
    for &t in &case.output("ddpm.add_noise.timesteps").values {
        let t = t as usize;
        noisy.push(schedule.add_noise(&x0, &noise, &vec![t; n]).expect("noise"));
        let i = every - 1 - t;
        assert_eq!(sampler.timesteps()[i], t as f64);
        assert_eq!(sampler.adds_noise(i), t > 0);
        stepped.push(sampler.step(i, &output, &x0, Some(&noise)).expect("a step"));
    }
    let stack = |rows: &[candle_core::Tensor]| candle_core::Tensor::stack(rows, 0).expect("equal shapes");
    check(&case, tolerance(&case, "ddpm"), "ddpm.add_noise", &stack(&noisy));
    check(&case, tolerance(&case, "ddpm.step"), "ddpm.step", &stack(&stepped));
}

#[test]
fn ddim_takes_the_path_of_the_reference() {
    follows("ddim", SamplerKind::Ddim);
}

#[test]
fn euler_with_trailing_timesteps_takes_the_path_of_the_reference() {
    follows("euler_trailing", SamplerKind::Euler);
}

#[test]
fn euler_with_leading_timesteps_takes_the_path_of_the_reference() {
    follows("euler_leading", SamplerKind::Euler);
}

#[test]
fn dpm_solver_with_karras_noise_levels_takes_the_path_of_the_reference() {
    follows("dpmpp_2m_karras", SamplerKind::DpmSolver);
}

fn follows(name: &str, kind: SamplerKind) {
    let case = Case::open("schedulers");
    let steps = number(&case.info["steps"][name]) as usize;
    let mut sampler = Sampler::new(kind, &config(&case, name), steps).expect("a sampler");
    let timesteps: Vec<f32> = sampler.timesteps().iter().map(|&t| t as f32).collect();
    tolerance(&case, "timesteps").check(name, &timesteps, &case.output(&format!("{name}.timesteps")).values);
    if let Some(sigmas) = sampler.sigmas() {
        let sigmas: Vec<f32> = sigmas.iter().map(|&s| s as f32).collect();
        tolerance(&case, "sigmas").check(name, &sigmas, &case.output(&format!("{name}.sigmas")).values);
    }
    let start = sampler.init_noise_sigma();
    tolerance(&case, "sigmas").check(
        name,
        &[start as f32],
        &case.output(&format!("{name}.init_noise_sigma")).values,
    );

    let bias = candle(case.input("fake_model_bias"));
    let mut x = (candle(case.input("noise")) * start).expect("a start");
    let mut path = vec![x.clone()];
    for i in 0..steps {
        let seen = sampler.scale_input(i, &x).expect("an input");
        let output = ((seen * 0.1).expect("a product") + &bias).expect("a sum");
        x = sampler.step(i, &output, &x, None).expect("a step");
        path.push(x.clone());
    }
    let path = candle_core::Tensor::stack(&path, 0).expect("equal shapes");
    check(&case, tolerance(&case, "trajectory"), &format!("{name}.trajectory"), &path);
}

#[test]
fn both_forms_of_guidance_are_those_of_the_paper() {
    let case = Case::open("schedulers");
    let (with, without) = (candle(case.input("eps_cond")), candle(case.input("eps_uncond")));
    let scale = |key: &str| -> f64 {
        let call = text(&case.info["call"][key]);
        let (_, rest) = call.split_once("with w = ").expect("a value of w");
        rest.split(';').next().and_then(|w| w.trim().parse().ok()).expect("a number")
    };
    let close = tolerance(&case, "cfg");
    for (key, found) in [
        ("cfg.eq6", guide_eq6(&with, &without, scale("cfg.eq6"))),
        ("cfg.eq10", guide(&with, &without, scale("cfg.eq10"))),
        ("cfg.eq10_same_w", guide(&with, &without, scale("cfg.eq10_same_w"))),
    ] {
        close.check(key, &values(&found.expect("a prediction")), &case.output(key).values);
    }
}
