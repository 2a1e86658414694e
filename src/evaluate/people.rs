//! Who is judged: people of a snapshot, or synthetic ones whose bodies are known.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};
use photo::{Affine, BoundingBox, Joints, Split};
use rayon::prelude::*;
use snapshot::{PhotoRow, Pixels, Snapshot};
use synth::noise;
use train::body::{BodyVae, Pose, Posterior, Views};
use train::report::Picture;
use train::views::ViewReader;
use train::views::pooling::pool;

use crate::training::draw::{self, Captions, DrawSpec, DrawnPerson};

/// The people of a seed are drawn from seeds of their own: no evaluation shares people with a training or a bench.
const STREAM: u64 = 0xE7A1_0A7E;
/// The area of a person in the box around them, where there is no mask, as mmpose takes it.
const OF_BOX: f64 = 0.53;

/// Photos that are drawn for each that is wanted in clothes not worn yet, at the most: of thousands of
/// outfits nearly every photo has one, and where all are worn the search would never end.
const TRIES: usize = 100;

/// Sides in px that photos are brought to: nothing larger of them is kept.
#[derive(Clone, Copy)]
pub struct Sides {
    /// Of pictures.
    pub picture_px: usize,
    /// Of the body-VAE's views.
    pub view_px: usize,
}

/// A photo as the pipeline prepared it.
pub struct View {
    /// The photo at the size of the pictures.
    pub picture: Picture,
    /// The person's joints in px of the picture, as the dataset has them.
    pub joints: Joints,
    /// The person's area in px² of the picture.
    pub area_px2: f64,
    /// The weighted photo as the body-VAE takes it, u8 `[3, view_px, view_px]`.
    weighted: Vec<u8>,
    pose: Pose,
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

/// The Gaussian over c_body that photos say.
pub fn posterior(model: &BodyVae, views: &[View]) -> Result<Posterior> {
    let planes: Vec<u8> = views.iter().flat_map(|view| view.weighted.iter().copied()).collect();
    let poses: Vec<Pose> = views.iter().map(|view| view.pose).collect();
    let views = Views::new(&planes, model.config().view_px, &poses, model.device())?;
    Ok(model.encode(&views, None)?)
}

/// The synthetic people of `seed`, each with the `views` that are given. More views leave the first ones as they are.
pub fn spec(seed: u64, people: usize, views: usize, sides: Sides) -> DrawSpec {
    DrawSpec {
        seed: noise::subseed(seed, STREAM),
        families: people,
        twins: 1,
        views,
        size_px: sides.picture_px.max(sides.view_px) as u32,
        portraits: true,
        captions: Captions::Whole,
    }
}

/// The people of a spec, and `held_out` further photos of each, in clothes that none of the given ones shows.
pub fn drawn(spec: &DrawSpec, held_out: usize, sides: Sides) -> Result<Vec<Subject>> {
    draw::people(spec).par_iter().map(|person| subject(person, spec, held_out, sides)).collect()
}

fn subject(person: &DrawnPerson, spec: &DrawSpec, held_out: usize, sides: Sides) -> Result<Subject> {
    let view = |view: draw::DrawnView| shrink(view, sides);
    let of = |index| draw::view(person, index, spec);
    let given: Vec<draw::DrawnView> = (0..spec.views).map(of).collect();
    let worn: HashSet<String> = given.iter().map(|view| view.caption.clone()).collect();
    let others = in_other_clothes((spec.views..).map(of), |view| worn.contains(&view.caption), held_out)
        .with_context(|| {
            format!("find photos of {} beside the {} that are given", person.identity, spec.views)
        })?;
    Ok(Subject {
        name: person.identity.clone(),
        noun: person.body.noun(),
        height_m: Some(f64::from(person.body.height_m)),
        held_out: others.into_iter().map(view).collect::<Result<_>>()?,
        given: given.into_iter().map(view).collect::<Result<_>>()?,
    })
}

fn shrink(view: draw::DrawnView, sides: Sides) -> Result<View> {
    let prepared = view.prepared;
    let size_px = prepared.size_px as usize;
    let image = pooled(&prepared.image, size_px, sides.picture_px)?;
    let (joints, area_px2) = at_side(&prepared.joints, &prepared.person, size_px, sides.picture_px);
    Ok(View {
        picture: Picture::from_planes(&image, sides.picture_px, ""),
        joints,
        area_px2,
        weighted: pooled(&prepared.weighted, size_px, sides.view_px)?,
        pose: Pose::new(&prepared.joints, size_px),
    })
}

/// The first `wanted` of endless photos whose clothes are not worn already.
fn in_other_clothes<V>(
    photos: impl Iterator<Item = V>,
    is_worn: impl Fn(&V) -> bool,
    wanted: usize,
) -> Result<Vec<V>> {
    let tries = TRIES * wanted;
    let found: Vec<V> = photos.take(tries).filter(|photo| !is_worn(photo)).take(wanted).collect();
    if found.len() < wanted {
        bail!(
            "of {tries} further photos {} show clothes that no given one shows, and {wanted} are wanted: give \
             fewer photos",
            found.len()
        );
    }
    Ok(found)
}

/// Joints in px of a square of `to_px`, and the person's area in it.
fn at_side(joints: &Joints, person: &BoundingBox, from_px: usize, to_px: usize) -> (Joints, f64) {
    let scale = to_px as f64 / from_px as f64;
    // Pixel centres to pixel centres.
    let shift = (scale - 1.0) / 2.0;
    let area = f64::from(person.width()) * f64::from(person.height()) * scale * scale;
    (joints.mapped(&Affine::scale_then_shift(scale, scale, shift, shift)), OF_BOX * area)
}

/// The box around somebody in px of the prepared square.
fn in_square(facts: &PhotoRow) -> BoundingBox {
    let corner = |x: f32, y: f32| facts.affine.apply(f64::from(x), f64::from(y));
    let person = &facts.person_box;
    let ((x0, y0), (x1, y1)) = (corner(person.x0, person.y0), corner(person.x1, person.y1));
    BoundingBox { x0: x0 as f32, y0: y0 as f32, x1: x1 as f32, y1: y1 as f32 }
}

fn pooled(planes: &[u8], from_px: usize, to_px: usize) -> Result<Vec<u8>> {
    if to_px == 0 || !from_px.is_multiple_of(to_px) {
        bail!(
            "drawn photos of {from_px} px cannot be brought to {to_px} px, which is no divisor: one of the \
             base's and the body-VAE's sizes has to be a multiple of the other"
        );
    }
    let mut pooled = vec![0; 3 * to_px * to_px];
    pool(planes, from_px, to_px, &mut pooled);
    Ok(pooled)
}

/// The people of a snapshot's test side with at least `2 · views` photos, in its order.
pub fn of_snapshot(snapshot: &Snapshot, people: usize, views: usize, sides: Sides) -> Result<Vec<Subject>> {
    let photos = SnapshotPhotos::new(snapshot, sides)?;
    let mut rows_of: Vec<(&str, Vec<usize>)> =
        snapshot.identities(Split::Test).map(|(name, rows)| (name, rows.collect())).collect();
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
    let read = |(name, rows): &(&str, Vec<usize>)| {
        let mut given = photos.views(name, &rows[..2 * views])?;
        let held_out = given.split_off(views);
        Ok(Subject { name: (*name).to_owned(), noun: "person", height_m: None, given, held_out })
    };
    rows_of.iter().map(read).collect()
}

/// A snapshot's photos at both sizes.
struct SnapshotPhotos<'a> {
    snapshot: &'a Snapshot,
    images: ViewReader<'a>,
    weighted: ViewReader<'a>,
    sides: Sides,
}

