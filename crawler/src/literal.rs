//! Data in a script: a list or object, written as JSON or as JavaScript writes it, to JSON. Pure.
//!
//! What is beyond JSON in such literals: names as keys, single quotes, comments, a comma after the last item, `undefined`,
//! numbers such as `.5` and `0x1F`, and escapes such as `\u{1F600}`.
//! Nothing is ever run: a value that is an expression is an error. A library for JSON5 reads whole files; here the end of
//! the literal has to be found as well, amid code.

use photo::FailureClass;

use crate::sniff::Refusal;

/// The list or object that a text begins with, as JSON, for [`json::parse`](crate::json::parse) to read within its limits.
///
/// # Errors
/// `no_link` where none begins, where it does not end, and where it holds an expression.
pub(crate) fn to_json(text: &str) -> Result<String, Refusal> {
    let mut reader = Reader { text, at: 0, out: String::new() };
    reader.literal().map_err(|what| {
        let shown: String = text[reader.at..].chars().take(20).collect();
        (FailureClass::NoLink, format!("the script's data is no JSON: {what} before `{shown}`"))
    })?;
    Ok(reader.out)
}

struct Reader<'t> {
    text: &'t str,
    at: usize,
    out: String,
}

type Read = Result<(), &'static str>;

impl Reader<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn literal(&mut self) -> Read {
        let mut depth = 0_usize;
        let mut comma = false;
        let mut is_after_value = false;
        loop {
            self.skip_blanks()?;
            let c = self.peek().ok_or("it does not end")?;
            if is_after_value && !matches!(c, ',' | ':' | ']' | '}') {
                return Err("a comma is missing");
            }
            is_after_value = !matches!(c, '[' | '{' | ':' | ',');
            if depth == 0 && !matches!(c, '[' | '{') {
                return Err("neither [ nor { stands");
            }
            if comma && !matches!(c, ']' | '}') {
                self.out.push(',');
            }
            comma = c == ',';
            match c {
                '"' | '\'' | '`' => self.string(c)?,
                '[' | '{' | ']' | '}' | ':' | ',' => {
                    self.at += 1;
                    match c {
                        '[' | '{' => depth += 1,
                        ']' | '}' => depth -= 1,
                        _ => {}
                    }
                    if !comma {
                        self.out.push(c);
                    }
                    if depth == 0 {
                        return Ok(());
                    }
                }
                _ => self.word()?,
            }
        }
    }

    /// White space and comments.
    fn skip_blanks(&mut self) -> Read {
        loop {
            let rest = self.rest();
            let blanks = rest.len() - rest.trim_start().len();
            let rest = &rest[blanks..];
            let comment = match rest.get(..2) {
                Some("//") => rest.find('\n').unwrap_or(rest.len()),
                Some("/*") => rest[2..].find("*/").ok_or("a comment does not end")? + 4,
                _ => 0,
            };
            self.at += blanks + comment;
            if comment == 0 {
                return Ok(());
            }
        }
    }

    /// A key without quotes, a number, or one of the words that are values.
    fn word(&mut self) -> Read {
        let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '-' | '+' | '.');
        let start = self.at;
        let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        self.at += length;
        self.skip_blanks()?;
        let word = &self.text[start..start + length];
        match word {
            "" => return Err("something else than a value stands"),
            _ if self.peek() == Some(':') => {
                self.out.push('"');
                self.out.push_str(word);
                self.out.push('"');
            }
            "true" | "false" | "null" => self.out.push_str(word),
            "undefined" | "NaN" => self.out.push_str("null"),
            _ if word.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '.')) => {
                self.out.push_str(&number(word));
            }
            _ => {
                self.at = start;
                return Err("a name that is no value stands");
            }
        }
        Ok(())
    }

    fn string(&mut self, quote: char) -> Read {
        let start = self.at;
        let mut chars = self.text[start + 1..].char_indices();
        self.out.push('"');
        while let Some((offset, c)) = chars.next() {
            match c {
                c if c == quote => {
                    self.at = start + 1 + offset + 1;
                    self.out.push('"');
                    return Ok(());
                }
                '\\' => match chars.next().ok_or("a string does not end")?.1 {
                    'u' if chars.as_str().starts_with('{') => {
                        let (digits, _) =
                            chars.as_str()[1..].split_once('}').ok_or("a string does not end")?;
                        let code = u32::from_str_radix(digits, 16).map_err(|_| "a wrong escape stands")?;
                        self.plain(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                        chars.nth(digits.chars().count() + 1);
                    }
                    c @ ('"' | '\\' | '/' | 'b' | 'f' | 'n' | 'r' | 't' | 'u') => self.out.extend(['\\', c]),
                    'x' => self.out.push_str("\\u00"),
                    'v' => self.plain('\u{b}'),
                    '0' => self.plain('\0'),
                    // The string goes on in the next line.
                    '\r' if chars.as_str().starts_with('\n') => {
                        chars.next();
                    }
                    '\n' | '\r' | '\u{2028}' | '\u{2029}' => {}
                    c => self.plain(c),
                },
                '$' if quote == '`' && chars.as_str().starts_with('{') => {
                    return Err("a string with code in it stands");
                }
                c => self.plain(c),
            }
        }
        Err("a string does not end")
    }

    fn plain(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            c if u32::from(c) < 0x20 => self.out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => self.out.push(c),
        }
    }
}

