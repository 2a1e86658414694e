//! OpenAI's chat protocol, as far as a caption needs it: `POST …/chat/completions` with a text and an image, which vLLM,
//! llama.cpp's server and Ollama answer as well (<https://platform.openai.com/docs/api-reference/chat>).

use photo::CaptionFailure;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::settings::ServerSettings;

/// Of a server's words about an error, this many characters are kept.
const SHOWN_CHARACTERS: usize = 300;

/// Why an answer is no caption.
pub type Failure = (CaptionFailure, String);

/// The body of a request about the picture in a `data:` URI.
pub fn request(settings: &ServerSettings, picture: &str) -> Vec<u8> {
    let message = json!({
        "role": "user",
        "content": [
            { "type": "text", "text": settings.prompt },
            { "type": "image_url", "image_url": { "url": picture } },
        ],
    });
    let body = json!({
        "model": settings.model,
        "messages": [message],
        "max_tokens": settings.answer_tokens,
        "temperature": settings.temperature,
        "stream": false,
    });
    body.to_string().into_bytes()
}

#[derive(Deserialize)]
struct Answer {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: Value,
    #[serde(default)]
    refusal: Option<String>,
}

/// The text of a whole answer with status 200.
///
/// # Errors
/// Why it has none. A text that the model was not let to finish is none: half a sentence would train half a sentence.
pub fn text_of(body: &[u8]) -> Result<String, Failure> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| {
        let shown = shown(&String::from_utf8_lossy(body));
        (CaptionFailure::Malformed, format!("no answer of the chat protocol ({error}): {shown}"))
    })?;
    let Some(Choice { message, finish_reason }) = answer.choices.into_iter().next() else {
        return Err((CaptionFailure::Malformed, "the answer has no choices".to_owned()));
    };
    if let Some(refusal) = message.refusal.filter(|text| !text.trim().is_empty()) {
        return Err((CaptionFailure::Declined, shown(&refusal)));
    }
    match finish_reason.as_deref() {
        Some("content_filter") => {
            return Err((CaptionFailure::Declined, "the server's content filter".to_owned()));
        }
        Some("length") => {
            let detail = "the text does not end within `captions.server.answer_tokens`";
            return Err((CaptionFailure::Cut, detail.to_owned()));
        }
        _ => {}
    }
    let text = content(&message.content).ok_or_else(|| {
        let detail = format!("the message's content is no text: {}", shown(&message.content.to_string()));
        (CaptionFailure::Malformed, detail)
    })?;
    match text.trim() {
        "" => Err((CaptionFailure::Empty, "the answer has no text".to_owned())),
        text => Ok(text.to_owned()),
    }
}

/// A text, or the texts of a list of parts; `null` is an empty one.
fn content(content: &Value) -> Option<String> {
    match content {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Array(parts) => {
            Some(parts.iter().filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join(" "))
        }
        _ => None,
    }
}

/// What a server says of an error: `error.message`, or else the beginning of the body.
pub fn complaint(body: &[u8]) -> String {
    let json: Value = serde_json::from_slice(body).unwrap_or_default();
    let said = [&json["error"]["message"], &json["error"], &json["message"], &json["detail"]];
    let said = said.into_iter().find_map(Value::as_str);
    shown(said.unwrap_or(&String::from_utf8_lossy(body)))
}

/// The beginning of strangers' words, on one line.
fn shown(text: &str) -> String {
    let plain = text.replace(char::is_control, " ");
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(body: &str) -> CaptionFailure {
        text_of(body.as_bytes()).expect_err(body).0
    }

    fn said(message: &str, finish: &str) -> String {
        format!(r#"{{"choices":[{{"message":{message},"finish_reason":{finish}}}]}}"#)
    }

    #[test]
    fn the_text_of_an_answer_is_the_first_choices_in_one_piece_or_in_parts() {
        let plain = said(r#"{"role":"assistant","content":" A red dress.\n"}"#, r#""stop""#);
        assert_eq!(text_of(plain.as_bytes()).unwrap(), "A red dress.");
        let parts = r#"{"content":[{"type":"text","text":"A red"},{"type":"text","text":"dress."}]}"#;
        assert_eq!(text_of(said(parts, "null").as_bytes()).unwrap(), "A red dress.");
    }

    #[test]
    fn an_answer_without_a_whole_text_says_why() {
        assert_eq!(class("<html>Bad gateway</html>"), CaptionFailure::Malformed);
        assert_eq!(class(r#"{"choices":[{"message":{"cont"#), CaptionFailure::Malformed);
        assert_eq!(class(r#"{"choices":[]}"#), CaptionFailure::Malformed);
        assert_eq!(class(r#"{"error":{"message":"no"}}"#), CaptionFailure::Malformed);
        assert_eq!(class(&said(r#"{"content":7}"#, "null")), CaptionFailure::Malformed);
        assert_eq!(class(&said(r#"{"content":"  "}"#, r#""stop""#)), CaptionFailure::Empty);
        assert_eq!(class(&said(r#"{"content":null}"#, r#""stop""#)), CaptionFailure::Empty);
        assert_eq!(class(&said(r#"{"content":"A wom"}"#, r#""length""#)), CaptionFailure::Cut);
        assert_eq!(class(&said(r#"{"refusal":"I cannot"}"#, r#""stop""#)), CaptionFailure::Declined);
        assert_eq!(class(&said(r#"{"content":""}"#, r#""content_filter""#)), CaptionFailure::Declined);
    }

    #[test]
    fn no_bytes_make_reading_an_answer_fail_otherwise() {
        let whole = said(r#"{"content":"A red dress."}"#, r#""stop""#);
        for end in 0..whole.len() {
            assert_eq!(class(&whole[..end]), CaptionFailure::Malformed);
            let mut changed = whole.clone().into_bytes();
            changed[end] ^= 0x55;
            drop((text_of(&changed), complaint(&changed)));
        }
    }

    #[test]
    fn a_complaint_is_the_servers_message_on_one_line_and_short() {
        assert_eq!(complaint(br#"{"error":{"message":"no\nsuch model"}}"#), "no such model");
        assert_eq!(complaint(br#"{"error":"model not found"}"#), "model not found");
        assert_eq!(complaint(b"oops"), "oops");
        assert_eq!(complaint("x".repeat(2000).as_bytes()).chars().count(), SHOWN_CHARACTERS + 1);
    }
}
