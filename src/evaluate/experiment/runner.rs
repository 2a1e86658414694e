//! Draws everybody in every arm, and reads pictures and photos: whatever is not there yet.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use curate::Role;
use indicatif::ProgressBar;
use photo::Digest;
use serde_json::json;
use train::Device;
use train::device::compute_type;
use train::diffusion::sampling::Sampling;
use train::diffusion::scheduler::SamplerKind;
use train::generate::{ModelFiles, Models};
use train::report::Picture;

use super::arm::Arm;
use super::plan::ExperimentPlan;
use super::record::{PhotoRecord, PictureRecord, Records};
use super::trainings::{IDENTIFIER, Trained, last_part};
use crate::evaluate::judge::Judges;
use crate::evaluate::people::{self, Sides, Subject};
use crate::evaluate::readings::{Readings, cosine, mean};
use crate::evaluate::renderer::{PERSON, Renderer, SubjectInputs};
use crate::training::draw::DrawSpec;

/// Raised whenever the same inputs would be read otherwise.
const VERSION: u32 = 2;

/// Who is drawn, with what, and who judges.
pub struct Runner<'a> {
    /// The plan.
    pub plan: &'a ExperimentPlan,
    /// The people.
    pub people: &'a [Subject],
    /// How they were drawn.
    pub spec: &'a DrawSpec,
    /// The networks that read.
    pub judges: &'a Judges,
    /// The plain base.
    pub base: &'a Models,
    /// The digest of the body-VAE that makes c_body and reads it.
    pub body_vae: Digest,
    /// The digest of the encoder of references.
    pub image_encoder: Digest,
    /// The sides of pictures and views.
    pub sides: Sides,
    /// What they compute on.
    pub device: &'a Device,
    /// How noise becomes a picture.
    pub kind: SamplerKind,
    /// What was read.
    pub records: &'a Records,
}

/// Everything that was read, arm by arm: of each training, of each person.
pub struct Read {
    /// Photos.
    pub photos: Vec<PhotoRecord>,
    /// Pictures, with the names of their records.
    pub arms: Vec<(Arm, Vec<Vec<PictureRecord>>)>,
}

