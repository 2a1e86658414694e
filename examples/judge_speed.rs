//! How long `bolid judge --dry-run` takes over a catalog of many photos, program start and all: `make bench`, or
//! `cargo run --release --example judge_speed [PHOTOS]` after `cargo build --release`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use catalog::Catalog;
use catalog::blob::Stored;
use catalog::fetch::FetchRecord;
use catalog::identity::NewIdentity;
use catalog::measurement::{Probe, Said};
use catalog::photo::NewPhoto;
use curate::{Device, Registry, Role};
use photo::measurement::{Answer, Decoded, Kind};
use photo::tiles::REGIONS;
use photo::{BoundingBox, Detection, Digest, ImageFacts, Joint, Joints, Measurement, Person, WatermarkScore};

const PHOTOS_EACH: usize = 100;
const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let work = folder.path().join("work");
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let models = project.join("data/models/models.toml");
    let recipe = folder.path().join("recipe.toml");
    let text = format!(
        "name = \"many\"\nmodels = {models:?}\n[[imports]]\nname = \"many\"\npath = \".\"\n[rules]\nmin_photos = 20\n"
    );
    fs::write(&recipe, text)?;
    fill(&work, &models, count).await.context("fill a catalog")?;
    let program = std::env::current_exe()?;
    let program = program.parent().and_then(Path::parent).context("where the program is")?.join("bolid");
    let judge = |arguments: &[&str]| -> Result<f64> {
        let start = Instant::now();
        let mut command = Command::new(&program);
        command.arg("judge").args(arguments).arg("--workdir").arg(&work).arg("--recipe").arg(&recipe);
        let output = command.output().with_context(|| format!("run {}", program.display()))?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(start.elapsed().as_secs_f64())
    };
    println!("judge and store {count} photos: {:.2} s", judge(&[])?);
    for threshold in ["0.5", "0.3"] {
        let set = format!("rules.watermark.max_score={threshold}");
        let rounds = (0..ROUNDS).map(|_| judge(&["--dry-run", "--set", &set])).collect::<Result<Vec<_>>>()?;
        let fastest = rounds.into_iter().fold(f64::INFINITY, f64::min);
        println!("judge --dry-run --set {set}: {fastest:.2} s for {count} photos");
    }
    Ok(())
}

async fn fill(work: &Path, models: &Path, count: usize) -> Result<()> {
    let registry = Registry::read(models)?;
    let models = Role::REQUIRED.into_iter().map(|role| registry.choose(role, None).cloned());
    let models = models.collect::<Result<Vec<_>, _>>()?;
    let min_size = curate::detect::min_decode_size(&models);
    let probe = |kind, role| -> Result<Probe> {
        let digest = curate::detect::cache_key(role, &models, min_size, Device::Cpu);
        Ok(Probe { kind, digest: digest.context("every role has a model")? })
    };
    let image = Probe { kind: Kind::Image, digest: curate::decode::facts_cache_key(min_size) };
    let watermark = probe(Kind::Watermark, Role::Watermark)?;
    let (faces, people) = (probe(Kind::Faces, Role::Faces)?, probe(Kind::People, Role::People)?);
    let catalog = Catalog::open(work).await?;
    for person in 0..count.div_ceil(PHOTOS_EACH) {
        let name = format!("person-{person:05}");
        let new =
            NewIdentity { slug: name.clone(), name: name.clone(), page_url: None, is_slug_certain: true };
        let identity = catalog.add_identity("many", &new).await?.context("nobody was erased")?;
        let url = |photo: usize| format!("file:///photos/{name}/{photo:04}.jpg");
        let new =
            |photo| NewPhoto { source_url: url(photo), file_url: Some(url(photo)), ..NewPhoto::default() };
        catalog.add_photos(identity, &(0..PHOTOS_EACH).map(new).collect::<Vec<_>>()).await?;
        let rows = catalog.photos(identity).await?;
        let fetched = |sha256| FetchRecord::new(Ok(Stored { sha256, bytes: 400_000 }));
        let fetches: Vec<_> = rows.iter().map(|row| (row.id, fetched(Digest::of(&row.source_url)))).collect();
        catalog.record_fetches(&fetches).await?;
        let mut measured = Vec::with_capacity(rows.len());
        for (photo, row) in rows.iter().enumerate() {
            let sha256 = Digest::of(&row.source_url);
            let random = |at: usize| f32::from(sha256.as_bytes()[at]) / 255.0;
            let values = [
                (image, Said::of(&Measurement::Image(Decoded::Readable(facts(&sha256))))),
                (
                    watermark,
                    Said::of(&Measurement::Watermark(Answer::Measured(WatermarkScore {
                        regions: REGIONS
                            .iter()
                            .enumerate()
                            .map(|(at, &region)| (region, rounded(random(at) * 0.55)))
                            .collect(),
                    }))),
                ),
                (faces, Said::of(&Measurement::Faces(Answer::Measured(vec![face(0.5 + random(20) / 2.0)])))),
                (
                    people,
                    Said::of(&Measurement::People(Answer::Measured(people_of(photo % 10 == 3, random(21))))),
                ),
            ];
            measured.push((sha256, values));
        }
        let contents = measured.iter().map(|(sha256, values)| (*sha256, values.as_slice()));
        catalog.add_measurements_of(contents).await?;
    }
    catalog.close().await;
    Ok(())
}

fn facts(sha256: &Digest) -> ImageFacts {
    ImageFacts {
        format: "jpeg".to_owned(),
        width: 1200,
        height: 1600,
        orientation: 1,
        file_bytes: 400_000,
        sharpness: 210.5,
        brightness: 0.4711,
        perceptual_hash: sha256.to_string()[..16].to_owned(),
        inner_hash: sha256.to_string()[16..32].to_owned(),
        thumbnail: sha256.to_string().repeat(9), // as long as a real one
        ..ImageFacts::default()
    }
}

fn face(score: f32) -> Detection {
    let bbox = BoundingBox { x0: 520.13, y0: 180.77, x1: 660.91, y1: 350.02 };
    Detection { bbox, score: rounded(score) }
}

fn people_of(several: bool, random: f32) -> Vec<Person> {
    let px = |value: f32| (value * 100.0).round() / 100.0; // as they are stored
    let joint = |at: usize| Joint {
        x: px(480.25 + 13.37 * at as f32),
        y: px(200.75 + 61.19 * at as f32),
        confidence: rounded(0.4 + 0.6 * random),
    };
    let bbox = BoundingBox { x0: 310.22, y0: 120.41, x1: 890.05, y1: 1540.96 };
    let person = Person { bbox, score: 0.9134, joints: Joints(std::array::from_fn(joint)) };
    vec![person; if several { 2 } else { 1 }]
}

fn rounded(score: f32) -> f32 {
    photo::score::rounded(score)
}
