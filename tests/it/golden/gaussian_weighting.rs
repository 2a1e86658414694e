//! Equations 11–13 of the paper, against numpy in float64.

use curate::prepare::gaussian::{GaussianWeights, NoVisibleJoint};
use photo::{Joint, Joints};
use serde_json::Value;

use super::case::{Case, Tensor, Tolerance, list, number, text};

fn joints(keypoints: &Tensor) -> Joints {
    let mut joints = Joints::default();
    assert_eq!(keypoints.shape, [joints.0.len(), 3]);
    for (joint, values) in joints.0.iter_mut().zip(keypoints.values.as_chunks::<3>().0) {
        *joint = Joint::from(*values);
    }
    joints
}

/// `[height, width, 3]` to `[3, height, width]`.
fn planes(interleaved: &[f32]) -> Vec<f32> {
    (0..3).flat_map(|channel| interleaved.iter().skip(channel).step_by(3).copied()).collect()
}

/// The tolerance under whose key the set is named, otherwise the default.
fn tolerance(info: &Value, set: &str) -> Tolerance {
    let all = info["tolerance"].as_object().expect("`tolerance` is an object");
    let named = all.iter().find(|(key, _)| key.split(", ").any(|name| name == set));
    Tolerance::read(named.map_or(&all["default"], |(_, value)| value))
}

#[test]
fn every_set_is_weighted_or_rejected_as_the_reference_says() {
    let case = Case::open("gaussian_weighting");
    let image = case.input("image");
    let (height, width) = (image.shape[0], image.shape[1]);
    for set in case.info["sets"].as_array().expect("`sets` is a list") {
        let name = text(&set["name"]);
        let joints = joints(case.input(&format!("{name}.keypoints")));
        let weights = GaussianWeights::new(&joints, width, height, number(&set["sigma"]));
        if text(&set["expected"]).starts_with("rejected") {
            assert_eq!(weights.unwrap_err(), NoVisibleJoint, "{name}");
            continue;
        }
        let weights = weights.unwrap_or_else(|error| panic!("{name}: {error}"));
        let tolerance = tolerance(&case.info, name);
        let expected = case.output(&format!("{name}.w_norm"));
        assert_eq!(expected.shape, [height, width]);
        tolerance.check(name, &weights.weight_map(), &expected.values);
        let weighted = weights.apply(&planes(&image.values), number(&set["alpha"]) as f32);
        tolerance.check(name, &weighted, &planes(&case.output(&format!("{name}.weighted")).values));
    }
}

#[test]
fn a_large_frame_has_the_weights_and_means_of_the_reference() {
    let case = Case::open("gaussian_weighting");
    let large = &case.info["large"];
    let [width, height] = list(&large["size"])[..] else { panic!("`large.size` has two numbers") };
    let (width, height) = (width as usize, height as usize);
    let alpha = number(&large["alpha"]) as f32;
    assert_eq!(text(&large["image"]), "I(x, y, ch) = ((3*x + 5*y + 7*ch) mod 256) / 255");
    let levels: Vec<u8> = (0..3 * height * width)
        .map(|i| ((3 * (i % width) + 5 * (i / width % height) + 7 * (i / (width * height))) % 256) as u8)
        .collect();
    let image: Vec<f32> = levels.iter().map(|&level| f32::from(level) / 255.0).collect();

    let joints = joints(case.input("large.keypoints"));
    let weights =
        GaussianWeights::new(&joints, width, height, number(&large["sigma"])).expect("visible joints");
    let map = weights.weight_map();
    let weighted = weights.apply(&image, alpha);
    let places: Vec<usize> = case
        .input("large.pixels_xy")
        .values
        .as_chunks::<2>()
        .0
        .iter()
        .map(|&[x, y]| y as usize * width + x as usize)
        .collect();
    let at = |plane: &[f32]| -> Vec<f32> { places.iter().map(|&place| plane[place]).collect() };
    let tolerance = tolerance(&case.info, "large");
    tolerance.check("w_norm", &at(&map), &case.output("large.w_norm_at_pixels").values);
    let expected = planes(&case.output("large.weighted_at_pixels").values);
    let found: Vec<f32> = weighted.chunks_exact(width * height).flat_map(at).collect();
    tolerance.check("weighted", &found, &expected);

    let mean =
        |values: &[f32]| (values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64) as f32;
    tolerance.check("mean of w_norm", &[mean(&map)], &[number(&large["mean_w_norm"]) as f32]);
    let means: Vec<f32> = weighted.chunks_exact(width * height).map(mean).collect();
    let expected_means: Vec<f32> = list(&large["mean_weighted"]).iter().map(|&value| value as f32).collect();
    tolerance.check("means of weighted", &means, &expected_means);

    // Bytes are the same image, rounded.
    let bytes = weights.apply(&levels, alpha);
    let found: Vec<f32> = bytes
        .chunks_exact(width * height)
        .flat_map(|plane| places.iter().map(|&place| f32::from(plane[place])).collect::<Vec<_>>())
        .collect();
    let expected: Vec<f32> = expected.iter().map(|value| value * 255.0).collect();
    Tolerance { atol: 0.5 + 1e-3, rtol: 0.0 }.check("bytes", &found, &expected);
}
