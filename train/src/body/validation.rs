//! What a model makes of views it was never trained on.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use snapshot::Pixels;

use super::config::BodyVaeConfig;
use super::framing::Framing;
use super::loss::{Target, contrast, reconstruction};
use super::model::BodyVae;
use super::pose::Pose;
use super::posterior::Posterior;
use super::views::{Sets, Views};
use crate::error::Result;
use crate::views::{BatchError, Person, ViewReader};

/// Views that a person is encoded from, at the most.
const ENCODED: usize = 8;

/// Held-out views that are drawn of a person, at the most.
const DRAWN: usize = 4;

/// Photos whose mean is the picture to beat.
const MEAN_OF: usize = 512;

/// People and the views to judge a model by: a fixed list, so that its numbers can be compared from
/// step to step and run to run.
#[derive(Debug)]
pub struct HeldOut<'a> {
    encoded: ViewReader<'a>,
    decoded: ViewReader<'a>,
    people: Vec<Case>,
    /// The mean of training photos, folded f32 `[1, 3·f², 32, 32]` in −1..=1.
    mean_photo: Tensor,
}

/// One person: what is encoded, and what is drawn from it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The person.
    pub identity: String,
    /// Views that are encoded, as indices into the snapshot's photos.
    pub encoded: Vec<usize>,
    /// Views that are drawn.
    pub drawn: Vec<usize>,
}

/// The reconstruction of one held-out view.
#[derive(Clone, Debug)]
pub struct Drawn {
    /// The view, as an index into the snapshot's photos.
    pub photo: usize,
    /// Its error, as the loss has it.
    pub error: f64,
    /// The error of the mean photo in its place.
    pub mean_error: f64,
}

impl<'a> HeldOut<'a> {
    /// At most `limit` of `people`, evenly spread, each with views to encode and others to draw.
    ///
    /// # Errors
    /// Where a view cannot be read.
    pub fn new(
        encoded: ViewReader<'a>,
        decoded: ViewReader<'a>,
        people: &[Person],
        limit: usize,
    ) -> Result<Self, BatchError> {
        let cases: Vec<Case> = people.iter().filter_map(case).collect();
        let step = cases.len().div_ceil(limit.max(1)).max(1);
        let all: Vec<usize> = people.iter().flat_map(|person| person.views.iter().copied()).collect();
        let every = all.len().div_ceil(MEAN_OF).max(1);
        let rows: Vec<usize> = all.into_iter().step_by(every).collect();
        let planes = decoded.read(&rows, Pixels::Image)?;
        let poses = decoded.poses(&rows);
        let mean = || -> Result<Tensor> {
            let folded =
                whole(&planes, decoded.side(), &poses, &BodyVaeConfig::default(), &Device::Cpu)?.pixels;
            Ok(folded.to_dtype(DType::F32)?.mean_keepdim(0)?.affine(2.0 / 255.0, -1.0)?)
        };
        let people = cases.into_iter().step_by(step).collect();
        Ok(Self { encoded, decoded, people, mean_photo: mean()? })
    }

    /// The people and their views.
    pub fn cases(&self) -> &[Case] {
        &self.people
    }

