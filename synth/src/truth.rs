//! What is known exactly of a photo, in pixels of the upright photo.

use photo::joints::MIRRORED;
use photo::{BoundingBox, Joint, Joints};
use serde::{Deserialize, Serialize};

use crate::body::Body;

/// One person in the photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PersonTruth {
    /// The tight box of the visible pixels.
    pub bbox: BoundingBox,
    /// The tight box of the face, from brow to chin; `None` where the face cannot be seen.
    pub face: Option<BoundingBox>,
    /// The joints; confidence 1 where visible, 0 where hidden or out of the frame.
    pub joints: Joints,
    /// Visible pixels.
    pub area_px: f32,
    /// The body.
    pub body: Body,
    /// The clothes in words.
    pub clothes: String,
}

/// Everything known of a photo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Truth {
    /// Pixels across.
    pub width: u32,
    /// Pixels down.
    pub height: u32,
    /// Everyone with at least one visible pixel.
    pub people: Vec<PersonTruth>,
    /// A sentence that describes the photo.
    pub caption: String,
    /// The kind of watermark (`tiled`, `corner`, `centre`, `logo`), if there is one.
    pub watermark: Option<String>,
}

impl Truth {
    /// The truth of the same photo after its pixels moved to `x' = scale·x + dx`, `y' = scale·y + dy` in a frame of
    /// `width` × `height`.
    pub fn moved(&self, scale: f32, dx: f32, dy: f32, width: u32, height: u32) -> Self {
        let bbox = |b: BoundingBox| move_box(b, scale, dx, dy).clipped(width as f32, height as f32);
        let joint =
            |j: Joint| Joint { x: (j.x + 0.5) * scale + dx - 0.5, y: (j.y + 0.5) * scale + dy - 0.5, ..j };
        let people = self.people.iter().map(|person| PersonTruth {
            bbox: bbox(person.bbox),
            face: person.face.map(bbox),
            joints: Joints(person.joints.0.map(joint)),
            area_px: person.area_px * scale * scale,
            body: person.body.clone(),
            clothes: person.clothes.clone(),
        });
        Self { width, height, people: people.collect(), ..self.clone() }
    }

    /// The truth of the photo with left and right exchanged; what was a left joint now looks like a right one.
    pub fn mirrored(&self) -> Self {
        let width = self.width as f32;
        let bbox = |b: BoundingBox| BoundingBox { x0: width - b.x1, x1: width - b.x0, ..b };
        let mut truth = self.clone();
        for person in &mut truth.people {
            person.bbox = bbox(person.bbox);
            person.face = person.face.map(bbox);
            let before = person.joints.0;
            person.joints = Joints(MIRRORED.map(|i| Joint { x: width - 1.0 - before[i].x, ..before[i] }));
        }
        truth
    }
}

fn move_box(b: BoundingBox, scale: f32, dx: f32, dy: f32) -> BoundingBox {
    BoundingBox { x0: b.x0 * scale + dx, y0: b.y0 * scale + dy, x1: b.x1 * scale + dx, y1: b.y1 * scale + dy }
}

/// A sentence for a photo of these people.
pub fn caption(people: &[(Body, String)]) -> String {
    match people {
        [] => "a photo without people".to_owned(),
        _ => {
            let each: Vec<String> = people
                .iter()
                .map(|(body, clothes)| format!("a {} wearing {clothes}", body.words()))
                .collect();
            format!("a photo of {}", each.join(", and "))
        }
    }
}
