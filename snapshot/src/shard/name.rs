//! The path of a person's shard.

use std::path::Path;

use photo::{Compression, Digest};
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use super::FOLDER;

/// The longest name of a file that common file systems allow.
const MAX_NAME_BYTES: usize = 255;

fn extension(compression: Compression) -> &'static str {
    match compression {
        Compression::None => ".safetensors",
        Compression::Zstd => ".safetensors.zst",
    }
}

/// The path of a person's shard in the snapshot: `site/Ana de Armas` becomes `shards/site__Ana de
/// Armas.safetensors`. The name stays as people write it, in any script, wherever Linux, macOS and Windows
/// allow it as a file name. Where letters had to be replaced, or two names could meet, a piece of the name's
/// digest keeps them apart.
pub(crate) fn path_of(identity: &str, compression: Compression) -> String {
    let extension = extension(compression);
    let composed: String = identity.nfc().collect();
    let legible: String = composed.chars().map(|c| if is_allowed(c) || c == '/' { c } else { '_' }).collect();
    let mut name = legible.replace('/', "__");
    let is_hidden = name.starts_with(['.', ' ', '-', '~']); // or an option or a home to a shell
    if is_hidden || name.is_empty() || is_reserved_by_windows(&name) {
        name.insert(0, '_');
    }
    let suffix = format!("-{}", &Digest::of(identity).short()[..8]);
    let cut = name.floor_char_boundary(MAX_NAME_BYTES - extension.len() - suffix.len());
    // At most one `/`, and none of what it becomes: otherwise another name could become the same.
    let is_as_written =
        name.len() <= cut && name.replacen("__", "/", 1) == identity && !identity.contains("__");
    if is_as_written {
        return format!("{FOLDER}/{name}{extension}");
    }
    format!("{FOLDER}/{}{suffix}{extension}", &name[..cut.min(name.len())])
}

/// Whether the shard of this path is compressed, by its name.
pub(super) fn is_compressed(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "zst")
}

/// The name of a shard's file without its extension, the same whether it is compressed or not.
pub(crate) fn stem_of(shard: &str) -> &str {
    let file = shard.rsplit('/').next().unwrap_or(shard);
    let endings = [Compression::Zstd, Compression::None].map(extension);
    endings.into_iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file)
}

/// Letters, digits and marks of every script, and what stands between them in names. What is left out has a meaning to
/// some file system or shell, or cannot be seen.
fn is_allowed(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || " -_.,'’()&+·・".contains(c)
}

/// Names of devices, which Windows allows no file to have, whatever its extension.
fn is_reserved_by_windows(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or_default().trim_end().to_ascii_lowercase();
    let is_numbered = |device: &str| {
        stem.strip_prefix(device).is_some_and(|number| number.chars().count() == 1 && number != "0")
    };
    ["con", "prn", "aux", "nul"].contains(&stem.as_str()) || is_numbered("com") || is_numbered("lpt")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(identity: &str) -> String {
        let path = path_of(identity, Compression::None);
        path.strip_prefix("shards/").unwrap().strip_suffix(".safetensors").unwrap().to_owned()
    }

    #[test]
    fn a_shard_is_called_as_its_person_in_any_script() {
        assert_eq!(name_of("demo/anna-berg"), "demo__anna-berg");
        assert_eq!(name_of("stars/Ana de Armas"), "stars__Ana de Armas");
        assert_eq!(name_of("stars/Жанна"), "stars__Жанна");
        assert_eq!(name_of("stars/Renée O’Connor, Jr."), "stars__Renée O’Connor, Jr.");
        assert_eq!(
            name_of("stars/प्रियंका"),
            "stars__प्रियंका",
            "with vowel signs and a virama, which are marks"
        );
        assert_eq!(name_of("stars/山口 百恵"), "stars__山口 百恵");
    }

    #[test]
    fn what_no_file_may_be_called_is_replaced_and_gets_a_digest() {
        for (identity, begins) in [
            ("a/b:c", "a__b_c-"),
            ("a/../b", "a__..__b-"),
            ("../b", "_..__b-"),
            ("a/tab\tnew\nline", "a__tab_new_line-"),
            ("a/\u{202e}right to left", "a___right to left-"),
            ("aux", "_aux-"),
            ("CON.x/b", "_CON.x__b-"),
            ("com1", "_com1-"),
            ("-rf/x", "_-rf__x-"),
            ("a/Rene\u{301}e", "a__Renée-"), // composed, so that macOS and Linux spell it alike
            ("", "_-"),
        ] {
            let name = name_of(identity);
            assert!(name.starts_with(begins) && name.len() == begins.len() + 8, "{identity:?}: {name}");
        }
    }

    #[test]
    fn names_never_meet_and_are_never_too_long() {
        let (latin, cyrillic) = ("x".repeat(500), "ж".repeat(500));
        let identities = [
            "a/b",
            "a//b",
            "a_b",
            "a__b",
            "A/b",
            "a/../b",
            "Жанна/b",
            "Ванна/b",
            "a/b-c3d4",
            "",
            ".",
            "a/b/c",
            "a/b__c",
            "a__b/c",
            "a/Rene\u{301}e",
            "a/Renée",
            "a/b?",
            "a/b*",
            "_",
            &latin,
            &latin[1..],
            &cyrillic,
            &cyrillic[2..],
        ];
        let paths: std::collections::BTreeSet<String> =
            identities.iter().map(|name| path_of(name, Compression::None)).collect();
        assert_eq!(paths.len(), identities.len(), "{paths:?}");
        for path in &paths {
            let (_, file) = path.split_once('/').unwrap();
            assert!(file.len() <= 255 && !file.contains('/') && !file.starts_with('.'), "{path}");
        }
    }

    #[test]
    fn a_compressed_shard_has_the_name_of_the_plain_one_and_a_second_extension() {
        let long = "x".repeat(500);
        for identity in ["demo/anna-berg", "a/v1.2", "a/b:c", &long] {
            let [plain, compressed] =
                [Compression::None, Compression::Zstd].map(|compression| path_of(identity, compression));
            assert!(compressed.ends_with(".safetensors.zst"), "{compressed}");
            assert!(compressed.len() - "shards/".len() <= 255, "{compressed}");
            assert!(is_compressed(Path::new(&compressed)) && !is_compressed(Path::new(&plain)));
            if identity.len() < 200 {
                assert_eq!(compressed, format!("{plain}.zst"));
                assert_eq!(stem_of(&compressed), stem_of(&plain));
            }
        }
        assert_eq!(stem_of("shards/a__v1.2.safetensors.zst"), "a__v1.2");
    }
}
