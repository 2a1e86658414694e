//! What is said of a dataset's making and use, in the terms of Croissant RAI 1.0
//! (<http://mlcommons.org/croissant/RAI/1.0>): only what follows from the snapshot, or holds for each.

use serde_json::{Value, json};

use crate::manifest::{Counts, ModelRef, SnapshotSpec};
use crate::pages::composition::{Composition, Source};

/// The properties by their names.
pub(super) fn properties(spec: &SnapshotSpec, counts: &Counts, composition: &Composition) -> Value {
    let sources = &composition.sources;
    json!({
        "rai:dataCollection": collection(sources),
        "rai:dataCollectionType": collection_types(sources),
        "rai:dataCollectionMissingData": missing(counts),
        "rai:dataCollectionRawData":
            "Photos with the address of each, its page and its caption where the source has them. Their files are not \
             part of the snapshot; `sha256` names their bytes.",
        "rai:dataPreprocessingProtocol": [
            format!(
                "Photos are decoded, turned upright and converted to sRGB, and become squares of {0}×{0} px; \
                 `affine` leads from one to the other. A second tensor is weighted by Gaussians around the \
                 visible joints.",
                spec.size_px
            ),
            "Photos are kept or dropped by the thresholds in manifest.json; dropped.parquet has every reason. \
             Copies and near-duplicates are dropped but for one.",
            "People are put on the sides train, validation and test by the hash of their name, so that nobody \
             is on two. Of the photos in train, those marked `held_out` are held out of training."
        ],
        "rai:dataAnnotationProtocol": protocol(composition),
        "rai:annotationsPerItem": annotations(spec),
        "rai:machineAnnotationTools": spec.models.iter().map(tool).collect::<Vec<_>>(),
        "rai:personalSensitiveInformation": [
            "Photos of people who can be recognised, grouped by person, with names or slugs as their sources \
             show them, and the addresses of the photos.",
            "What photos show without being labelled: gender, age, skin, body, health, place."
        ],
        "rai:dataBiases": [
            "People and photos are those that the sources show and the rules keep: they stand for no population.",
            "Rules that ask for one face and one person leave out groups, backs and hidden faces; models find \
             some people and some bodies better than others, and what they miss is dropped.",
            people(composition),
        ],
        "rai:dataLimitations": [
            "Joints, boxes and scores are as good as the models that are named here.",
            "Photos of one session stay together: a held-out photo can look much like a training one. Models are to be \
             judged on people of the test side.",
            "Whether all photos under a name show one person was checked only where `similarity` is a column."
        ],
        "rai:dataUseCases": [
            "Training and judging models of how a person's body looks.",
            "Not for finding out who somebody is, for watching people, or for pictures of them that they would \
             not want."
        ],
        "rai:dataSocialImpact":
            "Who is shown did not necessarily agree to be in a dataset. Their rights hold for whatever is made of it.",
        "rai:dataReleaseMaintenancePlan":
            "A snapshot never changes: its id is the digest of its manifest. Where somebody asks to be erased it is \
             withdrawn (`bolid erase`), and a new one gets a new id.",
    })
}

fn collection(sources: &[Source]) -> String {
    let sources: Vec<String> = sources.iter().map(describe_source).collect();
    format!(
        "Collected by bolid from: {}. Sites are read within robots.txt, opt-outs and a pace per host. When \
         each photo was fetched stands in fetches.parquet.",
        if sources.is_empty() { "nothing".to_owned() } else { sources.join("; ") }
    )
}

fn describe_source(source: &Source) -> String {
    let Source { name, identities, kept, hosts, .. } = source;
    let from = match hosts.len() {
        0 => "local files".to_owned(),
        1..=5 => hosts.join(", "),
        many => format!("{many} hosts"),
    };
    format!("{name} ({from}; {kept} photos of {identities} people kept)")
}

/// Values that the specification recommends.
fn collection_types(sources: &[Source]) -> Vec<&'static str> {
    let has = |is_web: bool| sources.iter().any(|source| source.hosts.is_empty() != is_web);
    let types = [(has(true), "Web Scraping"), (has(false), "Secondary Data analysis")];
    types.into_iter().filter(|(is, _)| *is).map(|(_, name)| name).collect()
}

fn missing(counts: &Counts) -> String {
    let reasons: Vec<String> =
        counts.reasons.iter().map(|(reason, photos)| format!("{reason}: {photos}")).collect();
    format!(
        "{} photos were dropped{}. A score is null where the photo was dropped before it was measured; a joint with \
         confidence 0 is not visible.",
        counts.dropped,
        if reasons.is_empty() { String::new() } else { format!(" ({})", reasons.join(", ")) }
    )
}

/// Decisions stand in the recipe.
fn annotations(spec: &SnapshotSpec) -> String {
    match spec.recipe["decisions"].as_array().map_or(0, Vec::len) {
        0 => "No photo was labelled by a person.".to_owned(),
        decided => format!("{decided} photos were kept or dropped by hand; no other label is a person's."),
    }
}

fn protocol(composition: &Composition) -> String {
    let joints = "The 17 joints (COCO's order), boxes and scores are what models said; no person looked at each \
                  photo. Photos are under the name under which their source shows them.";
    match &composition.captions {
        Some(captions) => format!("{joints} {}", captions.in_words()),
        None => joints.to_owned(),
    }
}

fn tool(ModelRef { role, name, sha256 }: &ModelRef) -> String {
    format!("{role}: {name} (SHA-256 {sha256})")
}

fn people(composition: &Composition) -> String {
    let Composition { photos_per_person, bodies, .. } = composition;
    let most = photos_per_person.iter().copied().fold(0.0, f64::max);
    format!(
        "Some people have more photos than others, {most:.0} at most. {} photos show the body from shoulders \
         to ankles, {} shoulders and hips, {} less.",
        bodies.whole, bodies.upper, bodies.part
    )
}