impl Runner<'_> {
    /// Reads photos and pictures.
    pub fn read(&self, arms: &[Arm], trained: &[Trained], files: &ModelFiles) -> Result<Read> {
        let photos = self.photos()?;
        let bar = crate::progress::stage("draw", self.count(arms, trained)?, "pictures");
        let embedded: Vec<OnceCell<Vec<f32>>> = self.people.iter().map(|_| OnceCell::new()).collect();
        let mut read: Vec<(Arm, Vec<Vec<PictureRecord>>)> =
            arms.iter().map(|arm| (arm.clone(), Vec::new())).collect();
        // A training's models are loaded once, and only where a picture is missing.
        let mut by: Vec<Option<&Trained>> = vec![None];
        by.extend(trained.iter().map(Some));
        for trained in by {
            let models = OnceCell::new();
            let drawn_by = Drawn { trained, files, made_by: made_by(trained)?, models: &models };
            for (arm, of_arm) in read.iter_mut().filter(|(arm, _)| arm.by == trained.map(|one| one.what)) {
                let records = whom(self.people, trained)?
                    .map(|person| {
                        self.pictures_of(person, arm, &drawn_by, &photos[person], &embedded[person], &bar)
                    })
                    .collect::<Result<Vec<_>>>()?;
                // An update is one person's: those of all people make one row.
                match (trained.is_some_and(|one| one.person.is_some()), of_arm.last_mut()) {
                    (true, Some(row)) => row.extend(records),
                    _ => of_arm.push(records),
                }
            }
        }
        bar.finish_and_clear();
        Ok(Read { photos, arms: read })
    }

    fn count(&self, arms: &[Arm], trained: &[Trained]) -> Result<u64> {
        let of_training = |one: &Trained| Ok(whom(self.people, Some(one))?.len());
        let of_arm = |arm: &Arm| match arm.by {
            None => Ok(self.people.len()),
            Some(kind) => trained.iter().filter(|one| one.what == kind).map(of_training).sum(),
        };
        let people: usize = arms.iter().map(of_arm).sum::<Result<usize>>()?;
        Ok(people as u64 * self.of_each())
    }

    /// Pictures of a person in one arm.
    fn of_each(&self) -> u64 {
        self.plan.prompts.len() as u64 * self.plan.seeds
    }

    /// What decides every record beside its own arm and person.
    fn common(&self) -> Digest {
        let (plan, judges) = (self.plan, self.judges);
        Digest::of_json(&json!({
            "version": VERSION,
            "base": self.base.names().base.sha256,
            "compute": compute_type(self.device).as_str(),
            "image_encoder": self.image_encoder,
            "body_vae": self.body_vae,
            "pose": judges.detectors.cache_key(Role::People),
            "rules": judges.rules,
            "prepare": judges.prepare,
            "sides": [self.sides.picture_px, self.sides.view_px],
            "clip": judges.likeness.digest(),
            "people": [self.spec.seed, self.spec.views as u64, u64::from(self.spec.size_px)],
            "held_out": plan.held_out,
            "prompts": plan.prompts,
            "seeds": plan.seeds(),
            "steps": plan.steps,
            "guidance": plan.guidance,
            "scheduler": crate::generate::name_of(self.kind),
        }))
    }

    fn photos(&self) -> Result<Vec<PhotoRecord>> {
        let bar = crate::progress::stage("photos", self.people.len() as u64, "people");
        let read = |subject| self.photo_record(subject).inspect(|_| bar.inc(1));
        let photos = self.people.iter().map(read).collect::<Result<_>>();
        bar.finish_and_clear();
        photos
    }

    /// What the judges see in a person's photos: from the record of an earlier run, or read now and recorded.
    fn photo_record(&self, subject: &Subject) -> Result<PhotoRecord> {
        let made_of = Digest::of_json(&json!([self.common(), subject.name, self.plan.views]));
        let name = format!("photos/{}", last_part(&subject.name));
        if let Some(record) = self.records.read(&name, made_of)? {
            return Ok(record);
        }
        let given = pictures(&subject.given[..self.plan.views]);
        let mut of_given = Readings::new(&given, self.judges, &[], 1)?;
        let of_held_out = Readings::new(&pictures(&subject.held_out), self.judges, &[], 1)?;
        let record = PhotoRecord {
            made_of,
            given: of_given.seen,
            held_out: of_held_out.seen,
            embeddings: of_held_out.embeddings,
            ground: of_given.grounds.swap_remove(0),
        };
        self.records.write(&name, &record, given.first())?;
        Ok(record)
    }

    fn pictures_of(
        &self,
        person: usize,
        arm: &Arm,
        by: &Drawn<'_>,
        photos: &PhotoRecord,
        embedded: &OnceCell<Vec<f32>>,
        bar: &ProgressBar,
    ) -> Result<PictureRecord> {
        let subject = &self.people[person];
        let made_of = Digest::of_json(&json!([
            self.common(),
            photos.made_of,
            subject.name,
            arm.views,
            arm.condition.lambda_body,
            arm.condition.lambda_ref,
            by.made_by
        ]));
        let name = record_name(arm, by.trained, subject);
        if let Some(record) = self.records.read(&name, made_of)? {
            bar.inc(self.of_each());
            return Ok(record);
        }
        let models = match by.trained {
            None => self.base,
            Some(trained) => by.models(trained, self.device)?,
        };
        let is_dreambooth = by.trained.is_some_and(|one| one.person.is_some());
        let noun =
            if is_dreambooth { format!("{IDENTIFIER} {}", subject.noun) } else { subject.noun.to_owned() };
        let body: Vec<f32> = match arm.condition.lambda_body > 0.0 {
            true => people::posterior(&self.judges.body_vae, &subject.given[..arm.views])?
                .mean()?
                .detach()
                .flatten_all()?
                .to_vec1()?,
            false => Vec::new(),
        };
        let reference = match arm.condition.lambda_ref > 0.0 {
            true => Some(&self.embedded(subject, models, embedded)?[..]),
            false => None,
        };
        let sampling =
            Sampling { kind: self.kind, steps: self.plan.steps, guidance: self.plan.guidance.max(1.0) };
        let renderer = Renderer::new(
            models,
            models.scheduler(),
            sampling,
            self.plan.prompts.clone(),
            self.plan.seeds(),
        )?;
        let inputs = SubjectInputs { name: &subject.name, noun: &noun, body: &body, reference };
        let pictures = renderer.draw(inputs, arm.condition)?;
        // Agreement with the words that everybody else is drawn by: the identifier is no word.
        let texts: Vec<Vec<f32>> = renderer
            .prompts(subject.noun)
            .map(|prompt| self.judges.likeness.of_text(&prompt))
            .collect::<Result<_, _>>()?;
        let readings = Readings::new(&pictures, self.judges, &texts, renderer.seeds().len())?;
        let alike =
            |one: &Vec<f32>| photos.embeddings.iter().map(|photo| cosine(one, photo)).collect::<Vec<f64>>();
        let record = PictureRecord {
            made_of,
            clip_t: readings.clip_t,
            clip_i: mean(readings.embeddings.iter().flat_map(alike)),
            background_leak: mean(readings.grounds.iter().map(|ground| cosine(ground, &photos.ground))),
            seen: readings.seen,
        };
        self.records.write(&name, &record, pictures.first())?;
        bar.inc(self.of_each());
        Ok(record)
    }

    /// What the image encoder says of somebody's reference.
    fn embedded<'c>(
        &self,
        subject: &Subject,
        models: &Models,
        cell: &'c OnceCell<Vec<f32>>,
    ) -> Result<&'c Vec<f32>> {
        if cell.get().is_none() {
            let shown = &subject.given[0].picture;
            let found = models.embed(&subject.name, &shown.rgb, shown.width, shown.height)?;
            let _ = cell.set(found.values);
        }
        cell.get().context("the embedding was just computed")
    }
}

