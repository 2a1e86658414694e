//! The map at the head of each crate names all of its modules.

use std::fs;
use std::path::Path;

const HEADS: [&str; 9] = [
    "src/main.rs",
    "photo/src/lib.rs",
    "catalog/src/lib.rs",
    "crawler/src/lib.rs",
    "curate/src/lib.rs",
    "caption/src/lib.rs",
    "snapshot/src/lib.rs",
    "train/src/lib.rs",
    "synth/src/lib.rs",
];

#[test]
fn the_map_of_each_crate_names_its_modules() {
    for head in HEADS {
        let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(head)).unwrap();
        let named: String = text.lines().filter(|line| line.starts_with("//! |")).collect();
        let modules = text.lines().filter_map(|line| {
            let (before, name) = line.strip_suffix(';')?.rsplit_once("mod ")?;
            matches!(before, "" | "pub " | "pub(crate) ").then_some(name)
        });
        let modules: Vec<&str> = modules.collect();
        assert!(modules.len() > 2, "{head}: {modules:?}");
        let lacks: Vec<_> = modules.iter().filter(|name| !named.contains(&format!("`{name}`"))).collect();
        assert!(lacks.is_empty(), "the map in {head} lacks {lacks:?}");
    }
}
