//! Figures over sets of pictures and of poses, against pytorch-fid, torch-fidelity and numpy, in f64.

use photo::{Joint, Joints};
use serde_json::Value;
use train::evaluation::frechet::{by_covariances, by_cross_gram};
use train::evaluation::kernel::squared_mmd;
use train::evaluation::{
    Features, Subsets, WhichJoints, frechet_distance, inception_score, kernel_distance, pck, squared_distance,
};

use super::case::{Case, Tensor, Tolerance, list, number};

const CASE: &str = "metrics";

fn features(tensor: &Tensor) -> Features {
    Features::new(tensor.shape[1], &tensor.values).expect("finite features")
}

/// The expected results of one kind, by what follows `kind.` in their names.
fn expected<'a>(case: &'a Case, kind: &'a str) -> Vec<(&'a str, &'a Value)> {
    let all = case.info["expected"].as_object().expect("`expected` is an object");
    let found: Vec<_> = all
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(kind)?.strip_prefix('.')?, value)))
        .collect();
    assert!(!found.is_empty(), "no results of `{kind}`");
    found
}

/// In f64, which the tolerances are given for.
#[track_caller]
fn check(case: &Case, tolerance: &str, what: &str, found: f64, expected: f64) {
    let Tolerance { atol, rtol } = Tolerance::read(&case.info["tolerance"][tolerance]);
    let off = (found - expected).abs();
    assert!(
        off <= atol + rtol * expected.abs(),
        "{what}: {found}, expected {expected} ± {atol} ± {rtol} of it"
    );
}

/// The two sets that a result is of, such as `a_low_rank`.
fn sets(case: &Case, name: &str) -> [Features; 2] {
    let names: Vec<&str> = case.input_names().filter_map(|input| input.strip_prefix("features_")).collect();
    let pairs = names.iter().flat_map(|&first| names.iter().map(move |&second| (first, second)));
    let of = pairs.into_iter().find(|(first, second)| format!("{first}_{second}") == name);
    let (first, second) = of.unwrap_or_else(|| panic!("`{name}` names no two of the sets {names:?}"));
    [first, second].map(|set| features(case.input(&format!("features_{set}"))))
}

#[test]
fn frechet_distances_are_those_of_both_references() {
    let case = Case::open(CASE);
    for (name, of_references) in expected(&case, "fid") {
        let tolerance = if name.contains("low_rank") { "fid low rank" } else { "fid" };
        let [a, b] = sets(&case, name);
        for reference in of_references.as_object().expect("a result for each reference").values() {
            for distance in [frechet_distance, by_covariances, by_cross_gram] {
                check(&case, tolerance, name, distance(&a, &b).expect("a distance"), number(reference));
            }
        }
    }
}

#[test]
fn kernel_distances_are_those_of_the_reference() {
    let case = Case::open(CASE);
    for (name, reference) in expected(&case, "kid") {
        let [a, b] = sets(&case, name);
        check(&case, "kid", name, squared_mmd(&a, &b).expect("a distance"), number(reference));
        // the call: one subset with all rows
        let subsets = Subsets { count: 1, size: a.rows(), seed: 0 };
        let of_subset = kernel_distance(&a, &b, subsets).expect("a distance");
        check(&case, "kid", name, of_subset.mean, number(reference));
    }
}

#[test]
fn inception_scores_are_those_of_the_reference() {
    let case = Case::open(CASE);
    let logits = features(case.input("logits"));
    for (name, reference) in expected(&case, "is") {
        let splits =
            name.strip_prefix("splits_").and_then(|splits| splits.parse().ok()).expect("a number of splits");
        let score = inception_score(&logits, splits).expect("a score");
        check(&case, "is", name, score.mean, number(&reference["mean"]));
        check(&case, "is", name, score.deviation, number(&reference["std"]));
    }
}

/// The people of the reference and of the generated pictures.
fn people(case: &Case) -> Vec<(Joints, Joints)> {
    let read = |name: &str| -> Vec<Joints> {
        let keypoints = case.input(name);
        let joints = Joints::default().0.len();
        assert_eq!(keypoints.shape[1..], [joints, 3]);
        let person = |values: &[f32]| {
            let mut person = Joints::default();
            for (joint, values) in person.0.iter_mut().zip(values.as_chunks::<3>().0) {
                *joint = Joint::from(*values);
            }
            person
        };
        keypoints.values.chunks_exact(3 * joints).map(person).collect()
    };
    read("keypoints_ref").into_iter().zip(read("keypoints_gen")).collect()
}

#[test]
fn distances_of_poses_are_those_of_the_reference() {
    let case = Case::open(CASE);
    for (name, reference) in expected(&case, "l_id") {
        let counted = match name {
            "all_17" => WhichJoints::All,
            "visible_in_both" => WhichJoints::VisibleInBoth,
            "invisible_zeroed" => WhichJoints::InvisibleAtOrigin,
            other => panic!("L_id of `{other}`"),
        };
        for ((of, generated), reference) in people(&case).iter().zip(list(reference)) {
            let found = squared_distance(generated, of, counted).expect("finite joints");
            check(&case, "l_id", name, found, reference);
        }
    }
}

#[test]
fn shares_of_right_joints_are_those_of_the_reference() {
    let case = Case::open(CASE);
    for (name, reference) in expected(&case, "pck") {
        let share = name.parse().expect("a share of the box");
        for ((of, generated), reference) in people(&case).iter().zip(list(reference)) {
            let found = pck(generated, of, share).expect("finite joints").expect("joints visible in both");
            check(&case, "pck", name, found, reference);
        }
    }
}
