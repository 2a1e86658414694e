//! The axes of a sheet: `lambda-body=0,0.25,0.5`.

use super::error::RequestError;

/// What changes along an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Prompt(String),
    Body(String),
    LambdaBody(f64),
    LambdaRef(f64),
    Guidance(f64),
    Steps(usize),
    Seed(u64),
}

/// One axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    pub name: String,
    pub values: Vec<Value>,
    words: Vec<String>,
}

impl Axis {
    /// Reads `NAME=VALUE,VALUE…`; prompts are parted by `|`, since they have commas.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let wrong = |reason: String| RequestError::Axis { text: text.to_owned(), reason };
        let (name, list) = text.split_once('=').ok_or_else(|| {
            wrong("an axis is NAME=VALUE,VALUE…, such as lambda-body=0,0.25,0.5".to_owned())
        })?;
        let parted = if name == "prompt" { '|' } else { ',' };
        let words: Vec<String> = list.split(parted).map(|word| word.trim().to_owned()).collect();
        let values = words.iter().map(|word| value(name, word).map_err(wrong)).collect::<Result<_, _>>()?;
        Ok(Self { name: name.to_owned(), values, words })
    }

    /// `lambda-body 0, 0.5, 1`
    pub fn legend(&self) -> String {
        format!("{} {}", self.name, self.words.join(if self.name == "prompt" { " | " } else { ", " }))
    }
}

/// The value of the axis `name` that a word means, or why it is none.
fn value(name: &str, word: &str) -> Result<Value, String> {
    let bad = || format!("`{word}` is no value of {name}");
    let float = || word.parse::<f64>().map_err(|_| bad());
    Ok(match name {
        _ if word.is_empty() => return Err(bad()),
        "prompt" => Value::Prompt(word.to_owned()),
        "body" => Value::Body(word.to_owned()),
        "lambda-body" => Value::LambdaBody(float()?),
        "lambda-ref" => Value::LambdaRef(float()?),
        "guidance" => Value::Guidance(float()?),
        "steps" => Value::Steps(word.parse().map_err(|_| bad())?),
        "seed" => Value::Seed(word.parse().map_err(|_| bad())?),
        _ => {
            let known = "lambda-body, lambda-ref, guidance, steps, seed, body, prompt";
            return Err(format!("there is no axis `{name}`; there are {known}"));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_has_values_of_its_kind_and_others_are_refused_by_name() {
        let axis = Axis::parse("lambda-body=0, 0.5,1").unwrap();
        assert_eq!(axis.values, [0.0, 0.5, 1.0].map(Value::LambdaBody));
        assert_eq!(axis.legend(), "lambda-body 0, 0.5, 1");
        let prompts = Axis::parse("prompt=a man, tall|a woman").unwrap();
        assert_eq!(prompts.values.len(), 2);
        for (text, said) in [
            ("lambda-body", "an axis is NAME=VALUE"),
            ("lambda-body=0,", "`` is no value of lambda-body"),
            ("steps=2.5", "`2.5` is no value of steps"),
            ("colour=red", "no axis `colour`; there are lambda-body"),
        ] {
            let message = Axis::parse(text).unwrap_err().to_string();
            assert!(message.contains(said), "{message}");
        }
    }
}