/// A number as JSON writes it. What is no number stays as it is, for the JSON's reader to refuse.
fn number(word: &str) -> String {
    let (sign, digits) = word.split_at(usize::from(word.starts_with('-')));
    let (whole, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let radix = match (whole, rest.chars().next()) {
        ("0", Some('x' | 'X')) => Some(16),
        ("0", Some('o' | 'O')) => Some(8),
        ("0", Some('b' | 'B')) => Some(2),
        _ => None,
    };
    if let Some(value) = radix.and_then(|radix| u64::from_str_radix(&rest[1..], radix).ok()) {
        return format!("{sign}{value}");
    }
    let whole = if whole.is_empty() && rest.starts_with('.') { "0" } else { whole };
    // `5.` and `5.e3` have no digit behind the point, which JSON wants.
    match rest.strip_prefix('.') {
        Some(rest) if !rest.starts_with(|c: char| c.is_ascii_digit()) => format!("{sign}{whole}.0{rest}"),
        _ => format!("{sign}{whole}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn read(text: &str) -> Value {
        serde_json::from_str(&to_json(text).unwrap()).unwrap()
    }

    #[test]
    fn a_literal_of_javascript_is_read_to_its_end_and_no_further() {
        let script = r##"[ // photos
            { title: "A \u003cb\u003e", 'big': 'it\'s "1".jpg', size: [1200, 1600,], /* none */ map: undefined, },
            {"title": `two
lines`, $ok: true, w: -1.5e3, x: "\x41]"},
        ]; Galleria.run("#gallery", {dataSource: data});"##;
        let expected = json!([
            {"title": "A <b>", "big": "it's \"1\".jpg", "size": [1200, 1600], "map": null},
            {"title": "two\nlines", "$ok": true, "w": -1500.0, "x": "A]"}
        ]);
        assert_eq!(read(script), expected);
    }

    // ECMAScript 2025, 12.9.3 (numeric literals) and 12.9.4 (string literals).
    #[test]
    fn numbers_escapes_and_comments_that_json_does_not_know_are_converted() {
        for (text, expected) in [
            ("[.5, -.5, .5e1, 5., 5.e3]", json!([0.5, -0.5, 5.0, 5.0, 5000.0])),
            ("[0x1F, -0XfF, 0b101, 0o17, 0, 10]", json!([31, -255, 5, 15, 0, 10])),
            (r#"["\u{1F600}", '\u{41}\u{22}', "\u00e9"]"#, json!(["\u{1F600}", "A\"", "é"])),
            (r#"["a\0\v"]"#, json!(["a\0\u{b}"])),
            ("['one \\\r\ntwo \\\nthree']", json!(["one two three"])),
            ("[1, /*/ 2, */ 3, /**/ 4]", json!([1, 3, 4])),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn json_stays_as_it_is() {
        let value = json!({"a": [1, 2.5, "x, }", null], "Ж": {"b\"": false}, "e": []});
        assert_eq!(read(&value.to_string()), value);
        assert_eq!(read(&serde_json::to_string_pretty(&value).unwrap()), value);
    }

    #[test]
    fn what_is_no_value_is_refused_and_shown() {
        for (text, part) in [
            ("load()", "neither [ nor {"),
            ("", "does not end"),
            ("[1, ", "does not end"),
            ("['x", "does not end"),
            ("[width, 1]", "before `width, 1]`"),
            ("[1 + 2]", "a comma is missing before `+ 2]`"),
            ("[1 2]", "a comma is missing before `2]`"),
            ("[.5.5 'a']", "a comma is missing before `'a']`"),
            ("['a' 'b']", "a comma is missing before `'b']`"),
            ("[[1] [2]]", "a comma is missing before `[2]]`"),
            ("{a: 1 b: 2}", "a comma is missing before `b: 2}`"),
            ("{a: {} 'b': 2}", "a comma is missing before `'b': 2}`"),
            ("[`a${b}`]", "code in it"),
            ("[(1)]", "something else"),
            ("[1 /* ", "comment"),
            ("[1 /*/ 2]", "comment"),
            (r"['\u{zz}']", "wrong escape"),
            (r"['\u{41']", "does not end"),
        ] {
            let (class, detail) = to_json(text).expect_err(text);
            assert_eq!(class, FailureClass::NoLink);
            assert!(detail.contains(part), "{text}: {detail}");
        }
    }
}
