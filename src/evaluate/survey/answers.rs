//! The files that raters bring back.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::page::Key;
use super::question::Side;

/// One answer, a row of a rater's file.
#[derive(Debug, Deserialize)]
struct Row {
    survey: String,
    rater: String,
    question: usize,
    answer: Side,
}

/// What every rater answered, by the question's place in the key. Where somebody answered twice, the last
/// answer counts.
#[derive(Debug, Default, PartialEq)]
pub struct Answers(pub BTreeMap<String, BTreeMap<usize, Side>>);

impl Answers {
    /// Adds a rater's file.
    ///
    /// # Errors
    /// Where the file cannot be read, or a row is none of this survey's; names the line.
    pub fn read(&mut self, path: &Path, key: &Key) -> Result<()> {
        let file =
            std::fs::File::open(path).with_context(|| format!("read the answers {}", path.display()))?;
        self.read_from(file, key).with_context(|| format!("read the answers {}", path.display()))
    }

    fn read_from(&mut self, file: impl std::io::Read, key: &Key) -> Result<()> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(file);
        let head = reader.headers().context("line 1: expected survey,rater,question,answer")?.clone();
        let mut of_file: BTreeMap<String, BTreeMap<usize, Side>> = BTreeMap::new();
        for record in reader.records() {
            let record = record.context("a row is no CSV")?;
            let line = record.position().map_or(0, csv::Position::line);
            let row: Row = record.deserialize(Some(&head)).with_context(|| {
                format!("line {line}: expected survey,rater,question,answer with an answer of a or b")
            })?;
            if row.survey != key.survey {
                bail!(
                    "line {line}: an answer to survey {:?}, the key is of {}: give the key of that survey with \
                     --survey-key",
                    row.survey,
                    key.survey
                );
            }
            let Some(question) = row.question.checked_sub(1).filter(|at| *at < key.questions.len()) else {
                bail!("line {line}: question {} of a survey of {}", row.question, key.questions.len());
            };
            let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            if row.rater.is_empty() || !row.rater.bytes().all(is_letter) {
                bail!("line {line}: the rater {:?}: a name has letters, digits, - and _", row.rater);
            }
            if self.0.contains_key(&row.rater) {
                bail!("line {line}: rater {} is in an earlier file already: give each file once", row.rater);
            }
            of_file.entry(row.rater).or_default().insert(question, row.answer);
        }
        self.0.extend(of_file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::survey::page::KeyQuestion;
    use crate::evaluate::survey::question::Compared;

    fn key() -> Key {
        let question = KeyQuestion { person: "p".to_owned(), compared: Compared::Check, expected: Side::A };
        Key { survey: "abc".to_owned(), adapter: "mine".to_owned(), questions: vec![question; 2] }
    }

    fn read(text: &str) -> Result<Answers> {
        let mut answers = Answers::default();
        answers.read_from(text.as_bytes(), &key())?;
        Ok(answers)
    }

    #[test]
    fn the_last_answer_of_a_rater_counts() {
        let text = "survey,rater,question,answer,seconds\nabc,r1,1,a,2.0\nabc,r1,2,b,1.5\r\nabc, r1 ,1,b,3\n";
        let answers = read(text).expect("answers");
        assert_eq!(answers.0["r1"], BTreeMap::from([(0, Side::B), (1, Side::B)]));
    }

    #[test]
    fn rows_that_are_none_are_refused_with_their_line() {
        let head = "survey,rater,question,answer\n";
        for (row, named) in [
            ("other,r,1,a", "line 2: an answer to survey \"other\""),
            ("abc,r,3,a", "line 2: question 3 of a survey of 2"),
            ("abc,r,0,a", "line 2: question 0"),
            ("abc,r,1,c", "line 2: expected"),
            ("abc,,1,a", "line 2: the rater"),
            ("abc,\u{1b}[2J,1,a", "line 2: the rater"),
        ] {
            let error = format!("{:#}", read(&format!("{head}{row}\n")).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
        assert!(read("question,answer\n1,a\n").is_err());
        let mut answers = read(&format!("{head}abc,r,1,a\n")).expect("answers");
        let error = answers.read_from(format!("{head}abc,r,1,b\n").as_bytes(), &key()).unwrap_err();
        assert!(error.to_string().contains("earlier file"), "{error}");
    }
}
