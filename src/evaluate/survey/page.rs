//! The page, and the key that says what was asked.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use photo::Digest;
use serde::{Deserialize, Serialize};
use train::report::Picture;

use super::question::{Compared, Question, Side};

/// The page's file.
pub const PAGE_FILE: &str = "survey.html";
/// The key's file. Raters do not get it.
pub const KEY_FILE: &str = "survey-key.json";
/// Hex digits of a survey's id: enough that answers of two surveys are told apart.
const ID_DIGITS: usize = 12;

/// What was asked, and where the expected answer stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// The survey's id, which every answer names.
    pub survey: String,
    /// The adapter, as it was named.
    pub adapter: String,
    /// The questions by their number on the page, from 1 on.
    pub questions: Vec<KeyQuestion>,
}

/// A question of the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyQuestion {
    /// Whom it is about.
    pub person: String,
    /// What it compares.
    #[serde(flatten)]
    pub compared: Compared,
    /// The alternative with the person's body in it.
    pub expected: Side,
}

/// What the page is told of a question: pictures only.
#[derive(Serialize)]
struct Shown {
    photo: String,
    alternatives: [String; 2],
}

impl Key {
    /// The key of `questions`; its id follows from what is asked and shown.
    pub fn new(adapter: &str, questions: &[Question]) -> Result<Self> {
        let asked = |question: &Question| KeyQuestion {
            person: question.person.clone(),
            compared: question.compared.clone(),
            expected: question.expected,
        };
        let asked: Vec<KeyQuestion> = questions.iter().map(asked).collect();
        let mut seen = serde_json::to_vec(&asked)?;
        for question in questions {
            seen.extend(&question.photo.rgb);
            question.alternatives.iter().for_each(|picture| seen.extend(&picture.rgb));
        }
        let mut survey = Digest::of(&seen).to_string();
        survey.truncate(ID_DIGITS);
        Ok(Self { survey, adapter: adapter.to_owned(), questions: asked })
    }

    /// Reads a key.
    ///
    /// # Errors
    /// Where the file is missing or no key.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("read the survey's key {}", path.display());
        let text = fs::read_to_string(path).with_context(doing)?;
        serde_json::from_str(&text).with_context(doing)
    }
}

/// Writes page and key into `folder`. The key of another survey, which may be out with raters, is never lost.
pub fn write(folder: &Path, key: &Key, questions: &[Question]) -> Result<()> {
    let doing = || format!("write the survey into {}", folder.display());
    fs::create_dir_all(folder).with_context(doing)?;
    let file = folder.join(KEY_FILE);
    if file.exists() {
        let there = Key::read(&file)?;
        if there.survey != key.survey {
            bail!(
                "{} is the key of another survey ({}), whose answers are nothing without it: name another folder with \
                 --out, or remove it",
                file.display(),
                there.survey
            );
        }
    }
    let text = serde_json::to_string_pretty(key)?;
    fs::write(file, text + "\n").with_context(doing)?;
    fs::write(folder.join(PAGE_FILE), html(key, questions)?).with_context(doing)
}

/// The page in one piece. It names neither people nor conditions.
fn html(key: &Key, questions: &[Question]) -> Result<String> {
    let shown = |question: &Question| Shown {
        photo: question.photo.data_uri(),
        alternatives: question.alternatives.each_ref().map(Picture::data_uri),
    };
    let shown: Vec<Shown> = questions.iter().map(shown).collect();
    // Digits and data URIs only: nothing that could end the script.
    Ok(include_str!("survey.html")
        .replace("SURVEY_ID", &key.survey)
        .replace("SURVEY_QUESTIONS", &serde_json::to_string(&shown)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(shade: u8) -> Question {
        let picture = |shade| Picture::from_rgb(vec![shade; 12], 2, 2, "");
        Question {
            person: "Ada Lovelace".to_owned(),
            compared: Compared::Pair { with: "both 0.7 + 1".to_owned(), without: "ref 0.7".to_owned() },
            photo: picture(9),
            alternatives: [picture(shade), picture(200)],
            expected: Side::A,
        }
    }

    #[test]
    fn the_page_gives_nothing_away_and_the_key_knows_all() {
        let questions = [question(10), question(90)];
        let key = Key::new("mine", &questions).expect("a key");
        let page = html(&key, &questions).expect("a page");
        for hidden in ["Ada", "both 0.7", "ref 0.7", "expected", "SURVEY_"] {
            assert!(!page.contains(hidden), "{hidden}");
        }
        assert!(page.contains(&key.survey) && page.matches("data:image/jpeg").count() == 6);
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), &key, &questions).expect("written");
        assert_eq!(Key::read(&folder.path().join(KEY_FILE)).expect("the key"), key);
        write(folder.path(), &key, &questions).expect("the same again");
        let others = &questions[..1];
        let other = Key::new("mine", others).expect("a key");
        let error = write(folder.path(), &other, others).unwrap_err().to_string();
        assert!(error.contains("another survey") && error.contains("--out"), "{error}");
        assert_eq!(Key::read(&folder.path().join(KEY_FILE)).expect("the key"), key);
    }

    #[test]
    fn another_picture_makes_another_survey() {
        let id = |shade| Key::new("mine", &[question(shade)]).expect("a key").survey;
        assert_eq!((id(10), id(10).len()), (id(10), ID_DIGITS));
        assert_ne!(id(10), id(11));
    }
}