impl<'a> SnapshotPhotos<'a> {
    fn new(snapshot: &'a Snapshot, sides: Sides) -> Result<Self> {
        let images = ViewReader::new(snapshot, sides.picture_px)?;
        let weighted = ViewReader::new(snapshot, sides.view_px)?;
        Ok(Self { snapshot, images, weighted, sides })
    }

    fn views(&self, name: &str, rows: &[usize]) -> Result<Vec<View>> {
        let reading = || format!("read the photos of {name}");
        let images = self.images.read(rows, Pixels::Image).with_context(reading)?;
        let weighted = self.weighted.read(rows, Pixels::Weighted).with_context(reading)?;
        let images = images.chunks_exact(3 * self.sides.picture_px.pow(2));
        let weighted = weighted.chunks_exact(3 * self.sides.view_px.pow(2));
        let of_rows = images.zip(weighted).zip(self.weighted.poses(rows)).zip(rows);
        Ok(of_rows.map(|(((image, weighted), pose), &row)| self.view(image, weighted, pose, row)).collect())
    }

    fn view(&self, image: &[u8], weighted: &[u8], pose: Pose, row: usize) -> View {
        let facts = &self.snapshot.photos()[row].facts;
        let size_px = self.snapshot.manifest().spec.size_px as usize;
        let picture_px = self.sides.picture_px;
        let (joints, area_px2) = at_side(&facts.joints, &in_square(facts), size_px, picture_px);
        View {
            picture: Picture::from_planes(image, picture_px, ""),
            joints,
            area_px2,
            weighted: weighted.to_vec(),
            pose,
        }
    }
}

