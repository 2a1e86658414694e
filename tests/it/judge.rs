//! Judging through the program: copies across identities, thresholds of single sites, what a threshold would change.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use crate::support::{Workplace, json_lines, text};
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use serde_json::Value;
use synth::{Collection, CollectionSpec};

/// Good photos of a collection's people, decoded.
fn good_photos(count: usize) -> Vec<RgbImage> {
    let collection = Collection::new(CollectionSpec { seed: 31, identities: 2, photos_per_identity: 10 });
    let photos = collection.identities.iter().flat_map(|person| &person.photos);
    let good = photos.filter(|photo| photo.plant.is_none()).take(count);
    good.map(|photo| curate::decode(&photo.bytes()).expect("a good photo").image).collect()
}

fn save(image: &RgbImage, path: &Path) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
    let mut bytes = Cursor::new(Vec::new());
    image.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85)).expect("a photo can be saved");
    fs::write(path, bytes.into_inner()).expect("a photo can be written");
}

/// Two people with two photos each; the second one has a mirrored copy of the first one's first photo.
fn two_people() -> Workplace {
    let place = Workplace::demo(1, 1, 1);
    let photos = place.path().join("photos");
    let good = good_photos(3);
    save(&good[0], &photos.join("ada/1.jpg"));
    save(&good[1], &photos.join("ada/2.jpg"));
    save(&imageops::flip_horizontal(&good[0]), &photos.join("bea/1.jpg"));
    save(&good[2], &photos.join("bea/2.jpg"));
    place.import_instead("mine", &photos);
    place.succeed(&["import", &photos.display().to_string(), "--name", "mine"]);
    place.succeed(&["measure"]);
    place
}

fn explained(place: &Workplace, file: &str) -> Value {
    json_lines(&place.succeed(&["--json", "explain", &format!("file:{file}")])).remove(0)
}

fn current_reasons(explained: &Value) -> Vec<String> {
    let verdicts = explained["verdicts"].as_array().expect("verdicts");
    let current = verdicts.iter().find(|verdict| verdict["current"] == true).expect("the recipe's verdict");
    let dropped = current["verdict"]["drop"].as_array();
    dropped.into_iter().flatten().filter_map(|reason| Some(reason["reason"].as_str()?.to_owned())).collect()
}

#[test]
fn a_mirrored_copy_under_another_identity_drops_from_both_and_explain_shows_the_group() {
    let place = two_people();
    place.succeed(&["judge"]);
    for (file, other) in [("ada/1.jpg", "bea"), ("bea/1.jpg", "ada")] {
        let shown = explained(&place, file);
        assert_eq!(current_reasons(&shown), ["two_identities"], "{file}");
        let copies = shown["copies"].as_array().expect("copies");
        assert_eq!(copies.len(), 2);
        assert!(copies.iter().any(|copy| copy["slug"] == other));
        assert!(copies.iter().any(|copy| copy["mirrored"] == true));
    }
    assert_eq!(current_reasons(&explained(&place, "ada/2.jpg")), Vec::<String>::new());

    let both = ["--set", "rules.duplicates.across_identities=ignore"];
    place.succeed(&[&["judge"], &both[..]].concat());
    let shown = text(&place.succeed(&[&["judge", "--dry-run"], &both[..]].concat()).stdout);
    assert!(shown.contains("Nothing would change"), "{shown}");
    let refused = place.run(&["judge", "--set", "rules.duplicates.across_identities=both"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("keep_best"), "{}", text(&refused.stderr));
}

#[test]
fn a_dry_run_says_what_a_threshold_would_change_and_changes_nothing() {
    let place = two_people();
    place.succeed(&["judge"]);
    let strict = ["--set", "rules.min_side=5000"];
    let lines = json_lines(&place.succeed(&[&["--json", "judge", "--dry-run"], &strict[..]].concat()));
    let of = |kind: &str| lines.iter().filter(|line| line["change"] == kind).cloned().collect::<Vec<_>>();
    assert_eq!((&of("totals")[0]["kept_before"], &of("totals")[0]["to_dropped"]), (&2.into(), &2.into()));
    let small = of("reason").into_iter().find(|line| line["reason"] == "too_small").expect("the reason");
    assert_eq!((&small["before"], &small["after"]), (&0.into(), &4.into()));
    assert_eq!(of("identity").len(), 2);
    let moved = of("photo");
    assert_eq!(moved.len(), 2);
    assert!(moved.iter().all(|photo| photo["before"] == "keep"), "{moved:?}");
    let shown = text(&place.succeed(&[&["judge", "--dry-run"], &strict[..]].concat()).stdout);
    assert!(shown.contains("kept → dropped: 2") && shown.contains("too_small"), "{shown}");
    assert_eq!(current_reasons(&explained(&place, "ada/2.jpg")), Vec::<String>::new());
}

#[test]
fn a_site_of_the_recipe_has_its_own_thresholds_and_unknown_ones_are_named() {
    let place = two_people();
    let kept = json_lines(&place.succeed(&[
        "--json",
        "judge",
        "--set",
        "rules.min_side=5000",
        "--set",
        "rules.site.mine.min_side=100",
    ]));
    assert_eq!(kept.last().expect("a total")["kept"], 2);
    let refused = place.run(&["judge", "--set", "rules.site.mine.min_sides=100"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("did you mean `min_side`"), "{}", text(&refused.stderr));
    let refused = place.run(&["judge", "--set", "rules.site.yours.min_side=100"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).contains("rules.site.yours"), "{}", text(&refused.stderr));
}
