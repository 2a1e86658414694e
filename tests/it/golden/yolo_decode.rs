//! Heads to boxes and joints, against Ultralytics' `non_max_suppression`, `scale_boxes` and `scale_coords`.

use curate::detect::letterbox::Letterbox;
use curate::detect::nms::{self, NmsSettings, RawDetection};
use curate::model::BOX_CHANNELS;
use photo::{BoundingBox, Joints};

use super::case::{Case, Tolerance, list, number};

#[test]
fn people_and_their_joints_are_those_of_the_reference() {
    check("yolo_pose_decode");
}

#[test]
fn faces_are_those_of_the_reference() {
    check("yolo_face_decode");
}

fn check(name: &str) {
    let case = Case::open(name);
    let head = case.input("head");
    let channels = head.shape[1];
    let nms_settings = NmsSettings {
        min_score: case.call_numbers("conf_thres=")[0] as f32,
        max_iou: case.call_numbers("iou_thres=")[0] as f32,
        max_detections: 300, // Ultralytics' `max_det`, which the call leaves as it is
    };
    let found = nms::decode(&head.values, channels, &nms_settings);
    let anchors: Vec<f32> = found.iter().map(|found| found.anchor as f32).collect();
    assert_eq!(anchors, case.output("anchors").values, "{name}: anchors");
    assert_eq!(found.len() as f64, number(&case.info["detections"]), "{name}");

    let tolerance = &case.info["tolerance"];
    let scores: Vec<f32> = found.iter().map(|found| found.score).collect();
    Tolerance::read(&tolerance["scores"]).check("scores", &scores, &case.output("scores").values);
    let in_letterbox = Tolerance::read(&tolerance["letterbox"]);
    let boxes: Vec<f32> = found.iter().flat_map(|found| corners(&found.bbox)).collect();
    in_letterbox.check("boxes_letterbox", &boxes, &case.output("boxes_letterbox").values);
    let has_joints = channels > BOX_CHANNELS;
    if has_joints {
        let joints: Vec<f32> = found.iter().flat_map(|found| values(&joints_of(found))).collect();
        in_letterbox.check("keypoints_letterbox", &joints, &case.output("keypoints_letterbox").values);
    }

    let [height, width] = case.call_numbers("scale_boxes((")[..] else {
        panic!("the call names the input's size")
    };
    let sizes = case.info["original_sizes_wh"].as_array().expect("`original_sizes_wh` is a list");
    for (index, size) in sizes.iter().enumerate() {
        let size = list(size);
        let (w, h) = (size[0] as u32, size[1] as u32);
        let letterbox = Letterbox::new((w, h), (width as u32, height as u32));
        let key = if index + 1 == sizes.len() { "last size" } else { "pixels" };
        let in_photo = Tolerance { atol: number(&tolerance["original"][key]), rtol: 0.0 };
        let boxes: Vec<f32> =
            found.iter().flat_map(|found| corners(&letterbox.box_to_photo(&found.bbox))).collect();
        let what = format!("boxes.{w}x{h}");
        in_photo.check(&what, &boxes, &case.output(&what).values);
        if has_joints {
            let joints: Vec<f32> = found
                .iter()
                .flat_map(|found| values(&letterbox.joints_to_photo(&joints_of(found))))
                .collect();
            let what = format!("keypoints.{w}x{h}");
            in_photo.check(&what, &joints, &case.output(&what).values);
        }
    }

    // "With every confidence multiplied by 0.2 there is no detection."
    let anchors = head.values.len() / channels;
    let mut weak = head.values.clone();
    weak[4 * anchors..5 * anchors].iter_mut().for_each(|score| *score *= 0.2);
    assert_eq!(nms::decode(&weak, channels, &nms_settings), []);
}

fn corners(b: &BoundingBox) -> [f32; 4] {
    [b.x0, b.y0, b.x1, b.y1]
}

fn joints_of(found: &RawDetection) -> Joints {
    found.joints.expect("a pose head has joints")
}

fn values(joints: &Joints) -> Vec<f32> {
    joints.0.iter().flat_map(|&joint| <[f32; 3]>::from(joint)).collect()
}
