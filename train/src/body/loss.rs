//! What the body-VAE is fitted to: reconstruction + KL + contrast + offsets of joints, and measures where they are
//! known.

use candle_core::{D, DType, Device, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::config::{BodyVaeConfig, DRAWN_GRID as GRID};
use super::framing::Framing;
use super::model::BodyVae;
use super::offsets::Moved;
use super::palette::Palette;
use super::pose::Pose;
use super::posterior::Posterior;
use super::views::{Sets, Views, fold};
use crate::error::Result;
use crate::fit::Loss;
use crate::grad;
use photo::range::{OutOfRange, check};

/// How the terms are weighted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossSettings {
    /// Weight of the reconstruction's W_norm-weighted squared error.
    pub reconstruction: f64,
    /// Weight of KL(q ‖ N(0, I)) per nat, once warmed up.
    pub kl: f64,
    /// Steps over which the weight of the KL rises from 0.
    pub kl_warmup_steps: u64,
    /// Nats per dimension that cost nothing (Kingma et al. 2016, arXiv:1606.04934).
    pub free_bits: f64,
    /// Weight of the contrast between disjoint sets of views, by the evidence.
    pub contrast: f64,
    /// What evidence is divided by.
    pub evidence_temperature: f64,
    /// Weight of the same contrast by the cosine of the means.
    pub cosine: f64,
    /// What cosines are divided by.
    pub temperature: f64,
    /// Weight of telling from the pixels how far joints were moved (`augment.move_joints`).
    pub offsets: f64,
    /// Weight of the squared error of `model.measures`, each in deviations among people.
    pub measures: f64,
}

impl Default for LossSettings {
    fn default() -> Self {
        Self {
            reconstruction: 10.0, // an error of 0.1 is worth as much as one nat of contrast
            kl: 1e-3,             // a posterior of 100 nats costs a tenth of that
            kl_warmup_steps: 500, // before the decoder listens, nothing speaks against the prior
            free_bits: 0.01,
            contrast: 1.0,
            // The evidence adds up 756 dimensions as if they were independent; what a view says are some
            // dozen numbers. With 1, the first steps cost 100 nats, and the cheapest way out is to be
            // sure of nothing: every σ went to 1 within 100 steps and came back in thousands.
            evidence_temperature: 48.0,
            // The evidence has a plateau at the start: where nobody is sure of anything, no mean
            // matters. The cosine sees directions however unsure they are.
            cosine: 1.0,
            // Usual is 0.1 (van den Oord et al. 2018, arXiv:1807.03748). There, 75 steps went into calming
            // a loss of 13 nats; with 0.3 it fell at once.
            temperature: 0.3,
            offsets: 1.0,  // as much as the contrast: it is what the contrast of bodies rests on
            measures: 1.0, // the error is 1 for a model that always answers the mean
        }
    }
}

impl LossSettings {
    /// Checks the values against their ranges.
    ///
    /// # Errors
    /// Naming the first key that is out of range.
    pub fn check(&self) -> Result<(), OutOfRange> {
        let weights = [
            ("loss.reconstruction", self.reconstruction),
            ("loss.kl", self.kl),
            ("loss.free_bits", self.free_bits),
            ("loss.contrast", self.contrast),
            ("loss.cosine", self.cosine),
            ("loss.offsets", self.offsets),
            ("loss.measures", self.measures),
        ];
        for (key, weight) in weights {
            check(key, &weight, weight.is_finite() && weight >= 0.0, "at least 0")?;
        }
        let temperatures = [
            ("loss.evidence_temperature", self.evidence_temperature),
            ("loss.temperature", self.temperature),
        ];
        for (key, value) in temperatures {
            check(key, &value, value.is_finite() && value > 0.0, "above 0")?;
        }
        Ok(())
    }
}

/// One step's data.
#[derive(Clone, Debug)]
pub struct BodyBatch {
    /// The views of all people, person after person.
    pub views: Views,
    /// Two disjoint sets of each person's views.
    pub sets: Sets,
    /// Views of some of the people, each to be drawn from the set that it is not in.
    pub target: Target,
    /// How far the joints of each view were moved.
    pub moved: Moved,
    /// The measures of each person, f32 `[people, config.measures]`, where they are known.
    pub measures: Option<Tensor>,
    /// Standard normal draws, f32 `[drawn, latent]`.
    pub noise: Tensor,
    /// The rows of the snapshot's table that the views came from, person after person.
    pub photos: Vec<usize>,
}

