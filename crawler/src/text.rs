//! The text of a local file: lists, captions. Pure.

use encoding_rs::{Encoding, UTF_8};

/// What is wrong with a file that [`decoded`] does not read.
pub(crate) const UNKNOWN: &str = "neither UTF-8 nor, by a byte order mark, UTF-16";

/// UTF-8, or what a byte order mark says; `None` for anything else, since a guess would put wrong letters into a
/// dataset.
pub(crate) fn decoded(bytes: &[u8]) -> Option<String> {
    let (encoding, mark) = Encoding::for_bom(bytes).unwrap_or((UTF_8, 0));
    let text = encoding.decode_without_bom_handling_and_without_replacement(&bytes[mark..])?;
    (!text.contains('\0')).then(|| text.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_by_their_byte_order_mark_and_never_guessed() {
        assert_eq!(decoded("\u{feff}née".as_bytes()).unwrap(), "née");
        assert_eq!(decoded("née".as_bytes()).unwrap(), "née");
        let utf16: Vec<u8> = "\u{feff}née".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16).unwrap(), "née");
        assert_eq!(decoded(b"n\xe9e"), None, "Latin-1, or another of a hundred");
        assert_eq!(decoded(&utf16[2..]), None, "UTF-16 without a mark");
    }
}
