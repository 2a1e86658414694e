//! Optimiser, learning rate and loss weights, against torch and diffusers.

use candle_core::{Tensor, Var};
use train::adamw::{AdamW, AdamWConfig};
use train::diffusion::json::Settings;
use train::diffusion::scheduler::{NoiseSchedule, Prediction};
use train::learning_rate::CosineWithWarmup;

use super::candle::{candle, check};
use super::case::{Case, Tolerance, number};

const CASE: &str = "lr_schedules_and_adamw";

fn tolerance(case: &Case, name: &str) -> Tolerance {
    Tolerance::read(&case.info["tolerance"][name])
}

#[test]
fn adamw_takes_the_path_of_the_reference() {
    let case = Case::open(CASE);
    let config = &case.info["config"];
    let (matrix, center) = (candle(case.input("A")), candle(case.input("center")));
    let p = Var::from_tensor(&candle(case.input("start"))).expect("a variable");
    let settings = AdamWConfig { weight_decay: number(&config["weight_decay"]), ..AdamWConfig::default() };
    let mut optimiser = AdamW::new([("p".to_owned(), p.clone())], settings).expect("an optimiser");
    let loss = || -> candle_core::Result<Tensor> {
        let off = (p.as_tensor() - &center)?.unsqueeze(1)?;
        off.t()?.matmul(&matrix.matmul(&off)?)?.sum_all()? * 0.5
    };
    let mut path = Vec::new();
    for _ in 0..case.output("adamw.parameters").shape[0] {
        let gradients = loss().and_then(|l| l.backward()).expect("gradients");
        optimiser.step(&gradients, number(&config["lr"])).expect("a step");
        path.push(p.as_tensor().detach().copy().expect("a copy"));
    }
    let path = Tensor::stack(&path, 0).expect("equal shapes");
    check(&case, tolerance(&case, "adamw"), "adamw.parameters", &path);
}

#[test]
fn the_learning_rate_rises_and_falls_as_the_reference() {
    let case = Case::open(CASE);
    let config = &case.info["config"];
    let steps = |key: &str| config[key].as_u64().expect("a number of steps");
    let rate = CosineWithWarmup {
        peak: number(&config["lr"]),
        warmup_steps: steps("warmup_steps"),
        total_steps: steps("total_steps"),
    };
    let expected = case.output("cosine_with_warmup.lr");
    let found: Vec<f32> = (0..expected.values.len() as u64).map(|step| rate.at(step) as f32).collect();
    tolerance(&case, "cosine_with_warmup").check("learning rate", &found, &expected.values);
}

#[test]
fn min_snr_weights_are_those_of_the_reference() {
    let case = Case::open(CASE);
    let settings = Settings::new("config", case.info["config"].clone()).expect("an object");
    let schedule = NoiseSchedule::from_settings(&settings).expect("a schedule");
    let gamma = number(&case.info["config"]["min_snr_gamma"]);
    let timesteps: Vec<usize> = case.input("min_snr.timesteps").values.iter().map(|&t| t as usize).collect();
    let each = |f: &dyn Fn(usize) -> f64| -> Vec<f32> { timesteps.iter().map(|&t| f(t) as f32).collect() };
    let close = tolerance(&case, "min_snr");
    close.check("snr", &each(&|t| schedule.snr(t)), &case.output("min_snr.snr").values);
    let weights = each(&|t| schedule.min_snr_weight(t, gamma, Prediction::Epsilon));
    close.check("weights", &weights, &case.output("min_snr.weights").values);
}
