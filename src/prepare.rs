//! `bolid prepare`: kept photos to tensors on disk, `<workdir>/prepared/<settings>/ab/abcd….safetensors`.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use catalog::Catalog;
use catalog::measurement::Probe;
use curate::people::Counted;
use curate::{PrepareSettings, Prepared};
use photo::{Affine, BoundingBox, Digest, Joints, Person, Rules, Verdict};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use safetensors::tensor::{Dtype, Metadata, SafeTensors, TensorInfo};
use serde::{Deserialize, Serialize};
use snapshot::PreparedTensors;
use tokio::sync::mpsc;

use crate::judge::Judged;
use crate::progress;

/// Finished photos that wait to be noted.
const WAITING_RESULTS: usize = 16;

/// The folder of all tensors in the work folder.
pub const FOLDER: &str = "prepared";

/// What is noted of a prepared photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PreparedFacts {
    /// The joints in px of the tensor, gated.
    pub joints: Joints,
    /// The joints in px of the photo, gated likewise.
    pub joints_in_photo: Joints,
    /// The person in px of the photo.
    pub person_box: BoundingBox,
    /// From px of the photo to px of the tensor.
    pub affine: Affine,
}

/// The tensors of a recipe's photos. Sites with thresholds of their own have stores of their own.
#[derive(Clone, Debug)]
pub struct PreparedStores {
    workdir: PathBuf,
    settings: PrepareSettings,
    people: Probe,
    rules: Rules,
}

impl PreparedStores {
    /// The stores for a recipe's settings. The joints come from the people probe; the rules say whose and which count.
    pub fn new(workdir: &Path, settings: &PrepareSettings, people: Probe, rules: Rules) -> Self {
        Self { workdir: workdir.to_owned(), settings: settings.clone(), people, rules }
    }

    /// The store for the photos of a site.
    pub fn of_site(&self, site: &str) -> PreparedStore {
        PreparedStore::new(&self.workdir, &self.settings, self.people, self.rules.of_site(site))
    }
}

/// The tensors of one way of preparing: which settings, by which model's joints.
#[derive(Clone, Debug)]
pub struct PreparedStore {
    folder: PathBuf,
    /// The name under which the catalog notes what is prepared.
    pub digest: Digest,
    settings: PrepareSettings,
    rules: Rules,
}

impl PreparedStore {
    fn new(workdir: &Path, settings: &PrepareSettings, people: Probe, rules: Rules) -> Self {
        let digest =
            Digest::of_json(&(settings.digest(), people.digest, &rules.people, &rules.faces, &rules.joints));
        let folder = workdir.join(FOLDER).join(digest.short());
        Self { folder, digest, settings: settings.clone(), rules }
    }

    fn path(&self, sha256: Digest) -> PathBuf {
        let name = sha256.to_string();
        self.folder.join(&name[..2]).join(format!("{name}.safetensors"))
    }

    /// Reads the tensors of a photo.
    pub fn read(&self, sha256: Digest) -> Result<PreparedTensors> {
        let path = self.path(sha256);
        self.read_file(&path).with_context(|| {
            format!("read tensors {}; delete the file and run `bolid prepare`", path.display())
        })
    }

    fn read_file(&self, path: &Path) -> Result<PreparedTensors> {
        let bytes = fs::read(path)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let planes = |is_held: bool, name| -> Result<Vec<u8>> {
            Ok(if is_held { tensors.tensor(name)?.data().to_vec() } else { Vec::new() })
        };
        let kept = self.settings.tensors;
        Ok(PreparedTensors {
            image: planes(kept.has_image(), "image")?,
            weighted: planes(kept.has_weighted(), "weighted")?,
        })
    }

    fn write(&self, sha256: Digest, prepared: &Prepared) -> Result<()> {
        let kept = self.settings.tensors;
        let mut tensors = Vec::new();
        tensors.extend(kept.has_image().then_some(("image", prepared.image.as_slice())));
        tensors.extend(kept.has_weighted().then_some(("weighted", prepared.weighted.as_slice())));
        let path = self.path(sha256);
        let partial = path.with_extension("partial");
        let write = || -> Result<()> {
            fs::create_dir_all(path.parent().context("a tensor file has a folder")?)?;
            write_tensors(&partial, prepared.size_px as usize, &tensors)?;
            Ok(fs::rename(&partial, &path)?)
        };
        write().map_err(|error| {
            let source = error.downcast_ref::<io::Error>();
            let is_full = source.is_some_and(|source| source.kind() == io::ErrorKind::StorageFull);
            let advice = if is_full {
                "; free some space and run the same command again, nothing stored is lost"
            } else {
                ""
            };
            error.context(format!("write tensors {}{advice}", path.display()))
        })
    }
}

