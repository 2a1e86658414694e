//! Invented names of people and sites.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

const FIRST_WOMAN: [&str; 12] = ["Al", "Be", "Ca", "De", "El", "Io", "Li", "Ma", "No", "Ra", "Si", "Ve"];
const LAST_WOMAN: [&str; 10] =
    ["lira", "vena", "rissa", "thea", "mila", "dora", "nella", "zia", "line", "beth"];
const FIRST_MAN: [&str; 12] = ["Ar", "Bo", "Da", "Er", "Fa", "Gor", "Ju", "Ko", "Mar", "Or", "Ti", "Vi"];
const LAST_MAN: [&str; 10] = ["len", "ric", "mund", "vik", "dan", "tor", "bert", "nas", "kel", "mar"];
const FAMILY: [&str; 16] = [
    "Ba", "Cor", "Du", "Fen", "Gal", "Hol", "Kar", "Lun", "Mor", "Nis", "Per", "Quil", "Ros", "Sten", "Tal",
    "Wex",
];
const FAMILY_END: [&str; 14] = [
    "avik", "bray", "corde", "dal", "eno", "fold", "gren", "holm", "isk", "lund", "mere", "nova", "ström",
    "wick",
];
const SITE: [&str; 18] = [
    "photo", "pic", "star", "celeb", "gala", "foto", "lens", "snap", "image", "press", "studio", "gallery",
    "view", "shot", "light", "frame", "glam", "world",
];
const ENDS: [&str; 8] = [".com", ".net", ".org", ".info", ".tv", ".biz", "", ""];

/// A person's display name: two invented words.
pub fn person(rng: &mut ChaCha8Rng, woman: bool) -> String {
    let (first, last) = if woman { (&FIRST_WOMAN, &LAST_WOMAN) } else { (&FIRST_MAN, &LAST_MAN) };
    let mut pick = |list: &[&'static str]| *list.choose(rng).expect("syllables are listed");
    format!("{}{} {}{}", pick(first), pick(last), pick(&FAMILY), pick(&FAMILY_END))
}

/// The name in a URL: ASCII letters and hyphens.
pub fn slug(name: &str) -> String {
    name.chars().filter_map(fold).collect()
}

fn fold(c: char) -> Option<char> {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Some(c),
        'ö' => Some('o'),
        ' ' => Some('-'),
        _ => None,
    }
}

/// The text of a watermark: a site, a signature, a claim.
pub fn mark(rng: &mut ChaCha8Rng) -> String {
    let year = rng.random_range(1998..2026);
    let mut pick = |list: &[&'static str]| *list.choose(rng).expect("words are listed");
    let site = format!("{}{}{}", pick(&SITE), pick(&SITE), pick(&ENDS));
    let owner = format!("{}{}", pick(&FAMILY), pick(&FAMILY_END).replace('ö', "o"));
    let word = match rng.random_range(0..9) {
        0..4 => site,
        4 => format!("© {year} {owner}"),
        5 => format!("{owner} Photography"),
        6 => ["SAMPLE", "PREVIEW", "DO NOT COPY", "PROOF", "STOCK PHOTO", "COPYRIGHT"]
            [rng.random_range(0..6)]
        .to_owned(),
        7 => format!("@{owner}"),
        _ => format!("© {site}"),
    };
    if rng.random_bool(0.5) { word.to_uppercase() } else { word }
}
