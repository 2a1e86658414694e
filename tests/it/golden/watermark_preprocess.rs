//! The watermark classifier's input and output, against torchvision on Pillow.

use curate::detect::watermark::{resized, softmax};
use curate::model::tensor::Normalisation;

use super::case::{Case, Tolerance, check_levels, levels, list};

#[test]
fn resized_images_and_tensors_are_those_of_the_reference() {
    let case = Case::open("watermark_preprocess");
    let [height, width] = case.call_numbers("Resize((")[..] else { panic!("the call names the size") };
    let mut tensors = 0;
    for (name, size) in case.images() {
        let image = case.image(name);
        assert_eq!(list(size), [f64::from(image.width()), f64::from(image.height())], "{name}");
        let small = resized(&image, width as u32, height as u32);
        let expected = case.output(&format!("{name}.resized"));
        check_levels(name, &levels(&small), &expected.values, &case.info["tolerance"]["resized"]);
        let tensor = format!("{name}.tensor");
        if case.output_names().any(|output| output == tensor) {
            let mut found = Vec::new();
            Normalisation::Imagenet.append(&small, &mut found);
            check_levels(&tensor, &found, &case.output(&tensor).values, &case.info["tolerance"]["tensor"]);
            tensors += 1;
        }
    }
    assert!(tensors > 0, "the case holds at least one tensor");
}

#[test]
fn probabilities_are_those_of_the_reference() {
    let case = Case::open("watermark_preprocess");
    let found: Vec<f32> =
        case.input("logits").values.as_chunks::<2>().0.iter().flat_map(|&logits| softmax(logits)).collect();
    let tolerance = Tolerance::read(&case.info["tolerance"]["softmax"]);
    tolerance.check("softmax", &found, &case.output("softmax").values);
}
