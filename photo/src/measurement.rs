//! What is stored of each measurement. This is the one place that knows its JSON: a catalog, a snapshot's
//! table and a file of exported measurements all hold these texts.
//!
//! | kind | of a photo that can be read | of another |
//! |---|---|---|
//! | `image` | `{"readable":{`[`ImageFacts`]`}}` | `{"unreadable":"why"}` |
//! | `watermark` | `{"regions":[["frame",0.01],…]}`, a [`WatermarkScore`] | `null` |
//! | `faces` | `[{"bbox":{…},"score":0.9},…]`, [`Detection`]s | `null` |
//! | `people` | `[{"bbox":{…},"score":0.9,"joints":[[x,y,confidence],…]},…]`, [`Person`]s | `null` |
//! | `face_embedding` | `[{"face":0,"embedding":"base64"},…]`, [`FaceEmbedding`]s | `null` |
//!
//! Where a model was not run, since what was known already drops the photo, `"not_measured"` stands in place
//! of a score.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize, Serializer};

use crate::{Detection, FaceEmbedding, ImageFacts, Person, WatermarkScore};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Decoding: format, size, sharpness, perceptual hash; or why it cannot be read.
    Image,
    /// The watermark model.
    Watermark,
    /// The face model.
    Faces,
    /// The pose model.
    People,
    /// The face embedding model.
    FaceEmbedding,
}

impl Kind {
    /// Everything that is measured.
    pub const ALL: [Self; 5] = [Self::Image, Self::Watermark, Self::Faces, Self::People, Self::FaceEmbedding];

    /// The kind of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Watermark => "watermark",
            Self::Faces => "faces",
            Self::People => "people",
            Self::FaceEmbedding => "face_embedding",
        }
    }
}

/// The corners of every box, in px.
pub const CORNERS: [&str; 4] = ["x0", "y0", "x1", "y1"];
/// A person's joints: lists of x and y in px, then a confidence.
pub const JOINTS: &str = "joints";
/// A photo's sharpness, the one number that is a variance of pixels.
pub const SHARPNESS: &str = "sharpness";

/// What the decoder said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decoded {
    /// The facts of its pixels.
    Readable(ImageFacts),
    /// Why there are none.
    Unreadable(String),
}

/// The stored text in place of a score where the model was not run: other rules may ask for it later.
pub const NOT_MEASURED: &str = "\"not_measured\"";

/// The stored text in place of a score where the photo cannot be read.
const UNREADABLE: &str = "null";

/// What a model said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer<T> {
    /// What it found.
    Measured(T),
    /// It was not run: what was known already drops the photo.
    NotMeasured,
    /// The photo cannot be read.
    Unreadable,
}

impl<T> Answer<T> {
    /// Of a photo that can be read: its score, where the model was run.
    pub fn of(score: Option<T>) -> Self {
        score.map_or(Self::NotMeasured, Self::Measured)
    }

    /// The score, where there is one.
    pub fn score(self) -> Option<T> {
        match self {
            Self::Measured(score) => Some(score),
            Self::NotMeasured | Self::Unreadable => None,
        }
    }
}

impl<T: DeserializeOwned> Answer<T> {
    /// Two answers are whole texts. That is seen before anything is parsed: serde's `untagged` would
    /// first copy every value to find out which it is.
    fn read(text: &str) -> serde_json::Result<Self> {
        Ok(match text.trim_ascii_end() {
            NOT_MEASURED => Self::NotMeasured,
            UNREADABLE => Self::Unreadable,
            score => Self::Measured(serde_json::from_str(score)?),
        })
    }
}

impl<T: Serialize> Serialize for Answer<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Measured(score) => score.serialize(serializer),
            Self::NotMeasured => serializer.serialize_str("not_measured"),
            Self::Unreadable => serializer.serialize_unit(),
        }
    }
}

