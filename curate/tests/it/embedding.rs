//! Faces to directions, by the tiny models of `fixtures/make_models.py`.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::support::{lit, new, png, runtime};
use curate::detect::{self, NewModel};
use curate::model::tensor::Normalisation;
use curate::{
    Detectors, Device, Measurements, MinDecodeSize, ModelChoice, ModelOutput, ModelSchedule, Registry, Role,
    SingleModel, decode, decode_for,
};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use photo::{BoundingBox, Detection, Embedding, Joints, Person};
use tempfile::TempDir;

/// A registry of a model for each of the roles. Detectors see pixels in 0..1.
fn registry(folder: &TempDir, roles: &[Role]) -> PathBuf {
    let path = folder.path().join("models.toml");
    for &role in roles {
        detect::add(&path, &new(role.name(), role), &runtime()).unwrap();
    }
    path
}

fn load(registry: &Path, face_embedding: Option<&str>) -> Detectors {
    let choice = ModelChoice { face_embedding: face_embedding.map(str::to_owned), ..ModelChoice::default() };
    Detectors::load(&Registry::read(registry).unwrap(), &choice, &runtime(), Device::Cpu).unwrap()
}

fn cosine(a: &Embedding, b: &Embedding) -> f64 {
    let dot = |a: &Embedding, b: &Embedding| {
        a.numbers().iter().zip(b.numbers()).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>()
    };
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

#[test]
fn a_model_is_added_with_what_arcface_needs() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder, &[Role::FaceEmbedding]);
    let registry = Registry::read(&path).unwrap();
    let entry = registry.choose(Role::FaceEmbedding, None).unwrap();
    assert_eq!((entry.input_size, entry.normalisation), ([112, 112], Normalisation::Arcface));
    assert_eq!((entry.output.as_str(), entry.input_multiple), ("embedding[n,512]", None));
    detect::check(&registry, entry, &runtime()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(
        text.contains("role = \"face_embedding\"") && text.contains("normalisation = \"arcface\""),
        "{text}"
    );
}

/// The lit cell with another blue in its right half.
fn halves(side: u32, blue: [u8; 2]) -> RgbImage {
    let mut image = lit((1, 2), side, [230, 204, blue[0]]);
    for (x, _, pixel) in image.enumerate_pixels_mut() {
        if x >= side * 3 / 8 && pixel.0 != [0; 3] {
            pixel.0[2] = blue[1];
        }
    }
    image
}

/// The fixtures' joints lie in one place, so that the box decides: the lit cell of 128 px fills 102 of the
/// 112 px.
#[test]
fn a_face_is_embedded_as_the_square_around_its_box() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder, &Role::ALL);
    let seen = load(&path, Some("face_embedding")).measure(&png(halves(512, [0, 255]))).unwrap();
    let [embedded] = seen.face_embedding.as_deref().unwrap() else { panic!("{:?}", seen.face_embedding) };
    assert_eq!(embedded.face, 0);
    let square = RgbImage::from_fn(112, 112, |x, y| {
        let is_lit = |at: u32| (5..107).contains(&at);
        if is_lit(x) && is_lit(y) { Rgb([230, 204, if x < 56 { 0 } else { 255 }]) } else { Rgb([0; 3]) }
    });
    let registry = Registry::read(&path).unwrap();
    let one = SingleModel::load(&registry, registry.choose(Role::FaceEmbedding, None).unwrap(), &runtime())
        .unwrap();
    let ModelOutput::FaceEmbedding(Some(expected)) =
        one.detect(&decode(&png(square)).unwrap()).unwrap().value
    else {
        panic!("an embedding")
    };
    assert!(cosine(&embedded.embedding, &expected) > 0.999);
    let other = load(&path, Some("face_embedding")).measure(&png(halves(512, [255, 0]))).unwrap();
    assert!(
        cosine(&other.face_embedding.unwrap()[0].embedding, &expected) < 0.9,
        "a mirrored face is another one"
    );
}

#[test]
fn without_a_chosen_model_nothing_changes() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder, &Role::ALL);
    let (with, without) = (load(&path, Some("face_embedding")), load(&path, None));
    let bytes = png(lit((0, 1), 300, [230, 204, 0]));
    let (all, some) = (with.measure(&bytes).unwrap(), without.measure(&bytes).unwrap());
    assert_eq!(some, Measurements { face_embedding: None, ..all });
    assert!(!serde_json::to_string(&some).unwrap().contains("embedding"));
    assert_eq!(without.min_decode_size(), with.min_decode_size());
    for role in Role::REQUIRED {
        assert_eq!(without.cache_key(role), with.cache_key(role), "{role}");
    }
    assert_eq!(without.cache_key(Role::FaceEmbedding), None);
    assert!(with.cache_key(Role::FaceEmbedding).is_some());
}

