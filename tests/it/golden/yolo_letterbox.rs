//! Letterboxing, against Ultralytics' `LetterBox` on OpenCV.

use curate::detect::letterbox::Letterbox;

use super::case::{Case, check_levels, levels, list, number};

#[test]
fn ratio_size_and_bars_are_those_of_the_reference() {
    let case = Case::open("yolo_letterbox");
    let side = case.call_numbers("LetterBox(")[0] as u32;
    let atol = number(&case.info["tolerance"]["ratio"]["atol"]);
    for (name, info) in case.images() {
        let size = list(&info["size_wh"]);
        let letterbox = Letterbox::new((size[0] as u32, size[1] as u32), (side, side));
        assert!((letterbox.ratio - number(&info["ratio"])).abs() <= atol, "{name}: {letterbox:?}");
        let resized = list(&info["resized_wh"]);
        assert_eq!(
            (f64::from(letterbox.resized.0), f64::from(letterbox.resized.1)),
            (resized[0], resized[1]),
            "{name}"
        );
        let bars = [
            ("left", letterbox.left),
            ("top", letterbox.top),
            ("right", letterbox.right),
            ("bottom", letterbox.bottom),
        ];
        for (bar, found) in bars {
            assert_eq!(f64::from(found), number(&info["pad"][bar]), "{name}: {bar}");
        }
    }
}

#[test]
fn pixels_are_those_of_the_reference_within_its_tolerance() {
    let case = Case::open("yolo_letterbox");
    let side = case.call_numbers("LetterBox(")[0] as u32;
    let tolerance = &case.info["tolerance"]["pixels"];
    let places: Vec<[f32; 2]> = case.input("pixels_xy").values.as_chunks().0.to_vec();
    for (name, info) in case.images() {
        let image = case.image(name);
        let whole = Letterbox::new(image.dimensions(), (side, side)).apply(&image);
        let found: Vec<f32> =
            places.iter().flat_map(|&[x, y]| levels(&whole.get_pixel(x as u32, y as u32).0)).collect();
        check_levels(name, &found, &case.output(&format!("{name}.at_pixels")).values, tolerance);
        for (channel, mean) in list(&info["mean"]).into_iter().enumerate() {
            let sum: f64 = whole.pixels().map(|pixel| f64::from(pixel.0[channel])).sum();
            let found = sum / f64::from(side * side);
            assert!(
                (found - mean).abs() <= number(&tolerance["mean_abs"]),
                "{name}: mean {found}, expected {mean}"
            );
        }
    }
    // `<name>.<side>` is a whole result
    let wholes = case.output_names().filter_map(|key| {
        let (name, side) = key.rsplit_once('.')?;
        Some((key, name, side.parse::<u32>().ok()?))
    });
    let mut compared = 0;
    for (key, name, side) in wholes {
        let image = case.image(name);
        let found = Letterbox::new(image.dimensions(), (side, side)).apply(&image);
        check_levels(key, &levels(&found), &case.output(key).values, tolerance);
        compared += 1;
    }
    assert!(compared >= case.images().count(), "every image has a whole result");
}
