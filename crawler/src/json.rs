//! JSON parsed within limits, for the same reason as [`html`](crate::html).

use photo::FailureClass;
use serde_json::Value;

use crate::sniff::Refusal;

/// An object of a single field takes some 700 bytes: 70 MB at worst. A page of a thousand photos with a hundred fields
/// each is below it.
const MAX_VALUES: usize = 200_000;

/// As deep as `serde_json` reads.
const MAX_DEPTH: usize = 127;

/// Parses an answer.
///
/// # Errors
/// `too_large` where it exceeds the limits, `no_link` where it is no JSON.
pub(crate) fn parse(text: &str) -> Result<Value, Refusal> {
    let (values, depth) = measure(text);
    if values > MAX_VALUES {
        let detail = format!("the answer has {values} values, more than {MAX_VALUES}");
        return Err((FailureClass::TooLarge, detail));
    }
    if depth > MAX_DEPTH {
        let detail = format!("the answer is {depth} levels deep, more than {MAX_DEPTH}");
        return Err((FailureClass::TooLarge, detail));
    }
    serde_json::from_str(text)
        .map_err(|error| (FailureClass::NoLink, format!("the answer is no JSON: {error}")))
}

/// How many values there are at most, and how deep they lie: by the marks outside of strings, without keeping anything.
fn measure(text: &str) -> (usize, usize) {
    let (mut values, mut depth, mut deepest) = (1, 0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                while let Some(byte) = bytes.next().filter(|&byte| byte != b'"') {
                    if byte == b'\\' {
                        bytes.next();
                    }
                }
            }
            b',' => values += 1,
            b'[' | b'{' => {
                values += 1;
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    (values, deepest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_in_strings_are_no_values() {
        assert_eq!(measure(r#"{"a,[": "\\\",[", "b": [1, 2]}"#), (5, 2));
        assert_eq!(measure(r#"["\\", 1]"#), (3, 1));
        assert_eq!(measure("\"unclosed, ["), (1, 0));
    }

    #[test]
    fn hostile_answers_end_at_a_limit_and_usual_ones_are_far_from_it() {
        for (name, text) in [
            ("objects", format!("[{}1]", "{\"a\":0},".repeat(1_000_000))),
            ("numbers", format!("[{}0]", "0,".repeat(4_000_000))),
            ("deep", "[".repeat(5_000_000)),
        ] {
            let (class, detail) = parse(&text).expect_err(name);
            assert_eq!(class, FailureClass::TooLarge, "{name}: {detail}");
        }
        let deepest = format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH));
        assert!(parse(&deepest).is_ok());
        let photo =
            r#"{"id": 1, "title": "x", "tags": ["a", "b"], "urls": {"full": "/1.jpg", "small": "/2.jpg"}},"#;
        assert!(parse(&format!("[{}1]", photo.repeat(1000))).is_ok());
        assert_eq!(parse("[1").unwrap_err().0, FailureClass::NoLink);
    }
}
