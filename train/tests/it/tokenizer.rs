//! CLIP's tokenizer against transformers' `CLIPTokenizer` 5.23.0; `python/tokenizer_vectors.py` made the vectors.

use serde_json::Value;
use std::error::Error;
use std::path::{Path, PathBuf};
use train::diffusion::tokenizer::ClipTokenizer;

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer")
}

fn agrees(folder: &Path) -> Result<(), Box<dyn Error>> {
    let tokenizer = ClipTokenizer::read(folder)?;
    let rows: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(data().join("expected.json"))?)?;
    assert!(!rows.is_empty());
    for row in rows {
        let prompt = row["prompt"].as_str().ok_or("a prompt")?;
        let expected: Vec<u32> = serde_json::from_value(row["ids"].clone())?;
        assert_eq!(tokenizer.encode(prompt)?.ids, expected, "{prompt:?}");
    }
    Ok(())
}

#[test]
fn vocabulary_and_merges_give_the_ids_of_the_reference() -> Result<(), Box<dyn Error>> {
    agrees(&data())
}

#[test]
fn a_tokenizer_json_gives_the_ids_of_the_reference() -> Result<(), Box<dyn Error>> {
    agrees(&data().join("fast"))
}

#[test]
fn the_end_of_a_long_prompt_is_cut_and_shown() -> Result<(), Box<dyn Error>> {
    let tokenizer = ClipTokenizer::read(&data())?;
    let fits = tokenizer.encode(&"person ".repeat(75))?;
    assert_eq!((fits.ids.len(), fits.cut), (77, None));
    let long = tokenizer.encode(&format!("{}and the Photo", "person ".repeat(75)))?;
    assert_eq!(long.ids, fits.ids);
    assert_eq!(long.cut.as_deref(), Some("and the Photo"));
    Ok(())
}

#[test]
fn a_folder_without_tokenizer_files_is_refused_with_what_it_lacks() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let message = ClipTokenizer::read(folder.path()).err().ok_or("must fail")?.to_string();
    assert!(message.contains("tokenizer.json, vocab.json and merges.txt"), "{message}");
    Ok(())
}
