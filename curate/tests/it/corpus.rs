//! The committed corpus of the fuzz targets (`fuzz/README.md`): what they hold strangers' bytes to holds for all of it,
//! and what they once failed on stays mended.

#[path = "../../../fuzz/properties/decoding.rs"]
mod decoding;
#[path = "../../../fuzz/properties/corpus.rs"]
mod files;
#[path = "../../../fuzz/properties/onnx.rs"]
mod onnx;

use self::files::replay;

#[test]
fn a_photo_has_the_size_that_its_header_says() {
    replay("photo", decoding::check);
}

#[test]
fn a_detector_is_split_into_models_or_left_whole() {
    replay("onnx", onnx::check);
}
