//! The committed corpus of the fuzz target (`fuzz/README.md`): what it holds a server's bytes to holds for all of it.

#[path = "../../../fuzz/properties/caption.rs"]
mod caption_properties;
#[path = "../../../fuzz/properties/corpus.rs"]
mod files;

#[test]
fn whatever_a_server_answers_is_a_clean_line_or_none() {
    files::replay("caption", caption_properties::check);
}