    /// Reads the views that are drawn.
    pub fn decoded(&self) -> ViewReader<'a> {
        self.decoded
    }

    /// The posterior of one person's encoded views.
    pub fn posterior(&self, model: &BodyVae, case: &Case, device: &Device) -> Result<Posterior, BatchError> {
        Ok(model.encode(&self.views(&case.encoded, device)?, None)?)
    }

    /// The views `rows` as the model reads them.
    pub fn views(&self, rows: &[usize], device: &Device) -> Result<Views, BatchError> {
        let planes = self.encoded.read(rows, Pixels::Weighted)?;
        Ok(Views::new(&planes, self.encoded.side(), &self.encoded.poses(rows), device)?)
    }

    /// The views `rows` as they are to be drawn: pixels, poses and colours.
    pub fn target(&self, rows: &[usize], model: &BodyVae, device: &Device) -> Result<Target, BatchError> {
        let planes = self.decoded.read(rows, Pixels::Image)?;
        Ok(whole(&planes, self.decoded.side(), &self.decoded.poses(rows), model.config(), device)?)
    }

    /// Every held-out view of `case`, drawn from the mean of the posterior.
    pub fn draw(&self, model: &BodyVae, case: &Case, device: &Device) -> Result<Vec<Drawn>, BatchError> {
        let posterior = self.posterior(model, case, device)?;
        let target = self.target(&case.drawn, model, device)?;
        Ok(self.reconstruct(model, case, &posterior, &target, device)?)
    }

    fn reconstruct(
        &self,
        model: &BodyVae,
        case: &Case,
        posterior: &Posterior,
        target: &Target,
        device: &Device,
    ) -> Result<Vec<Drawn>> {
        let count = case.drawn.len();
        let c_body = posterior.mean()?.detach().broadcast_as((count, model.config().latent))?.contiguous()?;
        let sigma = model.config().sigma_px;
        let pictures = model.decode(&c_body, &target.poses, &target.palettes)?.detach();
        let errors: Vec<f32> = reconstruction(&pictures, target, sigma)?.to_vec1()?;
        let mean = self.mean_photo.to_device(device)?.broadcast_as(pictures.shape())?.contiguous()?;
        let of_mean: Vec<f32> = reconstruction(&mean, target, sigma)?.to_vec1()?;
        let all = case.drawn.iter().zip(errors).zip(of_mean);
        Ok(all
            .map(|((&photo, error), mean)| Drawn { photo, error: error.into(), mean_error: mean.into() })
            .collect())
    }

    /// Numbers by name, of views never trained on alone: `held_out`, the reconstruction's error;
    /// `mean_photo`, that of the mean photo; `ratio` of the two; `contrast` in nats of finding each
    /// person's held-out views by the encoded ones. None where nothing is held out.
    /// `evidence_temperature` is the loss's.
    pub fn numbers(
        &self,
        model: &BodyVae,
        evidence_temperature: f64,
        device: &Device,
    ) -> Result<BTreeMap<String, f64>, BatchError> {
        let mut drawn = Vec::new();
        for case in &self.people {
            drawn.extend(self.draw(model, case, device)?);
        }
        let mut numbers = BTreeMap::new();
        let count = drawn.len().max(1) as f64;
        let error = drawn.iter().map(|drawn| drawn.error).sum::<f64>() / count;
        let mean = drawn.iter().map(|drawn| drawn.mean_error).sum::<f64>() / count;
        if !drawn.is_empty() {
            numbers.extend([("held_out", error), ("mean_photo", mean), ("ratio", error / mean)].map(named));
        }
        if self.people.len() > 1 {
            numbers.insert("contrast".to_owned(), self.contrast(model, evidence_temperature, device)?);
        }
        Ok(numbers)
    }

    fn contrast(&self, model: &BodyVae, temperature: f64, device: &Device) -> Result<f64, BatchError> {
        let mut posteriors: Vec<Posterior> = Vec::new();
        for case in &self.people {
            let views = self.views(&[&case.encoded[..], &case.drawn].concat(), device)?;
            let sides = (0..views.len()).map(|view| usize::from(view >= case.encoded.len())).collect();
            let encode = || -> Result<Posterior> {
                let sets = Sets::new(&views.poses, &[sides], 2, false, device)?;
                let posterior = model.posterior(&views, &sets, None)?;
                Ok(Posterior { precision: posterior.precision.detach(), shift: posterior.shift.detach() })
            };
            posteriors.push(encode()?);
        }
        let all =
            |of: fn(&Posterior) -> &Tensor| Tensor::cat(&posteriors.iter().map(of).collect::<Vec<_>>(), 0);
        let value = || -> Result<f64> {
            let all = Posterior { precision: all(|p| &p.precision)?, shift: all(|p| &p.shift)? };
            Ok(f64::from(contrast(&all, temperature)?.to_scalar::<f32>()?))
        };
        Ok(value()?)
    }
}

/// Photos to be drawn as they are.
fn whole(
    planes: &[u8],
    side: usize,
    poses: &[Pose],
    config: &BodyVaeConfig,
    device: &Device,
) -> Result<Target> {
    let framings = vec![Framing::whole(); poses.len()];
    Target::new(planes, side, poses, &framings, vec![0; poses.len()], config, device)
}

fn named((name, value): (&str, f64)) -> (String, f64) {
    (name.to_owned(), value)
}

/// `None` where nothing is held out: what was trained on says nothing.
fn case(person: &Person) -> Option<Case> {
    let spread = |rows: &[usize], most: usize| -> Vec<usize> {
        let step = rows.len().div_ceil(most).max(1);
        rows.iter().copied().step_by(step).collect()
    };
    (!person.held_out.is_empty()).then(|| Case {
        identity: person.identity.clone(),
        encoded: spread(&person.views, ENCODED),
        drawn: spread(&person.held_out, DRAWN),
    })
}
