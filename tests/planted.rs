//! Curation against the truth of the demo gallery: what was planted is dropped for the right reason, what is good stays.

mod support;

use std::collections::BTreeMap;
use std::fs;

use support::{Workplace, json_lines};
use synth::collection::{Collection, CollectionSpec};
use synth::gallery::{Gallery, Place};

/// The site's own address, as its profile has it; stored URLs begin with it whatever the port.
const BASE: &str = "http://127.0.0.1:8765";

/// Shares required of any seed: 95 % of the planted rejects, at most 5 % of the good photos.
const FOUND: f64 = 0.95;
const LOST: f64 = 0.05;

#[test]
fn planted_rejects_are_dropped_for_the_right_reason_and_good_photos_stay() {
    let (seed, identities, photos) = (20_261, 4, 24);
    let place = Workplace::demo(seed, identities, photos);
    // Every model is asked: a photo that one of them drops has to have the reason that was planted as well.
    let recipe = fs::read_to_string(place.recipe()).unwrap();
    fs::write(place.recipe(), recipe + "\n[measure]\nall = true\n").unwrap();
    place.snapshot_id(&[]);
    let gallery =
        Gallery::new(Collection::new(CollectionSpec { seed, identities, photos_per_identity: photos }));

    let mut planted: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let (mut good, mut lost) = (0, Vec::new());
    let places = (0..identities).flat_map(|identity| (0..photos).map(move |photo| Place { identity, photo }));
    for of in places {
        let url = format!("{BASE}{}", gallery.photo_path(of));
        let explained = json_lines(&place.succeed(&["--json", "explain", &url]));
        assert_eq!(explained.len(), 1, "{url}");
        let reasons = reasons(&explained[0]);
        match gallery.collection().identities[of.identity].photos[of.photo].expected_reason() {
            Some(expected) => {
                let (found, all) = planted.entry(expected).or_default();
                *found += usize::from(reasons.iter().any(|reason| reason == expected));
                *all += 1;
            }
            None => {
                good += 1;
                if !reasons.is_empty() {
                    lost.push((url, reasons));
                }
            }
        }
    }
    let found: usize = planted.values().map(|(found, _)| found).sum();
    let all: usize = planted.values().map(|(_, all)| all).sum();
    println!("planted found: {found} of {all} {planted:?}; good lost: {} of {good} {lost:?}", lost.len());
    assert!(
        all >= 20 && good >= 40,
        "a gallery of {} photos must plant enough to judge by",
        identities * photos
    );
    assert!(found as f64 >= FOUND * all as f64, "{found} of {all}: {planted:?}");
    assert!(lost.len() as f64 <= LOST * good as f64, "{lost:?}");
}

fn reasons(explained: &serde_json::Value) -> Vec<String> {
    let current =
        explained["verdicts"].as_array().into_iter().flatten().find(|verdict| verdict["current"] == true);
    let Some(verdict) = current else { return vec!["no verdict".to_owned()] };
    let dropped = verdict["verdict"]["drop"].as_array();
    dropped.into_iter().flatten().filter_map(|reason| Some(reason["reason"].as_str()?.to_owned())).collect()
}
