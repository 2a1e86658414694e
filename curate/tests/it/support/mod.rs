//! What tests that run models share: ONNX Runtime, the tiny files of `fixtures/make_models.py`, and photos
//! they see something in.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use curate::detect::NewModel;
use curate::model::tensor::Normalisation;
use curate::{Role, Runtime};
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

pub fn runtime() -> Runtime {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache/onnxruntime/libonnxruntime.so");
    Runtime::load(&library).unwrap_or_else(|error| panic!("these tests run models: {error}"))
}

pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.onnx"))
}

/// A fixture, to be registered under its own name. All but the one of embeddings see pixels in 0..1.
pub fn new(name: &str, role: Role) -> NewModel {
    let normalisation = (role != Role::FaceEmbedding).then_some(Normalisation::Unit);
    NewModel { normalisation, ..NewModel::new(name, role, fixture(name)) }
}

/// Black but for one cell (column, row) of 4×4, of `side` px: the detectors see a face by its red, and a
/// person there.
pub fn lit(cell: (u32, u32), side: u32, colour: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        if (x * 4 / side, y * 4 / side) == cell { Rgb(colour) } else { Rgb([0; 3]) }
    })
}

pub fn png(image: RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}
