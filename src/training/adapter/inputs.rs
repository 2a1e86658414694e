//! What the cache, the probe and the adapter begin with, all of it checked before the first step.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use snapshot::Snapshot;
use train::adapter::Origin;
use train::cache::fill::captions;
use train::cache::{CacheStore, Encoders};
use train::diffusion::checkpoint::Checkpoint;
use train::diffusion::image_encoder::is_image_encoder;
use train::group::Group;
use train::views::{People, Person};
use train::{DType, Device};

use super::CACHES;
use super::config::AdapterConfig;
use crate::cli::{AdapterArgs, Global};
use crate::config;
use crate::training::config::TrainConfigError;
use crate::training::initial::{self, InitialModel};
use crate::training::{data, model, together};

/// Configuration, snapshot and people.
pub struct Inputs {
    /// The configuration with flags and environment over it.
    pub config: AdapterConfig,
    /// Its text.
    pub text: String,
    /// What the adapter begins with, where that is not random.
    pub initial: Option<InitialModel>,
    /// The photos.
    pub snapshot: Snapshot,
    /// Who is trained on.
    pub people: People,
    /// Who is not, to judge by.
    pub unseen: Vec<Person>,
    /// Where each photo comes from.
    pub origins: Vec<Origin>,
    /// The base.
    pub base: Checkpoint,
    /// Where networks compute.
    pub device: Device,
    /// The processes that train together.
    pub group: Option<Group>,
    /// The folder of the caches.
    caches_dir: PathBuf,
    runs_dir: PathBuf,
}

impl Inputs {
    /// Reads and checks them; says how many photos have captions of their own.
    pub fn load(args: &AdapterArgs, global: &Global) -> Result<Self> {
        let mut overrides = args.how.overrides.clone();
        overrides.extend(args.how.snapshot.iter().map(|name| format!("data.snapshot={name:?}")));
        let mut config: AdapterConfig = config::load_training(&args.config, &overrides, env::vars())?;
        if args.how.snapshot.is_some() {
            config.data.drawn = None;
        }
        config
            .check()
            .map_err(|source| TrainConfigError::OutOfRange { config: args.config.clone(), source })?;
        config.fit.batch = config.samples.batch;
        config.fit.check()?;
        data::check(&args.config, &config.data)?;
        let text =
            fs::read_to_string(&args.config).with_context(|| format!("read {}", args.config.display()))?;
        let device = args.how.device.open()?;
        let base = open_base(&config, &device)?;
        let runs_dir = global.workdir.join("runs");
        let initial = config.init_from.as_deref();
        let initial =
            initial.map(|name| InitialModel::find(name, initial::ADAPTER, &runs_dir)).transpose()?;
        let group = together::join()?;
        let open = || data::open(&args.config, &config.data, &global.workdir);
        let snapshot = together::first_alone(group.as_ref(), open)?;
        let split = config.data.split.split();
        let people = People::of(&snapshot, split, config.data.hold_out)?;
        let trained: BTreeSet<&str> = people.people.iter().map(|person| person.identity.as_str()).collect();
        let others = match split {
            Some(_) => People::of(&snapshot, None, false)?.people,
            None => Vec::new(),
        };
        let unseen =
            others.into_iter().filter(|person| !trained.contains(person.identity.as_str())).collect();
        let inputs = Self {
            origins: Origin::of(&snapshot),
            caches_dir: global.workdir.join(CACHES),
            runs_dir,
            initial,
            text,
            snapshot,
            people,
            unseen,
            base,
            device,
            group,
            config,
        };
        let rows = inputs.rows();
        let (_, own) = inputs.captions_of(&rows)?;
        let template = &inputs.config.captions.template;
        eprintln!(
            "bolid: {} photos of {} people to train on, {} held out, {} of other people to judge by; {own} \
             have a caption of their own{}",
            inputs.people.people.iter().map(|person| person.views.len()).sum::<usize>(),
            inputs.people.people.len(),
            inputs.people.people.iter().map(|person| person.held_out.len()).sum::<usize>(),
            inputs.unseen_rows().len(),
            if own < rows.len() { format!(", the others are {template:?}") } else { String::new() }
        );
        Ok(inputs)
    }