/// Views to be drawn.
#[derive(Clone, Debug)]
pub struct Target {
    /// The photos themselves, folded: u8 `[drawn, 3·f², 32, 32]`.
    pub pixels: Tensor,
    /// Their poses.
    pub poses: Vec<Pose>,
    /// Their colours, where the model is told them; else none.
    pub palettes: Vec<Palette>,
    /// The rows of the posteriors they are drawn from, u32 `[drawn]`.
    pub from: Tensor,
}

impl Target {
    /// Photos' planes u8 `[n, 3, side, side]` and poses in shares of them, as they are drawn: framed,
    /// each from the posterior that `from` names.
    pub fn new(
        planes: &[u8],
        side: usize,
        poses: &[Pose],
        framings: &[Framing],
        from: Vec<u32>,
        config: &BodyVaeConfig,
        device: &Device,
    ) -> Result<Self> {
        let count = poses.len();
        let poses: Vec<Pose> = framings.iter().zip(poses).map(|(framing, pose)| framing.pose(pose)).collect();
        let length = 3 * side * side;
        let mut folded = vec![0; planes.len()];
        let outputs = folded.par_chunks_mut(length).zip(planes.par_chunks(length));
        let palettes = outputs
            .zip(poses.par_iter().zip(framings))
            .map_init(
                || vec![0; length],
                |framed, ((folded, from), (pose, framing))| {
                    framing.pixels(from, side, framed);
                    fold(framed, side, GRID, folded);
                    config.palette.then(|| Palette::of(framed, side, pose, config.sigma_px / 1024.0))
                },
            )
            .collect::<Vec<Option<Palette>>>()
            .into_iter()
            .flatten()
            .collect();
        let shape = (count, 3 * (side / GRID).pow(2), GRID, GRID);
        Ok(Self {
            pixels: Tensor::from_vec(folded, shape, device)?,
            poses,
            palettes,
            from: Tensor::from_vec(from, count, device)?,
        })
    }
}

/// The loss of one step.
pub fn loss(model: &BodyVae, batch: &BodyBatch, settings: &LossSettings, step: u64) -> Result<Loss> {
    grad::in_pool(|| terms(model, batch, settings, step))
}

fn terms(model: &BodyVae, batch: &BodyBatch, settings: &LossSettings, step: u64) -> Result<Loss> {
    let encoded = model.tokens(&batch.views)?;
    let posterior = model.experts_of(&encoded, &batch.sets)?.products(&batch.sets.weights)?;
    let drawn = posterior.rows(&batch.target.from)?.sample(&batch.noise)?;
    let pictures = model.decode(&drawn, &batch.target.poses, &batch.target.palettes)?;
    let reconstruction = reconstruction(&pictures, &batch.target, model.config().sigma_px)?.mean_all()?;
    let kl = posterior.kl()?.mean(0)?;
    let charged = (&kl - settings.free_bits)?.relu()?.sum_all()?;
    let warmth = (step as f64 / settings.kl_warmup_steps.max(1) as f64).min(1.0);
    let mut sum = WeightedSum::default();
    sum.add("reconstruction", reconstruction, settings.reconstruction)?;
    sum.add("contrast", contrast(&posterior, settings.evidence_temperature)?, settings.contrast)?;
    sum.add("cosine", cosine_contrast(&posterior, settings.temperature)?, settings.cosine)?;
    sum.add("offsets", batch.moved.error(&encoded.offsets)?, settings.offsets)?;
    if let Some(error) = measures_error(model, &posterior, batch.measures.as_ref())? {
        sum.add("measures", error, settings.measures)?;
    }
    let mut loss = sum.with((charged * (settings.kl * warmth))?)?;
    loss.terms.push(("kl", kl.sum_all()?));
    Ok(loss)
}

/// Terms and their sum by weight.
#[derive(Default)]
struct WeightedSum {
    total: Option<Tensor>,
    terms: Vec<(&'static str, Tensor)>,
}

impl WeightedSum {
    fn add(&mut self, name: &'static str, term: Tensor, weight: f64) -> Result<()> {
        let weighted = (&term * weight)?;
        self.total = Some(match self.total.take() {
            Some(total) => (total + weighted)?,
            None => weighted,
        });
        self.terms.push((name, term));
        Ok(())
    }

