//! The charset that a page declares inside itself: a `<meta>` element of its head, or else an XML declaration. Pure.

use encoding_rs::{Encoding, UTF_8};
use html5ever::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// A declaration is looked for within the head, and no farther than this. The HTML Standard (4.2.5.4) wants it among
/// the first 1,024 bytes; browsers read on, and pages rely on them.
const PRESCAN_BYTES: usize = 1 << 16;

/// The charset that the page names. Tags are told from scripts, comments and texts as in parsing it: a `<body>` in a
/// script does not end the head.
pub(crate) fn declared(body: &[u8]) -> Option<&'static Encoding> {
    // Declarations are in ASCII; what the other bytes stand for is not known yet.
    let start: String = body[..body.len().min(PRESCAN_BYTES)].iter().map(|&byte| char::from(byte)).collect();
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(&start));
    let by_element = match Tokenizer::new(Head, TokenizerOpts::default()).feed(&input) {
        TokenizerResult::EncodingIndicator(label) => Encoding::for_label(label.as_bytes()),
        _ => None,
    };
    let declared = by_element.or_else(|| {
        let (declaration, _) = start.strip_prefix("<?xml")?.split_once('>')?;
        labelled(declaration, "encoding")
    })?;
    // It could be read, so the page is not in UTF-16 (HTML Standard, 13.2.3.2).
    Some(if declared.is_ascii_compatible() { declared } else { UTF_8 })
}

/// The charset that a text names, as `charset=utf-8`, `charset = "utf-8"`.
pub(crate) fn labelled(text: &str, name: &str) -> Option<&'static Encoding> {
    let lower = text.to_ascii_lowercase();
    lower.match_indices(name).find_map(|(at, _)| {
        let value = lower[at + name.len()..].trim_start().strip_prefix('=')?.trim_start();
        let label = value.trim_start_matches(['"', '\'']).split(['"', '\'', ';', ' ', '>', '/']).next()?;
        Encoding::for_label(label.as_bytes())
    })
}

/// Looks at the tags of a head, and stops at the first that names a charset and at the body.
struct Head;

impl TokenSink for Head {
    type Handle = ();

    fn process_token(&self, token: Token, _line_number: u64) -> TokenSinkResult<()> {
        let Token::TagToken(tag @ Tag { kind: TagKind::StartTag, .. }) = token else {
            return TokenSinkResult::Continue;
        };
        match &*tag.name {
            "meta" => of_element(&tag).map_or(TokenSinkResult::Continue, |encoding| {
                TokenSinkResult::EncodingIndicator(StrTendril::from_slice(encoding.name()))
            }),
            "body" => TokenSinkResult::EncodingIndicator(StrTendril::new()), // no charset's name
            "script" => TokenSinkResult::RawData(RawKind::ScriptData),
            "style" | "noframes" => TokenSinkResult::RawData(RawKind::Rawtext),
            "title" => TokenSinkResult::RawData(RawKind::Rcdata),
            _ => TokenSinkResult::Continue,
        }
    }
}

/// `<meta charset=…>` or `<meta http-equiv=… content="…; charset=…">`.
fn of_element(tag: &Tag) -> Option<&'static Encoding> {
    let value = |name: &str| tag.attrs.iter().find(|attr| &*attr.name.local == name).map(|attr| &*attr.value);
    match value("charset") {
        Some(label) => Encoding::for_label(label.as_bytes()),
        None => value("http-equiv").and_then(|_| labelled(value("content")?, "charset")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{KOI8_R, WINDOWS_1251};

    #[test]
    fn a_declaration_is_found_as_in_parsing_the_head() {
        for page in [
            "<script>var page = '<body><meta charset=koi8-r>'</script><meta charset=windows-1251>",
            "<!-- <body> <meta charset=koi8-r> --><meta charset=windows-1251>",
            "<title><meta charset=koi8-r></title><style><body></style><meta charset=windows-1251>",
            "<meta charset = \"windows-1251\" >",
            "<meta name=description content=\"about charset=koi8-r\"><meta charset=windows-1251>",
            "<meta content='text/html; Charset = Windows-1251' http-equiv=content-type>",
            "<meta name=a content='a > b'><meta charset=windows-1251>",
            "<meta charset=klingon><meta charset=windows-1251>",
            "<?xml version=\"1.0\" encoding='windows-1251'?><html>",
            "<?xml version=\"1.0\" encoding='koi8-r'?><meta charset=windows-1251>",
        ] {
            assert_eq!(declared(page.as_bytes()), Some(WINDOWS_1251), "{page}");
        }
    }

    #[test]
    fn no_declaration_is_made_up() {
        for page in ["", "<p>charset=koi8-r", "<body><meta charset=koi8-r>", "<!-- <meta charset=koi8-r>"] {
            assert_eq!(declared(page.as_bytes()), None, "{page}");
        }
        assert_eq!(labelled("text/html; charset=koi8-r", "charset"), Some(KOI8_R));
        assert_eq!(labelled("text/html; charset", "charset"), None);
    }
}
