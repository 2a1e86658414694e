//! A catalog of many photos with measurements made up at random, for examples that take times.

use std::path::Path;

use anyhow::{Context, Result};
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

/// Fills the catalog of a new work folder. `bytes` makes the file of the photo of that number, where there are to be files.
pub async fn fill(
    work: &Path,
    models: &Path,
    count: usize,
    bytes: Option<fn(usize) -> Vec<u8>>,
) -> Result<()> {
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
        let stored = rows.iter().enumerate().map(|(photo, row)| match bytes {
            None => Ok(Stored { sha256: Digest::of(&row.source_url), bytes: 400_000 }),
            Some(bytes) => {
                let mut blob = catalog.blobs().writer()?;
                blob.write(&bytes(person * PHOTOS_EACH + photo))?;
                blob.finish()
            }
        });
        let stored = stored.collect::<catalog::Result<Vec<_>>>()?;
        let fetches: Vec<_> =
            rows.iter().zip(&stored).map(|(row, stored)| (row.id, FetchRecord::new(Ok(*stored)))).collect();
        catalog.record_fetches(&fetches).await?;
        let mut measured = Vec::with_capacity(rows.len());
        for (photo, Stored { sha256, .. }) in stored.into_iter().enumerate() {
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
