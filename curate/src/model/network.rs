//! A model that meets its contract, and runs: whole, or with the head of a YOLO detector split off.

use std::path::Path;

use ort::session::Session;
use photo::Digest;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use tracing::debug;

use super::contract::Contract;
use super::device::Device;
use super::error::ModelError;
use super::pool::Pool;
use super::registry::ModelEntry;
use super::runtime::Runtime;
use super::session::{ModelFile, Outputs, read};
use super::split_head::{Sessions, SplitHead, noise};
use super::tensor::Input;

/// A model that meets the contract of its role.
#[derive(Debug)]
pub(crate) struct Network {
    file: ModelFile,
    engine: Engine,
}

/// What runs. A session runs one batch at a time, so each thread that measures takes one and puts it back;
/// there are never more than threads.
#[derive(Debug)]
enum Engine {
    /// The whole graph.
    Whole(Pool<Session>),
    /// A detector's backbone, and behind it boxes and joints where a score asks for them. `whole` is opened
    /// on demand: for a caller who wants every cell.
    Split { head: SplitHead, sessions: Pool<Sessions>, whole: Pool<Session> },
}

impl Network {
    /// Reads, verifies and loads the model, and runs it once on an empty image: what does not fit is refused
    /// here, before any photo is touched.
    pub fn load(
        entry: &ModelEntry,
        contract: &Contract,
        path: &Path,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let bytes = read(&entry.name, path)?;
        let found = Digest::of(&bytes);
        if found != entry.sha256 {
            return Err(ModelError::WrongDigest {
                name: entry.name.clone(),
                file: path.to_owned(),
                expected: entry.sha256,
                found,
            });
        }
        Self::from_bytes(entry.clone(), contract, path, bytes, runtime, device)
    }

    /// The same, of bytes that are taken as they are.
    pub fn from_bytes(
        entry: ModelEntry,
        contract: &Contract,
        path: &Path,
        bytes: Vec<u8>,
        runtime: &Runtime,
        device: Device,
    ) -> Result<Self, ModelError> {
        let (file, mut session) = ModelFile::check(entry, contract, path, bytes, runtime, device)?;
        run_empty_inputs(&file, &mut session)?;
        let engine = match split(&file, &mut session)? {
            Some((head, sessions)) => {
                Engine::Split { head, sessions: Pool::of(sessions), whole: Pool::default() }
            }
            None => Engine::Whole(Pool::of(session)),
        };
        Ok(Self { file, engine })
    }

    /// What the registry says of the model.
    pub fn entry(&self) -> &ModelEntry {
        &self.file.entry
    }

    /// The same, where the network is not needed any more.
    pub fn into_entry(self) -> ModelEntry {
        self.file.entry
    }

    /// The smallest of the usual steps (YOLO's stride, and twice that) by which the sides of an open input
    /// may shrink.
    pub fn smallest_multiple(&self) -> Option<u32> {
        [32, 64].into_iter().find(|&multiple| self.shrinks_by(multiple))
    }

    fn shrinks_by(&self, multiple: u32) -> bool {
        let [width, height] = self.entry().input_size;
        let runs = |width, height| self.run(&Input::empty(width, height)).is_ok();
        width.is_multiple_of(multiple)
            && height.is_multiple_of(multiple)
            && width > multiple
            && runs(width - multiple, height)
            && runs(multiple, height)
    }

    /// Whether boxes and joints are computed only where a score asks for them.
    pub fn has_split_head(&self) -> bool {
        matches!(self.engine, Engine::Split { .. })
    }

    /// Opens sessions for as many threads, and runs each once: the first run is the one that takes memory.
    pub fn open_for(&self, threads: usize) -> Result<(), ModelError> {
        let [width, height] = self.entry().input_size;
        let empty = Input::empty(width, height);
        let opened = match &self.engine {
            Engine::Whole(pool) => pool.len(),
            Engine::Split { sessions, .. } => sessions.len(),
        };
        (opened..threads).into_par_iter().try_for_each(|_| {
            match &self.engine {
                Engine::Whole(pool) => {
                    let mut session = self.file.open(&self.file.bytes)?;
                    self.file.run(&mut session, &empty)?;
                    pool.put(session);
                }
                Engine::Split { head, sessions, .. } => {
                    let mut opened = head.open(|bytes| self.file.open(bytes))?;
                    self.run_split(head, &mut opened, &empty, f32::NEG_INFINITY)?;
                    sessions.put(opened);
                }
            }
            Ok(())
        })
    }