/// One measurement, as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Measurement {
    /// Of [`Kind::Image`].
    Image(Decoded),
    /// Of [`Kind::Watermark`].
    Watermark(Answer<WatermarkScore>),
    /// Of [`Kind::Faces`], by falling score, in photo px.
    Faces(Answer<Vec<Detection>>),
    /// Of [`Kind::People`], by falling score, in photo px.
    People(Answer<Vec<Person>>),
    /// Of [`Kind::FaceEmbedding`].
    FaceEmbedding(Answer<Vec<FaceEmbedding>>),
}

impl Measurement {
    /// Reads what is stored of a kind.
    ///
    /// # Errors
    /// Where the text is not what that kind stores.
    pub fn read(kind: Kind, text: &str) -> serde_json::Result<Self> {
        Ok(match kind {
            Kind::Image => Self::Image(serde_json::from_str(text)?),
            Kind::Watermark => Self::Watermark(Answer::read(text)?),
            Kind::Faces => Self::Faces(Answer::read(text)?),
            Kind::People => Self::People(Answer::read(text)?),
            Kind::FaceEmbedding => Self::FaceEmbedding(Answer::read(text)?),
        })
    }

    /// The text that is stored: JSON on one line, f32 with as few digits as tell it from others.
    ///
    /// # Panics
    /// Never: all of these have a JSON form.
    pub fn text(&self) -> String {
        serde_json::to_string(self).expect("measurements have a JSON form")
    }

    /// What it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Image(_) => Kind::Image,
            Self::Watermark(_) => Kind::Watermark,
            Self::Faces(_) => Kind::Faces,
            Self::People(_) => Kind::People,
            Self::FaceEmbedding(_) => Kind::FaceEmbedding,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Embedding;
    use crate::embedding::DIMENSIONS;