/// Whom a training draws: the one it was trained on, or everybody.
fn whom(people: &[Subject], trained: Option<&Trained>) -> Result<Range<usize>> {
    let Some(name) = trained.and_then(|one| one.person.as_ref()) else { return Ok(0..people.len()) };
    let person = people.iter().position(|subject| subject.name == *name);
    let person = person.with_context(|| format!("a training is of {name}, who is not among the people"))?;
    Ok(person..person + 1)
}

/// What an arm is drawn by.
struct Drawn<'a> {
    trained: Option<&'a Trained>,
    files: &'a ModelFiles,
    made_by: Digest,
    models: &'a OnceCell<Models>,
}

impl Drawn<'_> {
    fn models(&self, trained: &Trained, device: &Device) -> Result<&Models> {
        if self.models.get().is_none() {
            let mut files = self.files.clone();
            match trained.person.is_some() {
                true => files.loras.push((trained.files.clone(), 1.0)),
                false => files.adapter = Some(trained.files.clone()),
            }
            let models =
                Models::load(files, device).with_context(|| format!("load {}", trained.files.display()))?;
            let _ = self.models.set(models);
        }
        self.models.get().context("the models were just loaded")
    }
}

/// The digest of the files that decide what a training draws.
fn made_by(trained: Option<&Trained>) -> Result<Digest> {
    let files: BTreeSet<PathBuf> = trained.map(Trained::model_files).into_iter().flatten().collect();
    if let (Some(trained), true) = (trained, files.is_empty()) {
        bail!("{}: there is no model in it", trained.files.display());
    }
    let of =
        |path: PathBuf| Ok(Digest::of(fs::read(&path).with_context(|| format!("read {}", path.display()))?));
    let digests: Vec<Digest> = files.into_iter().map(of).collect::<Result<_>>()?;
    Ok(Digest::of_json(&digests))
}

/// The name of a record: `body-2/f00003-0` of the training from seed 2.
pub fn record_name(arm: &Arm, trained: Option<&Trained>, subject: &Subject) -> String {
    let seed = match trained {
        Some(trained) if trained.person.is_none() => format!(".seed-{}", trained.seed),
        _ => String::new(),
    };
    format!("{}{seed}/{}", arm.key, last_part(&subject.name))
}

/// Refuses prompts in which nobody is named: pictures of DreamBooth would show nobody in particular.
pub fn check_prompts(prompts: &[String]) -> Result<()> {
    match prompts.iter().find(|prompt| !prompt.contains(PERSON)) {
        Some(prompt) => bail!("`prompts`: {prompt:?} does not say {PERSON}, which stands for who is drawn"),
        None => Ok(()),
    }
}

fn pictures(views: &[people::View]) -> Vec<Picture> {
    views.iter().map(|view| view.picture.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::experiment::trainings::Kind;

    #[test]
    fn a_training_of_one_person_draws_nobody_else_and_one_of_a_stranger_is_refused() {
        let person = |name: &str| Subject {
            name: name.to_owned(),
            noun: "woman",
            height_m: None,
            given: Vec::new(),
            held_out: Vec::new(),
        };
        let people = [person("drawn/a"), person("drawn/b")];
        let of = |name: Option<&str>| Trained {
            what: Kind::Dreambooth,
            seed: 1,
            person: name.map(str::to_owned),
            run: None,
            steps: None,
            was_given: false,
            files: PathBuf::new(),
        };
        assert_eq!(whom(&people, None).expect("everybody"), 0..2);
        assert_eq!(whom(&people, Some(&of(None))).expect("everybody"), 0..2);
        assert_eq!(whom(&people, Some(&of(Some("drawn/b")))).expect("one"), 1..2);
        let refused = whom(&people, Some(&of(Some("drawn/c")))).expect_err("nobody").to_string();
        assert!(refused.contains("drawn/c"), "{refused}");
    }
}