    /// Runs an image, or several one behind the other: as one batch where the file allows it.
    pub fn run(&self, input: &Input) -> Result<Outputs, ModelError> {
        let (Engine::Whole(pool) | Engine::Split { whole: pool, .. }) = &self.engine;
        pool.with(|| self.file.open(&self.file.bytes), |session| self.file.run(session, input))
    }

    /// Runs a detector on one image: its head, channel after channel. Cells whose score is not above
    /// `min_score` may be missing.
    pub fn run_head(&self, input: &Input, min_score: f32) -> Result<Vec<f32>, ModelError> {
        let Engine::Split { head, sessions, .. } = &self.engine else { return Ok(self.run(input)?.values) };
        sessions.with(
            || head.open(|bytes| self.file.open(bytes)),
            |sessions| self.run_split(head, sessions, input, min_score),
        )
    }

    fn run_split(
        &self,
        head: &SplitHead,
        sessions: &mut Sessions,
        input: &Input,
        min_score: f32,
    ) -> Result<Vec<f32>, ModelError> {
        head.run(sessions, input, min_score).map_err(|error| self.file.failed("run", &error))
    }
}

/// Runs empty images of the sizes that the entry allows: an output of open size shows its shape only when it
/// is run.
fn run_empty_inputs(file: &ModelFile, session: &mut Session) -> Result<(), ModelError> {
    let [width, height] = file.entry.input_size;
    file.run(session, &Input::empty(width, height))?;
    let Some(multiple) = file.entry.input_multiple else { return Ok(()) };
    if multiple == 0 || !width.is_multiple_of(multiple) || !height.is_multiple_of(multiple) {
        let expected = format!("a divisor of {width} and {height}");
        return Err(file.violation("`input_multiple`", &expected, &multiple.to_string()));
    }
    // Both sides shorter than they may be: what only fits the full size is found now, too.
    file.run(session, &Input::empty(width.max(2 * multiple) - multiple, height))?;
    file.run(session, &Input::empty(width, height.max(2 * multiple) - multiple))?;
    Ok(())
}

/// The split head of a detector, where it can be split and gives on noise what the whole graph gives.
fn split(file: &ModelFile, session: &mut Session) -> Result<Option<(SplitHead, Sessions)>, ModelError> {
    let Some(joints) = file.contract.head_joints else { return Ok(None) };
    // A GPU makes all boxes in less time than it takes to hand scores out and features in.
    if file.device != Device::Cpu || file.batch.is_some_and(|batch| batch != 1) {
        return Ok(None);
    }
    let Some(head) = SplitHead::split(&file.bytes, joints) else { return Ok(None) };
    let [width, height] = file.entry.input_size;
    let shorter = file.entry.input_multiple.map(|multiple| (width, height.max(2 * multiple) - multiple));
    let mut probes = Vec::new();
    for size in [Some((width, height)), shorter].into_iter().flatten() {
        let image = noise(size);
        let whole = file.run(session, &image)?.values;
        probes.push((image, whole));
    }
    let model = &file.entry.name;
    match open_matching(file, &head, &probes) {
        Ok(Some(sessions)) => Ok(Some((head, sessions))),
        Ok(None) => {
            debug!(model, "the split head differs from the full graph, so the model is run whole");
            Ok(None)
        }
        Err(error) => {
            debug!(model, %error, "the split head cannot be run, so the model is run whole");
            Ok(None)
        }
    }
}

/// Sessions of a split head, where they make of each probe what the full graph makes.
fn open_matching(
    file: &ModelFile,
    head: &SplitHead,
    probes: &[(Input, Vec<f32>)],
) -> Result<Option<Sessions>, ModelError> {
    let mut sessions = head.open(|bytes| file.open(bytes))?;
    for (image, whole) in probes {
        let matches = head.matches_full_graph(&mut sessions, image, whole);
        if !matches.map_err(|error| file.failed("run", &error))? {
            return Ok(None);
        }
    }
    Ok(Some(sessions))
}