/// Other joints cut another square.
#[test]
fn embeddings_are_stored_under_the_detectors_as_well() {
    let folder = TempDir::new().unwrap();
    let path = registry(&folder, &Role::ALL);
    let before = load(&path, Some("face_embedding"));
    let other = NewModel { name: "people".to_owned(), ..new("people_batch_of_one", Role::People) };
    detect::add(&path, &other, &runtime()).unwrap();
    let after = load(&path, Some("face_embedding"));
    assert_eq!(before.cache_key(Role::Faces), after.cache_key(Role::Faces));
    assert_ne!(before.cache_key(Role::FaceEmbedding), after.cache_key(Role::FaceEmbedding));
}

#[test]
fn embeddings_are_the_same_on_one_thread_and_on_many() {
    let folder = TempDir::new().unwrap();
    let detectors = load(&registry(&folder, &Role::ALL), Some("face_embedding"));
    let photos: Vec<(usize, Vec<u8>)> = (0..24)
        .map(|i| (i, png(lit((i as u32 % 4, i as u32 / 7), 100 + 31 * i as u32, [200, 180, 10 * i as u8]))))
        .collect();
    let measured = |threads: usize| -> Vec<Measurements> {
        let pool = rayon_pool(threads);
        let results = Mutex::new(Vec::new());
        pool.install(|| {
            detectors.measure_each(photos.iter().map(|(i, bytes)| (*i, bytes)), |i, measured| {
                results.lock().unwrap().push((i, measured.unwrap()));
            });
        });
        let mut results = results.into_inner().unwrap();
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, measured)| measured).collect()
    };
    let on_one = measured(1);
    assert!(on_one.iter().all(|measured| measured.face_embedding.as_ref().unwrap().len() == 1));
    assert_eq!(on_one, measured(5));
    let json = serde_json::to_string(&on_one).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Measurements>>(&json).unwrap(), on_one);
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

/// A photo of 2400 px is decoded at half its size; a face of 60 px in it needs every pixel, one of 600 px
/// does not.
#[test]
fn a_small_face_is_cut_from_a_larger_decode_and_only_then() {
    let folder = TempDir::new().unwrap();
    let detectors = load(&registry(&folder, &Role::ALL), Some("face_embedding"));
    let wave = |at: u32, px: f64| ((f64::from(at) / px).sin() * 100.0 + 128.0) as u8;
    let image = RgbImage::from_fn(2400, 1600, |x, y| Rgb([wave(x, 9.0), wave(y, 7.0), wave(x + y, 13.0)]));
    let mut jpeg = Vec::new();
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 95)).unwrap();
    let photo = decode_for(&jpeg, detectors.min_decode_size()).unwrap();
    assert_eq!(photo.image.width(), 1200);
    let embedded = |side: f32, photo: &curate::DecodedPhoto| {
        let bbox = BoundingBox { x0: 900.0, y0: 400.0, x1: 900.0 + side, y1: 400.0 + side };
        let person = Person { bbox, score: 0.9, joints: Joints::default() };
        let known = Measurements {
            faces: Some(vec![Detection { bbox, score: 0.9 }]),
            people: Some(vec![person]),
            ..Measurements::of(photo.facts.clone())
        };
        let mut asked = Vec::new();
        let mut larger = |need: MinDecodeSize| {
            asked.push(need.longer_px);
            decode_for(&jpeg, need).ok()
        };
        let measured = detectors.complete(photo, known, &ModelSchedule::All, &mut larger).unwrap();
        (measured.face_embedding.unwrap().remove(0).embedding, asked)
    };
    let whole = decode(&jpeg).unwrap();
    let (small, asked) = embedded(60.0, &photo);
    assert_eq!(asked, [4073], "2400 px · 112 / (1.1 · 60): more than there are");
    assert_eq!((small, Vec::new()), embedded(60.0, &whole));
    let (large, asked) = embedded(600.0, &photo);
    assert!(asked.is_empty(), "{asked:?}");
    assert!(cosine(&large, &embedded(600.0, &whole).0) > 0.99);
}
