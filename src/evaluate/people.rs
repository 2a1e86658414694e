//! Who is judged: people of a snapshot, or synthetic ones whose bodies are known.

use std::path::Path;

use anyhow::{Context, Result, bail};
use photo::Joints;
use rayon::prelude::*;
use snapshot::{Pixels, Snapshot};
use synth::noise;
use train::Device;
use train::body::{BodyVae, Pose, Posterior, Views};
use train::report::Picture;
use train::views::ViewReader;
use train::views::pooling::pool;

use crate::training::draw::{self, DrawSpec, DrawnPerson};

/// The people of a seed are drawn from seeds of their own: no evaluation shares people with a training or a bench.
const STREAM: u64 = 0xE7A1_0A7E;
/// Side of drawn views in px: twice what the demo base draws, and what the demo body-VAE reads.
const DRAWN_PX: u32 = 128;

/// A photo as the pipeline prepared it.
pub struct View {
    /// Side of the planes in px.
    size_px: usize,
    /// u8 `[3, size, size]`.
    image: Vec<u8>,
    /// The same, weighted by the joints.
    weighted: Vec<u8>,
    joints: Joints,
}

/// Somebody whose pictures are judged.
pub struct Subject {
    /// Name within the snapshot, or of the seed.
    pub name: String,
    /// What `{person}` becomes.
    pub noun: &'static str,
    /// Standing height in m, where it is known.
    pub height_m: Option<f64>,
    /// Photos that c_body is made of; the first is the reference.
    pub given: Vec<View>,
    /// Other photos, in other clothes where the source says so: what pictures are compared with.
    pub held_out: Vec<View>,
}

impl View {
    /// The photo at `side` px.
    pub fn picture(&self, side: usize) -> Result<Picture> {
        Ok(Picture::from_planes(&self.pooled(&self.image, side)?, side, ""))
    }

    fn pooled(&self, planes: &[u8], side: usize) -> Result<Vec<u8>> {
        if side == 0 || !self.size_px.is_multiple_of(side) {
            bail!("photos of {} px cannot be brought to {side} px: it is no divisor", self.size_px);
        }
        let mut pooled = vec![0; 3 * side * side];
        pool(planes, self.size_px, side, &mut pooled);
        Ok(pooled)
    }
}

/// The Gaussian over c_body that photos say.
pub fn posterior(model: &BodyVae, views: &[View]) -> Result<Posterior> {
    let side = model.config().view_px;
    let mut planes = Vec::with_capacity(views.len() * 3 * side * side);
    for view in views {
        planes.extend(view.pooled(&view.weighted, side)?);
    }
    let poses: Vec<Pose> = views.iter().map(|view| Pose::new(&view.joints, view.size_px)).collect();
    Ok(model.encode(&Views::new(&planes, side, &poses, &Device::Cpu)?, None)?)
}

/// Synthetic people of `seed`.
pub fn drawn(seed: u64, people: usize, views: usize) -> Vec<Subject> {
    let spec = DrawSpec {
        seed: noise::subseed(seed, STREAM),
        families: people,
        twins: 1,
        views: 2 * views,
        size_px: DRAWN_PX,
        portraits: true,
    };
    draw::people(&spec).par_iter().map(|person| subject(person, &spec)).collect()
}

fn subject(person: &DrawnPerson, spec: &DrawSpec) -> Subject {
    let view = |index| {
        let prepared = draw::view(person, index, spec).prepared;
        View {
            size_px: prepared.size_px as usize,
            image: prepared.image,
            weighted: prepared.weighted,
            joints: prepared.joints,
        }
    };
    let mut given: Vec<View> = (0..spec.views).map(view).collect();
    let held_out = given.split_off(spec.views / 2);
    Subject {
        name: person.identity.clone(),
        noun: if person.body.woman { "woman" } else { "man" },
        height_m: Some(f64::from(person.body.height_m)),
        given,
        held_out,
    }
}

/// The people of a snapshot's test side with at least `2 · views` photos, in its order.
pub fn of_snapshot(path: &Path, people: usize, views: usize) -> Result<Vec<Subject>> {
    let snapshot = Snapshot::open(path)?;
    let side = snapshot.manifest().spec.size_px as usize;
    let reader = ViewReader::new(&snapshot, side)?;
    let mut rows_of: Vec<(&str, Vec<usize>)> =
        snapshot.identities(photo::Split::Test).map(|(name, rows)| (name, rows.collect())).collect();
    let there = rows_of.len();
    rows_of.retain(|(_, rows)| rows.len() >= 2 * views);
    rows_of.truncate(people);
    if rows_of.len() < 2 {
        bail!(
            "snapshot {}: {there} people are held out, {} of them with {} photos; somebody is to be told from somebody \
             else: ask for fewer --views, or use --people-seed",
            snapshot.id(),
            rows_of.len(),
            2 * views
        );
    }
    let read = |name: &str, rows: &[usize]| -> Result<Subject> {
        let (images, weighted) = (reader.read(rows, Pixels::Image)?, reader.read(rows, Pixels::Weighted)?);
        let length = 3 * side * side;
        let views_of = rows.iter().zip(images.chunks_exact(length).zip(weighted.chunks_exact(length)));
        let view = |(row, (image, weighted)): (&usize, (&[u8], &[u8]))| View {
            size_px: side,
            image: image.to_vec(),
            weighted: weighted.to_vec(),
            joints: snapshot.photos()[*row].facts.joints,
        };
        let mut given: Vec<View> = views_of.map(view).collect();
        let held_out = given.split_off(views);
        Ok(Subject { name: name.to_owned(), noun: "person", height_m: None, given, held_out })
    };
    rows_of
        .iter()
        .map(|(name, rows)| {
            read(name, &rows[..2 * views]).with_context(|| format!("read the photos of {name}"))
        })
        .collect()
}

/// For each person another one to be mistaken for: of the same sex and nearest in height where these are known, else the
/// next one.
pub fn strangers(people: &[Subject]) -> Vec<usize> {
    let apart = |a: usize, b: usize| {
        let height = match (people[a].height_m, people[b].height_m) {
            (Some(a), Some(b)) => (a - b).abs(),
            _ => 0.0,
        };
        let is_other_sex = people[a].noun != people[b].noun;
        (is_other_sex, height, (b + people.len() - a) % people.len())
    };
    let nearest = |a: usize| {
        let others = (0..people.len()).filter(|&b| b != a);
        let order = |x: &usize, y: &usize| {
            let (x, y) = (apart(a, *x), apart(a, *y));
            x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.cmp(&y.2))
        };
        others.min_by(order).unwrap_or(a)
    };
    (0..people.len()).map(nearest).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(noun: &'static str, height_m: Option<f64>) -> Subject {
        Subject { name: String::new(), noun, height_m, given: Vec::new(), held_out: Vec::new() }
    }

    #[test]
    fn a_stranger_is_of_the_same_sex_and_nearest_in_height() {
        let people = [
            person("man", Some(1.8)),
            person("woman", Some(1.79)),
            person("man", Some(1.7)),
            person("woman", Some(1.6)),
            person("man", Some(1.95)),
        ];
        assert_eq!(strangers(&people), [2, 3, 0, 1, 0]);
    }

    #[test]
    fn where_nothing_is_known_it_is_the_next_one() {
        let people: Vec<Subject> = (0..4).map(|_| person("person", None)).collect();
        assert_eq!(strangers(&people), [1, 2, 3, 0]);
    }
}