/// For each person another one to be mistaken for: of the same sex and nearest in height where these are
/// known, else the next one.
pub fn strangers(people: &[Subject]) -> Vec<usize> {
    (0..people.len()).map(|a| find_nearest(people, a)).collect()
}

fn find_nearest(people: &[Subject], a: usize) -> usize {
    let others = (0..people.len()).filter(|&b| b != a);
    let order = |x: &usize, y: &usize| {
        let (x, y) = (compare_people(people, a, *x), compare_people(people, a, *y));
        x.0.cmp(&y.0).then(x.1.total_cmp(&y.1)).then(x.2.cmp(&y.2))
    };
    others.min_by(order).unwrap_or(a)
}

/// How unlike two people are: of another sex, in height, and in their places, so that no two are equally far.
fn compare_people(people: &[Subject], a: usize, b: usize) -> (bool, f64, usize) {
    let height = match (people[a].height_m, people[b].height_m) {
        (Some(a), Some(b)) => (a - b).abs(),
        _ => 0.0,
    };
    let is_other_sex = people[a].noun != people[b].noun;
    (is_other_sex, height, (b + people.len() - a) % people.len())
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
    fn clothes_are_changed_and_joints_stand_in_the_picture() {
        let sides = Sides { picture_px: 32, view_px: 64 };
        let spec = spec(3, 2, 2, sides);
        let people = drawn(&spec, 3, sides).expect("people");
        let of = draw::people(&spec);
        for (subject, person) in people.iter().zip(&of) {
            assert_eq!((subject.given.len(), subject.held_out.len()), (2, 3));
            let first = draw::view(person, 0, &spec);
            let nose = (first.prepared.joints.0[0], subject.given[0].joints.0[0]);
            assert!((nose.0.x / 2.0 - 0.25 - nose.1.x).abs() < 1e-3, "{nose:?}");
            assert!((100.0..600.0).contains(&subject.given[0].area_px2), "{}", subject.given[0].area_px2);
        }
        let more = drawn(&super::spec(3, 2, 4, sides), 1, sides).expect("people");
        assert_eq!(more[0].given[1].picture, people[0].given[1].picture, "more views leave the first ones");
    }

    #[test]
    fn a_search_for_other_clothes_ends_where_all_are_worn() {
        let photos = || (0..).map(|index| index % 3);
        let found = in_other_clothes(photos(), |&clothes| clothes != 1, 2).expect("every third");
        assert_eq!(found, [1, 1]);
        let refused = in_other_clothes(photos(), |_| true, 2).expect_err("all are worn").to_string();
        assert!(refused.contains("of 200 further photos 0 show") && refused.contains("fewer"), "{refused}");
    }

    #[test]
    fn where_nothing_is_known_it_is_the_next_one() {
        let people: Vec<Subject> = (0..4).map(|_| person("person", None)).collect();
        assert_eq!(strangers(&people), [1, 2, 3, 0]);
    }
}
