//! What was read off pictures and photos, kept in files so that an experiment goes on where it was stopped.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use photo::Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use train::report::Picture;
use train::whole_file::write_whole;

use crate::evaluate::readings::BodyReading;

/// The pictures of one person in one arm.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PictureRecord {
    /// The digest of all that decides the rest.
    pub made_of: Digest,
    /// The body in them.
    pub seen: BodyReading,
    /// Mean cosine with their prompts.
    pub clip_t: Option<f64>,
    /// Mean cosine with the person's other photos.
    pub clip_i: Option<f64>,
    /// Mean cosine of their grounds with the reference's.
    pub background_leak: Option<f64>,
}

/// The photos of one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhotoRecord {
    /// The digest of all that decides the rest.
    pub made_of: Digest,
    /// The body in those that c_body is made of.
    pub given: BodyReading,
    /// The body in the others.
    pub held_out: BodyReading,
    /// CLIP's embeddings of the others.
    pub embeddings: Vec<Vec<f32>>,
    /// CLIP's embedding of the reference with the person painted over.
    pub ground: Vec<f32>,
}

/// A record that says what it was made of.
pub trait Record: Serialize + DeserializeOwned {
    /// The digest of all that decides the rest.
    fn made_of(&self) -> Digest;
}

impl Record for PictureRecord {
    fn made_of(&self) -> Digest {
        self.made_of
    }
}

impl Record for PhotoRecord {
    fn made_of(&self) -> Digest {
        self.made_of
    }
}

/// The folder of an experiment's records.
pub struct Records {
    folder: PathBuf,
}

impl Records {
    /// Those in `folder`, which is made where it is not there.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| format!("make the folder {}", folder.display()))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// The record called `name`, where it is there and made of the same.
    pub fn read<R: Record>(&self, name: &str, made_of: Digest) -> Result<Option<R>> {
        let path = self.path(name);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.with_context(|| format!("read {}", path.display()))?,
        };
        // One of another program or plan, which will be written anew.
        let record: Option<R> = serde_json::from_str(&text).ok();
        Ok(record.filter(|record| record.made_of() == made_of))
    }

    /// Writes a record, the picture beside it first: whoever finds the record finds the picture.
    pub fn write(&self, name: &str, record: &impl Record, shown: Option<&Picture>) -> Result<()> {
        if let Some(picture) = shown {
            write_whole(&self.picture(name), &picture.png())?;
        }
        Ok(write_whole(&self.path(name), &serde_json::to_vec(record)?)?)
    }

    /// The picture beside a record.
    pub fn picture(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.png"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_comes_back_as_it_was_and_only_where_it_is_made_of_the_same() {
        let folder = tempfile::tempdir().expect("a folder");
        let records = Records::open(folder.path()).expect("a folder");
        let record = PictureRecord {
            made_of: Digest::of("this"),
            seen: BodyReading { count: 4, limbs: [Some(0.1 + 0.2); 7], ..BodyReading::default() },
            clip_t: Some(1.0 / 3.0),
            clip_i: None,
            background_leak: Some(0.7),
        };
        assert_eq!(records.read::<PictureRecord>("body/a", Digest::of("this")).expect("none"), None);
        records.write("body/a", &record, Some(&Picture::from_rgb(vec![9; 12], 2, 2, ""))).expect("a file");
        assert_eq!(records.read("body/a", Digest::of("this")).expect("it"), Some(record));
        assert_eq!(records.read::<PictureRecord>("body/a", Digest::of("that")).expect("none"), None);
        assert!(records.picture("body/a").is_file());
        fs::write(folder.path().join("body/a.json"), "{\"made_of\": ").expect("a file");
        assert_eq!(records.read::<PictureRecord>("body/a", Digest::of("this")).expect("none"), None);
    }
}
