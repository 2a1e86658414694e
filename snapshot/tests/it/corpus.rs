//! The committed corpus of the fuzz targets (`fuzz/README.md`): what they hold strangers' bytes to holds for all of it,
//! and what they once failed on stays mended.

#[path = "../../../fuzz/properties/corpus.rs"]
mod files;
#[path = "../../../fuzz/properties/manifest.rs"]
mod manifest;
#[path = "../../../fuzz/properties/parquet.rs"]
mod parquet;
#[path = "../../../fuzz/properties/scratch.rs"]
mod scratch;

use self::files::replay;

#[test]
fn a_manifest_is_written_as_it_was_read() {
    replay("manifest", manifest::check);
}

#[test]
fn parquet_files_of_others_give_their_columns_or_are_named() {
    replay("parquet", parquet::check);
}
