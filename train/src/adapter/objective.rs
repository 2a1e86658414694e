//! `L = L_diff + α_id·L_id + β_CLIP·L_CLIP` (paper sec. 4.4).

use std::collections::{BTreeMap, BTreeSet};

use candle_core::{D, DType, Tensor};

use super::batch::AdapterBatch;
use super::model::{Adapter, Lambdas};
use super::settings::ObjectiveSettings;
use crate::body::Pose;
use crate::diffusion::clip::{Clip, ClipVision, clip_loss, to_clip_pixels};
use crate::diffusion::scheduler::{NoiseSchedule, Prediction};
use crate::diffusion::tokenizer::ClipTokenizer;
use crate::diffusion::unet::UNet;
use crate::diffusion::vae::AutoencoderKl;
use crate::error::{Error, Result};
use crate::fit::Loss;
use crate::probe::PoseProbe;

/// Parts that the noise levels are logged by, from the least noise on.
const QUARTERS: [&str; 4] = ["diff_q1", "diff_q2", "diff_q3", "diff_q4"];

/// What L_CLIP compares pictures with.
#[derive(Debug)]
pub struct ClipJudge {
    /// CLIP's image half.
    pub vision: ClipVision,
    /// What its text half made of each caption, `[width]`.
    pub captions: BTreeMap<String, Tensor>,
}

impl ClipJudge {
    /// Encodes `captions` once: its text half is frozen, and they do not change.
    ///
    /// # Errors
    /// Where the text half has no projection, or a caption cannot be tokenised.
    pub fn new(clip: Clip, tokenizer: &ClipTokenizer, captions: &BTreeSet<&str>) -> Result<Self> {
        /// Captions at once: a transformer's states of 64 of them are a few MB.
        const AT_ONCE: usize = 64;
        let captions: Vec<&str> = captions.iter().copied().collect();
        let mut embeds = BTreeMap::new();
        for chunk in captions.chunks(AT_ONCE) {
            let ids = chunk.iter().map(|caption| Ok(tokenizer.encode(caption)?.ids));
            let found = clip.text.forward(&ids.collect::<Result<Vec<Vec<u32>>>>()?)?;
            let found = found.text_embeds.ok_or_else(|| Error::Config {
                file: "clip".to_owned(),
                key: "projection_dim".to_owned(),
                value: "none".to_owned(),
                hint: "L_CLIP needs a whole CLIP model, whose texts and images share a space".to_owned(),
            })?;
            for (row, caption) in chunk.iter().enumerate() {
                embeds.insert((*caption).to_owned(), found.get(row)?.detach());
            }
        }
        Ok(Self { vision: clip.vision, captions: embeds })
    }

    /// The embeddings of some captions, `[n, width]`.
    fn texts(&self, captions: &[&str]) -> Result<Tensor> {
        let texts = captions.iter().map(|caption| self.find_text(caption));
        Ok(Tensor::stack(&texts.collect::<Result<Vec<&Tensor>>>()?, 0)?)
    }

    fn find_text(&self, caption: &str) -> Result<&Tensor> {
        self.captions.get(caption).ok_or_else(|| Error::Config {
            file: "clip".to_owned(),
            key: "captions".to_owned(),
            value: format!("{caption:?}"),
            hint: "this caption was not encoded before the training".to_owned(),
        })
    }
}

/// The objective with the frozen networks it goes through.
#[derive(Debug)]
pub struct Objective<'a> {
    /// The base.
    pub unet: &'a UNet,
    /// Its noise.
    pub schedule: &'a NoiseSchedule,
    /// What it predicts.
    pub prediction: Prediction,
    /// For L_CLIP: decodes x̂₀.
    pub vae: &'a AutoencoderKl,
    /// For L_id.
    pub probe: Option<&'a PoseProbe>,
    /// For L_CLIP.
    pub judge: Option<&'a ClipJudge>,
    /// Weights and options.
    pub settings: &'a ObjectiveSettings,
}

/// What the UNet made of a batch.
#[derive(Clone, Debug)]
pub struct Predicted {
    /// The noisy latents it saw.
    pub noisy: Tensor,
    /// Its output.
    pub output: Tensor,
}

