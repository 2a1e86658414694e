//! One picture.

use std::path::Path;

use anyhow::{Context, Result, bail};
use train::adapter::Lambdas;
use train::adapter::pipeline::PictureSpec;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SchedulerConfig;
use train::generate::{Embedding, Models, Settings, png};
use train::report::Picture;

use super::error::RequestError;
use crate::progress;

/// A preview is made after each so many steps: decoding takes as long as a step or two.
const PREVIEW_EVERY: usize = 5;

/// The base's schedule, its timesteps spread as asked for.
pub fn scheduler_of(models: &Models, spacing: Option<&str>) -> SchedulerConfig {
    let scheduler = models.scheduler().clone();
    match spacing {
        Some(spacing) => scheduler.with("timestep_spacing", spacing),
        None => scheduler,
    }
}

/// The picture of some settings.
pub fn draw(models: &Models, settings: &Settings, preview: Option<&Path>) -> Result<Picture> {
    let scheduler = scheduler_of(models, settings.spacing.as_deref());
    let kind = settings.scheduler.parse().map_err(|text: String| RequestError::Scheduler(text))?;
    // As in diffusers, a scale up to 1 is no guidance at all.
    let sampling = Sampling { kind, steps: settings.steps, guidance: settings.guidance.max(1.0) };
    check_width("body", settings.body.as_ref(), models.adapter().map(|adapter| adapter.body.embed_dim()))?;
    let of_reference = models.adapter().map(|adapter| adapter.reference.embed_dim());
    check_width("reference", settings.reference.as_ref(), of_reference)?;
    let pipeline = models.pipeline(&scheduler, sampling, (settings.width, settings.height));
    let spec = PictureSpec {
        text: models.text(&settings.prompt)?,
        negative: models.negative(&settings.negative_prompt)?,
        c_body: settings.body.as_ref().map(|body| body.values.clone()),
        reference: settings.reference.as_ref().map(|reference| reference.values.clone()),
        seed: settings.seed,
    };
    let of = |lambda: f64, given: &Option<Embedding>| if given.is_some() { lambda } else { 0.0 };
    let lambdas = Lambdas {
        reference: of(settings.lambda_ref, &settings.reference),
        body: of(settings.lambda_body, &settings.body),
    };
    let bar = progress::stage("draw", settings.steps as u64, "steps");
    let picture = pipeline.draw_one(models.adapter(), &spec, lambdas, &mut |step, steps, look| {
        bar.set_position(step as u64);
        match preview {
            Some(path) if step % PREVIEW_EVERY == 0 && step < steps => png::write_plain(path, &look()?),
            _ => Ok(()),
        }
    });
    bar.finish_and_clear();
    let picture = picture.with_context(|| format!("draw {:?} of seed {}", settings.prompt, settings.seed))?;
    if let Some(path) = preview {
        png::write_plain(path, &picture)?;
    }
    Ok(picture)
}

/// An embedding of another width is no embedding of this adapter.
fn check_width(what: &str, given: Option<&Embedding>, wanted: Option<usize>) -> Result<()> {
    match (given, wanted) {
        (None, _) => Ok(()),
        (Some(given), Some(wanted)) if given.values.len() == wanted => Ok(()),
        (Some(given), Some(wanted)) => bail!(
            "the {what} {} has {} numbers, the adapter's stream takes {wanted}; use the model that it was trained with",
            given.name,
            given.values.len()
        ),
        (Some(given), None) => bail!("the {what} {} needs an adapter; name it with --adapter", given.name),
    }
}