    fn with(self, rest: Tensor) -> Result<Loss> {
        let total = match self.total {
            Some(total) => (total + rest)?,
            None => rest,
        };
        Ok(Loss { total, terms: self.terms })
    }
}

/// The mean squared error of the measures read from the mean of both sets of each person; `None` where
/// nobody's are known, or the model reads none.
fn measures_error(model: &BodyVae, posterior: &Posterior, known: Option<&Tensor>) -> Result<Option<Tensor>> {
    let (Some(known), Some(read)) = (known, model.measures(&posterior.mean()?)?) else { return Ok(None) };
    let (people, count) = known.dims2()?;
    let of_both = known.unsqueeze(1)?.broadcast_as((people, 2, count))?.reshape((2 * people, count))?;
    Ok(Some((read - of_both)?.sqr()?.mean_all()?))
}

/// The squared error of each picture against its target, weighted by W_norm (eq. 13) and divided by
/// the weight's sum: `[n]`, pixels in −1..=1.
pub fn reconstruction(pictures: &Tensor, target: &Target, sigma_px: f32) -> Result<Tensor> {
    let wanted = target.pixels.to_dtype(DType::F32)?.affine(2.0 / 255.0, -1.0)?;
    let (count, folded, _, _) = wanted.dims4()?;
    let weights = folded_weights(&target.poses, folded, sigma_px, &wanted)?;
    let squares = (pictures - wanted)?.sqr()?.reshape((count, 3, folded / 3 * GRID * GRID))?;
    let weighted = squares.broadcast_mul(&weights.unsqueeze(1)?)?.sum((1, 2))?;
    Ok((weighted / (weights.sum(1)? * 3.0)?)?)
}

/// W_norm of each pose in the order of folded pixels, `[n, f²·32²]`.
fn folded_weights(poses: &[Pose], folded: usize, sigma_px: f32, like: &Tensor) -> Result<Tensor> {
    let side = (folded / 3).isqrt() * GRID;
    let mut values = vec![0.0; poses.len() * side * side];
    values.par_chunks_mut(side * side).zip(poses).for_each(|(out, pose)| {
        fold(&pose.weights(sigma_px / 1024.0, side), side, GRID, out);
        // A view without visible joints weighs nothing anywhere; a trace keeps its mean a number.
        out.iter_mut().for_each(|value| *value += 1e-6);
    });
    Ok(Tensor::from_vec(values, (poses.len(), side * side), like.device())?)
}

/// Cross-entropy of finding each person's second set among all people's by the evidence, and the
/// other way round; in nats. `posterior` has two rows for each person; evidence is divided by
/// `temperature`.
pub fn contrast(posterior: &Posterior, temperature: f64) -> Result<Tensor> {
    let [first, second] = halves(posterior)?;
    found(&(first.evidence(&second)? / temperature)?)
}

/// The same by the cosines of the means over `temperature`. The means are centred over the batch: one
/// direction that all share would be the easiest way to a lower loss, and a plateau.
pub fn cosine_contrast(posterior: &Posterior, temperature: f64) -> Result<Tensor> {
    let [first, second] = halves(posterior)?;
    let centre = posterior.mean()?.mean_keepdim(0)?;
    let direction = |posterior: &Posterior| -> Result<Tensor> {
        let mean = posterior.mean()?.broadcast_sub(&centre)?;
        let length = (mean.sqr()?.sum_keepdim(D::Minus1)? + 1e-12)?.sqrt()?;
        Ok(mean.broadcast_div(&length)?)
    };
    let cosines = direction(&first)?.matmul(&transposed(&direction(&second)?)?)?;
    found(&(cosines / temperature)?)
}

/// The first sets of all people, and the second ones.
fn halves(posterior: &Posterior) -> Result<[Posterior; 2]> {
    let people = posterior.precision.dim(0)? / 2;
    let rows = |first: u32| -> Result<Posterior> {
        let rows: Vec<u32> = (0..people as u32).map(|person| 2 * person + first).collect();
        posterior.rows(&Tensor::from_vec(rows, people, posterior.precision.device())?)
    };
    Ok([rows(0)?, rows(1)?])
}

/// Mean cross-entropy of the diagonal in rows and in columns of `logits` `[n, n]`.
fn found(logits: &Tensor) -> Result<Tensor> {
    let people = logits.dim(0)?;
    let own = Tensor::eye(people, DType::F32, logits.device())?;
    Ok(((contrast_rows(logits, &own)? + contrast_rows(&transposed(logits)?, &own)?)? * 0.5)?)
}

fn contrast_rows(logits: &Tensor, own: &Tensor) -> Result<Tensor> {
    let max = logits.detach().max_keepdim(D::Minus1)?;
    let shifted = logits.broadcast_sub(&max)?;
    let log_sum = shifted.exp()?.sum_keepdim(D::Minus1)?.log()?;
    Ok(((shifted.broadcast_sub(&log_sum)? * own)?.sum_all()? / -(logits.dim(0)? as f64))?)
}

fn transposed(matrix: &Tensor) -> Result<Tensor> {
    Ok(grad::transpose(&matrix.unsqueeze(0)?)?.squeeze(0)?)
}