impl Objective<'_> {
    /// The loss of a batch with its graph, and its terms.
    pub fn loss(&self, adapter: &Adapter, batch: &AdapterBatch, step: u64) -> Result<Loss> {
        let weight = |is_there: bool| if is_there { 1.0 } else { 0.0 };
        let lambdas = Lambdas { reference: weight(batch.reference_stream), body: weight(batch.body_stream) };
        let predicted = self.predict(adapter, batch, lambdas)?;
        let errors = self.errors(batch, &predicted)?;
        let mut terms = self.quarters(&errors.detach(), batch)?;
        let mut total = self.diffusion(&errors, batch)?;
        terms.push(("diff", total.clone()));
        if self.settings.alpha_id > 0.0
            && let Some(probe) = self.probe
            && let Some(loss) = self.identity(probe, batch, &predicted)?
        {
            terms.push(("id", loss.clone()));
            total = (total + (loss * self.settings.alpha_id)?)?;
        }
        if self.settings.beta_clip > 0.0
            && let Some(judge) = self.judge
            && step.is_multiple_of(self.settings.clip_every)
        {
            let loss = self.clip(judge, batch, &predicted)?;
            terms.push(("clip", loss.clone()));
            total = (total + (loss * self.settings.beta_clip)?)?;
        }
        let share = |is: fn(&super::plan::Dropped) -> bool| {
            let count = batch.dropped.iter().filter(|dropped| is(dropped)).count();
            Tensor::new(count as f32 / batch.dropped.len().max(1) as f32, batch.latents.device())
        };
        terms.push(("dropped_body", share(|dropped| dropped.body)?));
        terms.push(("dropped_text", share(|dropped| dropped.text)?));
        terms.push(("dropped_reference", share(|dropped| dropped.reference)?));
        Ok(Loss { total, terms })
    }

    /// The base's prediction under the adapter.
    pub fn predict(&self, adapter: &Adapter, batch: &AdapterBatch, lambdas: Lambdas) -> Result<Predicted> {
        let noisy = self.schedule.add_noise(&batch.latents, &batch.noise, &batch.timesteps)?;
        let mut conditioning = adapter.conditioning(&batch.text, &batch.image, &batch.c_body, lambdas)?;
        conditioning.added = batch.added.clone();
        let timesteps: Vec<f64> = batch.timesteps.iter().map(|&timestep| timestep as f64).collect();
        let output = self.unet.forward(&noisy, &timesteps, &conditioning)?;
        Ok(Predicted { noisy, output })
    }

    /// The mean squared error of each sample over its cells, by their weights and normalised by those: `[b]`.
    pub fn errors(&self, batch: &AdapterBatch, predicted: &Predicted) -> Result<Tensor> {
        let (latents, noise) = (&batch.latents, &batch.noise);
        let target = self.schedule.target(self.prediction, latents, noise, &batch.timesteps)?;
        let squares = (predicted.output.to_dtype(DType::F32)? - target)?.sqr()?.mean_keepdim(1)?;
        let sums = (squares * &batch.weights)?.flatten_from(1)?.sum(D::Minus1)?;
        Ok((sums / batch.weights.flatten_from(1)?.sum(D::Minus1)?)?)
    }

    /// L_diff: the mean over samples, by min-SNR's weights where those are asked for.
    fn diffusion(&self, errors: &Tensor, batch: &AdapterBatch) -> Result<Tensor> {
        let gamma = self.settings.min_snr_gamma;
        if gamma == 0.0 {
            return Ok(errors.mean_all()?);
        }
        let of = |&timestep: &usize| self.schedule.min_snr_weight(timestep, gamma, self.prediction) as f32;
        let weights: Vec<f32> = batch.timesteps.iter().map(of).collect();
        Ok((errors * Tensor::from_vec(weights, batch.timesteps.len(), errors.device())?)?.mean_all()?)
    }

    /// The mean error of the samples in each quarter of the noise levels, where there are any.
    fn quarters(&self, errors: &Tensor, batch: &AdapterBatch) -> Result<Vec<(&'static str, Tensor)>> {
        let mut terms = Vec::new();
        for (quarter, name) in QUARTERS.into_iter().enumerate() {
            let is_in = |&(_, timestep): &(u32, usize)| timestep * 4 / self.schedule.len() == quarter;
            let rows: Vec<u32> =
                (0..).zip(batch.timesteps.iter().copied()).filter(is_in).map(|(row, _)| row).collect();
            if !rows.is_empty() {
                terms.push((name, select(errors, &rows)?.mean_all()?));
            }
        }
        Ok(terms)
    }

    /// L_id `= Σ v·c·‖p̂ − p‖² / Σ v·c`, p̂ read off x̂₀, joints over the size of the person, over the
    /// samples of little noise; `None` where there is none.
    fn identity(
        &self,
        probe: &PoseProbe,
        batch: &AdapterBatch,
        predicted: &Predicted,
    ) -> Result<Option<Tensor>> {
        let is_gated = |&row: &u32| {
            let (timestep, pose) = (batch.timesteps[row as usize], &batch.poses[row as usize]);
            self.schedule.alpha_bar(timestep) > self.settings.id_min_alpha_bar && pose.confidence() > 0.0
        };
        let rows: Vec<u32> = (0..batch.timesteps.len() as u32).filter(is_gated).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        let found = probe.joints(&self.clean(batch, predicted, &rows)?)?;
        let poses: Vec<Pose> = rows.iter().map(|&row| batch.poses[row as usize]).collect();
        crate::probe::joint_loss(&found, &poses).map(Some)
    }

    /// L_CLIP `= 1 − cos(CLIP(x̂₀), CLIP(τ))`, the mean over the samples of least noise.
    fn clip(&self, judge: &ClipJudge, batch: &AdapterBatch, predicted: &Predicted) -> Result<Tensor> {
        let mut rows: Vec<u32> = (0..batch.timesteps.len() as u32).collect();
        rows.sort_by_key(|&row| batch.timesteps[row as usize]);
        rows.truncate(self.settings.clip_samples);
        let pictures = self.vae.decode(&self.vae.unscale(&self.clean(batch, predicted, &rows)?)?)?;
        let pixels = to_clip_pixels(&pictures, judge.vision.config().image_size())?;
        let images = judge.vision.forward(&pixels)?.image_embeds;
        let captions: Vec<&str> = rows.iter().map(|&row| batch.captions[row as usize].as_str()).collect();
        Ok(clip_loss(&images, &judge.texts(&captions)?)?.mean_all()?)
    }

    /// x̂₀ of some samples.
    fn clean(&self, batch: &AdapterBatch, predicted: &Predicted, rows: &[u32]) -> Result<Tensor> {
        let timesteps: Vec<usize> = rows.iter().map(|&row| batch.timesteps[row as usize]).collect();
        let (output, noisy) = (select(&predicted.output, rows)?, select(&predicted.noisy, rows)?);
        self.schedule.predict_x0(&output, &noisy, &timesteps, self.prediction)
    }
}

fn select(tensor: &Tensor, rows: &[u32]) -> Result<Tensor> {
    Ok(tensor.index_select(&Tensor::new(rows, tensor.device())?, 0)?)
}
