//! The committed corpus of the fuzz targets (`fuzz/README.md`): what they hold strangers' bytes to holds for all of it,
//! and what they once failed on stays mended.

#[path = "../../../fuzz/properties/configuration.rs"]
mod configuration;
#[path = "../../../fuzz/properties/corpus.rs"]
mod files;
#[path = "../../../fuzz/properties/safetensors.rs"]
mod safetensors;
#[path = "../../../fuzz/properties/scratch.rs"]
mod scratch;
#[path = "../../../fuzz/properties/tokenizer.rs"]
mod tokenizer;

use self::files::replay;

#[test]
fn tensors_lie_within_their_file_and_have_their_shape() {
    replay("safetensors", safetensors::check);
}

#[test]
fn configurations_ask_for_what_can_be_had() {
    replay("configuration", configuration::check);
}

#[test]
fn tokenizers_give_as_many_tokens_as_they_say() {
    replay("tokenizer", tokenizer::check);
}
