//! ONNX files, as far as they are read here: detectors are split where their head is one that is known.

use curate::model::split_parts;

pub fn check(bytes: &[u8]) {
    for joints in [17, 0] {
        let Some(parts) = split_parts(bytes, joints) else { continue };
        assert!(parts.len() >= 2, "a backbone and branches");
        for part in &parts {
            // A part is a model again; whether it has a head itself does not matter.
            split_parts(part, joints);
            assert!(part.len() <= 2 * bytes.len() + 1000, "{} bytes of {}", part.len(), bytes.len());
        }
        assert_eq!(split_parts(bytes, joints), Some(parts), "the same again");
    }
}
