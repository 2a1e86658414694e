//! The card of a snapshot: README.md, its drawings, the citation; splits and held-out photos; the inventory.

use std::fs;

use crate::common::{identities, rows, spec, write};
use photo::{Split, Splits};
use snapshot::{Snapshot, WriteError, Writer, describe, list};

#[test]
fn the_card_tells_what_is_there_and_refers_to_drawings_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let mut spec = spec();
    spec.recipe["licences"] = serde_json::json!({ "demo": "CC|BY <4.0>" });
    let path = write(dir.path(), spec, identities(), 1).path;
    let card = fs::read_to_string(path.join("README.md")).unwrap();
    for expected in [
        "9 photos of 3 people are kept, 8 photos are dropped.",
        "| photos per person | 1 | 3 | 5 |",
        "| shorter side in px | 1200 | 1200 | 1200 |",
        "| face | 0.900 | 0.900 | 0.900 |",
        "A face is found in 100 % of the 9 photos",
        "| demo | 3 | 9 | 8 | gallery.test | CC\\|BY &lt;4.0> |",
        "| `too_small` | 4 |",
        "bolid dataset --locked",
        "citation.bib",
    ] {
        assert!(card.contains(expected), "{expected} is missing in\n{card}");
    }
    let pictures: Vec<&str> = card
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|path| path.ends_with(".svg"))
        .collect();
    assert_eq!(pictures.len(), 5);
    for picture in pictures {
        let svg = fs::read_to_string(path.join(picture)).unwrap();
        assert!(
            svg.starts_with("<svg xmlns=") && svg.ends_with("</svg>\n") && !svg.contains("NaN"),
            "{picture}"
        );
    }
    assert!(card.lines().all(|line| line.len() <= 160), "lines that nobody can read in a terminal");
}

#[test]
fn a_card_without_licence_scores_or_photos_says_so_and_draws_nothing_empty() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), spec(), vec![], 1).path;
    assert!(!path.join("plots").exists());
    let card = fs::read_to_string(path.join("README.md")).unwrap();
    assert!(card.contains("Faces were not looked for.") && !card.contains("NaN"), "{card}");
    let with_photos = write(dir.path(), spec(), vec![rows("demo/anna", 1)], 1).path;
    assert!(fs::read_to_string(with_photos.join("README.md")).unwrap().contains("| not stated |"));
}

#[test]
fn the_citation_names_the_id_and_the_year_without_being_part_of_the_id() {
    let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // 2026-11-29 and 2031-03-01, in Unix milliseconds
    let written = [1_795_984_231_581, 1_930_089_600_000].into_iter().zip(&dirs);
    let [early, late] = written
        .map(|(at, dir)| write(dir.path(), spec(), identities(), at))
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!(early.id, late.id);
    for (snapshot, year) in [(early, "2026"), (late, "2031")] {
        let citation = fs::read_to_string(snapshot.path.join("citation.bib")).unwrap();
        assert!(citation.contains(&format!("@misc{{demo-{},", snapshot.id)), "{citation}");
        assert!(citation.contains(&format!("year    = {{{year}}}")), "{citation}");
    }
}

#[test]
fn with_three_people_no_split_is_empty_and_photos_of_train_are_held_out() {
    let dir = tempfile::tempdir().unwrap();
    let people = ["demo/anna", "demo/berta", "demo/carl"].map(|name| rows(name, 8)).into();
    let snapshot = Snapshot::open(&write(dir.path(), spec(), people, 1).path).unwrap();
    for (name, side) in &snapshot.manifest().counts.splits {
        assert_eq!((side.identities, side.photos), (1, 8), "{name}");
    }
    let held: Vec<_> = snapshot.photos().iter().filter(|photo| photo.held_out).collect();
    assert!((1..=2).contains(&held.len()), "{}", held.len());
    assert!(held.iter().all(|photo| photo.split == Split::Train));
}

#[test]
fn the_recipe_says_how_people_are_divided() {
    let dir = tempfile::tempdir().unwrap();
    let divided = |validation: f64, test: f64| {
        let mut spec = spec();
        spec.recipe["splits"] = serde_json::json!(Splits { validation, test });
        let people = (0..20).map(|i| rows(&format!("demo/person-{i}"), 1)).collect();
        let counts = write(dir.path(), spec, people, 1).counts;
        ["train", "validation", "test"].map(|side| counts.splits[side].identities)
    };
    assert_eq!(divided(0.0, 0.0), [20, 0, 0]);
    let [train, validation, test] = divided(0.45, 0.45);
    assert!(train < 8 && validation > 4 && test > 4, "{train} {validation} {test}");

    let mut wrong = spec();
    wrong.recipe["splits"] = serde_json::json!({ "validation": 10 });
    let error = Writer::create(dir.path(), wrong).unwrap_err();
    assert!(matches!(&error, WriteError::Splits(why) if why.contains("splits.validation = 10")), "{error}");
}

#[test]
fn the_inventory_tells_dates_sizes_and_whose_tensors_are_shared() {
    let dir = tempfile::tempdir().unwrap();
    let older = write(dir.path(), spec(), vec![rows("demo/anna", 2), rows("demo/berta", 1)], 1_000);
    let mut other = spec();
    other.name = "other".into();
    let newer = write(dir.path(), other, vec![rows("demo/anna", 2), rows("demo/carl", 1)], 2_000);
    fs::write(newer.path.join("mine.txt"), [0; 1000]).unwrap();

    let described = describe(&list(dir.path()).unwrap()).unwrap();
    let of = |id: &str| described.iter().find(|found| found.snapshot.id == id).unwrap();
    assert_eq!((of(&older.id).created_at_ms, of(&older.id).shares.len()), (Some(1_000), 0));
    let [shared] = &of(&newer.id).shares[..] else { panic!("{:?}", of(&newer.id).shares) };
    assert_eq!((&shared.id, shared.people, shared.is_same_inputs), (&older.id, 1, false));
    let verified = snapshot::verify(&newer.path).unwrap();
    let lists: u64 = ["manifest.json", "build.json"]
        .map(|file| fs::metadata(newer.path.join(file)).unwrap().len())
        .into_iter()
        .sum();
    assert_eq!(of(&newer.id).bytes, verified.bytes + lists + 1000);
}