    /// The frozen networks.
    pub fn encoders(&self) -> Result<Encoders> {
        let body = model::load(&self.runs_dir, &self.config.body.model, &self.device)?.saved;
        let named = model::reference_encoder(&self.config)?;
        let image = named.unwrap_or_else(|| self.base.folder().join("image_encoder"));
        if !is_image_encoder(&image) {
            let key =
                if self.config.base.image_encoder.is_some() { "base.image_encoder" } else { "ref.encoder" };
            bail!(
                "no image encoder in {}: set `{key}` to the folder of one, such as `models/image_encoder` of \
                 h94/IP-Adapter; `ref.encoder` also takes a repository id, {}",
                image.display(),
                model::encoder_names()
            );
        }
        Ok(Encoders::load(&self.base, &image, body, self.config.base.size_px)?)
    }

    /// The rows of everybody: those trained on, held out, and never seen.
    pub fn rows(&self) -> Vec<usize> {
        let mut rows: Vec<usize> =
            self.people.people.iter().flat_map(|p| p.views.iter().chain(&p.held_out)).copied().collect();
        rows.extend(self.unseen_rows());
        rows.sort_unstable();
        rows
    }

    fn unseen_rows(&self) -> Vec<usize> {
        // As many as are looked at, and their strangers are among them.
        let people = self.unseen.iter().take(self.config.validation.people);
        people.flat_map(|person| person.views.iter().copied()).collect()
    }

    /// Who is looked at of those nobody was trained on.
    pub fn judged_unseen(&self) -> &[Person] {
        &self.unseen[..self.unseen.len().min(self.config.validation.people)]
    }

    /// Captions of some photos, and how many are their own.
    pub fn captions_of(&self, rows: &[usize]) -> Result<(Vec<&str>, usize)> {
        let photos = rows.iter().map(|&row| &self.snapshot.photos()[row]);
        Ok(captions(photos, &self.config.captions.template, self.config.captions.own)?)
    }

    /// The captions of all photos of the snapshot's table, in its order.
    pub fn all_captions(&self) -> Result<Vec<&str>> {
        let rows: Vec<usize> = (0..self.snapshot.photos().len()).collect();
        Ok(self.captions_of(&rows)?.0)
    }

    /// The folder of the cache of these models, made if it is not there.
    pub fn cache_folder(&self, encoders: &Encoders) -> Result<PathBuf> {
        Ok(encoders.spec().folder(&self.caches_dir)?)
    }

    /// The cache, which has to be full.
    pub fn store(&self, encoders: &Encoders) -> Result<CacheStore> {
        let folder = self.cache_folder(encoders)?;
        let rows = self.rows();
        let (captions, _) = self.captions_of(&rows)?;
        let photos = rows.iter().map(|&row| &self.snapshot.photos()[row]);
        Ok(CacheStore::open(&folder, photos, captions.into_iter().chain([""]))?)
    }

    /// The folder of runs.
    pub fn runs_dir(&self) -> &Path {
        &self.runs_dir
    }
}

/// The base, which has to predict what is asked for.
fn open_base(config: &AdapterConfig, device: &Device) -> Result<Checkpoint> {
    let name = &config.base.path;
    let folder = model::base_folder(name, &config.base.revision)?;
    let compute = config.fit.precision.on(device);
    let base = Checkpoint::open(&folder, DType::F32, device).map(|base| base.with_compute(compute));
    let base = base.with_context(|| format!("`base.path = {name:?}` is no base in diffusers' layout"))?;
    let (asked, found) = (config.objective.prediction, base.scheduler()?.prediction()?);
    if asked.prediction() != found {
        bail!(
            "{} predicts {found:?}, `objective.prediction = {:?}` asks for another: set it to what the base predicts",
            folder.display(),
            asked.name()
        );
    }
    Ok(base)
}