/// Writes planes `[3, side, side]` as a file of safetensors, straight from where they are: the library's
/// `serialize` copies them into one buffer first.
fn write_tensors(path: &Path, side: usize, tensors: &[(&str, &[u8])]) -> Result<()> {
    let mut end = 0;
    let entries = tensors.iter().map(|(name, planes)| {
        let data_offsets = (end, end + planes.len());
        end = data_offsets.1;
        ((*name).to_owned(), TensorInfo { dtype: Dtype::U8, shape: vec![3, side, side], data_offsets })
    });
    let mut header = serde_json::to_vec(&Metadata::new(None, entries.collect())?)?;
    header.resize(header.len().next_multiple_of(8), b' ');
    let mut file = File::create(path)?;
    file.write_all(&[(header.len() as u64).to_le_bytes().as_slice(), &header].concat())?;
    for (_, planes) in tensors {
        file.write_all(planes)?;
    }
    Ok(())
}

/// A kept photo and the person in it, joints gated.
struct Work {
    sha256: Digest,
    person: Person,
    store: Arc<PreparedStore>,
}

/// Prepares every kept photo that is not prepared yet; gives the number of photos.
pub async fn run(catalog: &Arc<Catalog>, stores: &PreparedStores, all: &[Judged]) -> Result<u64> {
    let mut work = BTreeMap::new();
    for judged in all {
        let store = Arc::new(stores.of_site(&judged.identity.site));
        let kept = judged.photos.iter().filter(|(_, verdict)| verdict.as_ref().is_some_and(Verdict::is_keep));
        for content in kept.filter_map(|(photo, _)| photo.content.as_ref()) {
            let noted = catalog.prepared::<PreparedFacts>(content.sha256, store.digest).await?;
            if noted.is_some() && store.path(content.sha256).exists() {
                continue;
            }
            let Ok(measured) = &content.measured else { continue };
            let (Some(faces), Some(people)) = (&measured.faces, &measured.people) else { continue };
            let counted = Counted::new(faces, people, &store.rules);
            let Some(person) = counted.main_person() else {
                bail!("photo {} is kept, but nobody is in it", content.sha256);
            };
            let person = Person { joints: person.joints.gated(store.rules.joints.min_score), ..*person };
            let key = (content.sha256, store.digest);
            work.insert(key, Work { sha256: content.sha256, person, store: Arc::clone(&store) });
        }
    }
    let total = work.len() as u64;
    if total == 0 {
        return Ok(0);
    }
    let bar = progress::stage("prepare", total, "photos");
    let (sender, mut results) = mpsc::channel(WAITING_RESULTS);
    let worker = tokio::task::spawn_blocking({
        let catalog = Arc::clone(catalog);
        // One photo at a time per thread: memory is bounded by the number of threads.
        move || {
            let work: Vec<_> = work.into_values().collect();
            work.into_par_iter().with_max_len(1).try_for_each(|work| {
                let facts =
                    prepare(&catalog, &work).with_context(|| format!("prepare photo {}", work.sha256))?;
                let noted = (work.sha256, work.store.digest, facts);
                sender.blocking_send(noted).context("the tensors can no longer be noted")
            })
        }
    });
    while let Some((sha256, settings, facts)) = results.recv().await {
        catalog.record_prepared(sha256, settings, &facts).await?;
        bar.inc(1);
    }
    worker.await.context("prepare photos")??;
    bar.finish_and_clear();
    Ok(total)
}

fn prepare(catalog: &Catalog, work: &Work) -> Result<PreparedFacts> {
    let bytes = catalog.blobs().read(work.sha256)?;
    let prepared = curate::prepare_file(&bytes, &work.person, &work.store.settings)?;
    work.store.write(work.sha256, &prepared)?;
    let facts = PreparedFacts {
        joints: prepared.joints,
        joints_in_photo: work.person.joints,
        person_box: work.person.bbox,
        affine: prepared.affine,
    };
    prepared.reuse();
    Ok(facts)
}