    /// As the catalog of the demo gallery holds them.
    const STORED: [(Kind, &str); 12] = [
        (
            Kind::Image,
            concat!(
                r#"{"readable":{"format":"jpeg","width":1103,"height":1423,"orientation":1,"#,
                r#""file_bytes":135317,"sharpness":44.0,"brightness":0.3491,"#,
                r#""perceptual_hash":"8695d2090af33f05","inner_hash":"c685d2090af3bf05","#,
                r#""thumbnail":"PEKfPkWm"}}"#,
            ),
        ),
        (
            Kind::Image,
            concat!(
                r#"{"readable":{"format":"png","width":1,"height":2,"orientation":8,"#,
                r#""file_bytes":70,"sharpness":0.1,"brightness":1.0,"#,
                r#""perceptual_hash":"0000000000000000","inner_hash":"ffffffffffffffff","#,
                r#""colours":{"converted":"Display P3"},"lacks_end":true}}"#,
            ),
        ),
        (Kind::Image, r#"{"unreadable":"jpeg is truncated: the end-of-image marker is missing"}"#),
        (
            Kind::Watermark,
            concat!(
                r#"{"regions":[["frame",0.9989],["top_left",1.0],["top",0.0002],["top_right","#,
                r#"0.0024],["left",0.0003],["centre",0.0003],["right",0.0004],["bottom_left","#,
                r#"0.0001],["bottom",0.0025],["bottom_right",0.0008]]}"#,
            ),
        ),
        (Kind::Watermark, r#""not_measured""#),
        (Kind::Faces, r#"[{"bbox":{"x0":347.92,"y0":137.86,"x1":445.3,"y1":259.9},"score":0.872}]"#),
        (Kind::Faces, "[]"),
        (Kind::Faces, r#""not_measured""#),
        (
            Kind::People,
            concat!(
                r#"[{"bbox":{"x0":159.76,"y0":217.88,"x1":692.51,"y1":1088.83},"score":0.7865,"#,
                r#""joints":[[286.43,310.38,0.9654],[310.35,292.29,0.9582],[277.46,292.79,0.954],"#,
                r#"[349.59,290.69,0.5439],[263.5,296.26,0.5872],[394.21,386.5,0.9823],[228.55,"#,
                r#"405.27,0.9705],[526.7,435.71,0.9333],[197.0,538.14,0.846],[620.89,418.57,"#,
                r#"0.9468],[163.6,629.9,0.8357],[363.42,630.0,0.8137],[253.61,639.1,0.859],"#,
                r#"[375.92,830.75,0.9164],[271.4,826.23,0.931],[374.75,1019.95,0.9335],[273.93,"#,
                r#"1019.61,0.918]]}]"#,
            ),
        ),
        (Kind::People, "null"),
        (Kind::FaceEmbedding, "[]"),
        (Kind::FaceEmbedding, r#""not_measured""#),
    ];

    #[test]
    fn what_is_stored_of_each_kind_is_written_again_byte_for_byte() {
        let direction: Vec<f32> = (0..DIMENSIONS).map(|at| (at as f32).sin()).collect();
        let faces = vec![FaceEmbedding { face: 1, embedding: Embedding::of(&direction).unwrap() }];
        let base64 = String::from(faces[0].embedding.clone());
        let of_face = format!(r#"[{{"face":1,"embedding":"{base64}"}}]"#);
        let read = Measurement::read(Kind::FaceEmbedding, &of_face).unwrap();
        assert_eq!(read, Measurement::FaceEmbedding(Answer::Measured(faces)));
        for (kind, text) in STORED.into_iter().chain([(Kind::FaceEmbedding, of_face.as_str())]) {
            let read = Measurement::read(kind, text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((read.kind(), read.text().as_str()), (kind, text));
        }
    }

    #[test]
    fn a_score_that_was_not_measured_is_told_from_a_photo_that_cannot_be_read_and_from_nothing_found() {
        for kind in Kind::ALL.into_iter().filter(|kind| *kind != Kind::Image) {
            let [not_measured, unreadable] =
                [NOT_MEASURED, "null"].map(|text| Measurement::read(kind, text).unwrap());
            assert_ne!(not_measured, unreadable);
            assert_eq!((not_measured.text().as_str(), unreadable.text().as_str()), (NOT_MEASURED, "null"));
        }
        let nothing = Measurement::read(Kind::Faces, "[]").unwrap();
        assert_eq!(nothing, Measurement::Faces(Answer::Measured(Vec::new())));
    }

    #[test]
    fn what_another_kind_stores_is_refused() {
        for (kind, text) in [
            (Kind::Image, "null"),
            (Kind::Image, "\"not_measured\""),
            (Kind::Image, "{\"readable\":{\"format\":\"jpeg\"}}"),
            (Kind::Watermark, "[]"),
            (Kind::Faces, "{\"regions\":[]}"),
            (Kind::People, "[{\"bbox\":{\"x0\":1,\"y0\":1,\"x1\":2,\"y1\":2},\"score\":0.5}]"),
            (Kind::FaceEmbedding, "[{\"face\":0,\"embedding\":\"AAAA\"}]"),
            (Kind::Faces, "\"not measured\""),
        ] {
            assert!(Measurement::read(kind, text).is_err(), "{text} as {}", kind.name());
        }
    }

    #[test]
    fn the_keys_that_are_named_are_those_that_are_stored() {
        let [image, faces, people] = [0, 5, 8].map(|at| {
            let (kind, text) = STORED[at];
            serde_json::to_value(Measurement::read(kind, text).unwrap()).unwrap()
        });
        assert!(image["readable"][SHARPNESS].is_number(), "{image}");
        assert_eq!(people[0][JOINTS][0].as_array().map(Vec::len), Some(3), "{people}");
        for bbox in [&faces[0]["bbox"], &people[0]["bbox"]] {
            assert_eq!(bbox.as_object().map(serde_json::Map::len), Some(CORNERS.len()), "{bbox}");
            assert!(CORNERS.iter().all(|corner| bbox[corner].is_number()), "{bbox}");
        }
    }

    #[test]
    fn kinds_are_known_by_their_names() {
        for kind in Kind::ALL {
            assert_eq!(Kind::of_name(kind.name()), Some(kind));
        }
        assert_eq!(Kind::of_name("mood"), None);
    }
}
