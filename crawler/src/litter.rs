//! What systems and programs leave in folders of photos: it is nobody's, also where it begins like a photo. Pure.

/// Bins, thumbnails, indexes, and what a check of the disk found. Beside these, whatever begins with a dot.
const SYSTEM: [&str; 18] = [
    "__macosx",
    "@eadir",
    "@__thumb",
    "#recycle",
    "@recycle",
    "@recently-snapshot",
    "$recycle.bin",
    "recycler",
    "#snapshot",
    "~snapshot",
    "@tmp",
    "system volume information",
    "lost+found",
    "lost.dir",
    "thumbnails",
    "thmbnl",
    "thumbs.db",
    "desktop.ini",
];

/// Pieces of files that a check of the disk found (`FILE0000.CHK`), and pictures that cameras put beside their videos.
const SYSTEM_ENDINGS: [&str; 2] = ["chk", "thm"];

/// Files that are still being written, or never were to the end: by browsers, programs that copy, load or share files,
/// and programs that rename a file when it is whole.
const UNFINISHED: [&str; 15] = [
    "aria2",
    "bc!",
    "crdownload",
    "download",
    "fdmdownload",
    "filepart",
    "jc!",
    "opdownload",
    "part",
    "partial",
    "temp",
    "tmp",
    "!qb",
    "!sync",
    "!ut",
];

/// The kind under which a file or folder of this name is counted and passed over; `None` where it may be a photo or a
/// person. Upper case is as good.
pub(crate) fn kind_of(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    if name.starts_with('.') {
        Some("hidden")
    } else if SYSTEM.contains(&name.as_str()) || SYSTEM_ENDINGS.contains(&ending) || is_of_chkdsk(&name) {
        Some("system")
    } else if UNFINISHED.contains(&ending) {
        Some("unfinished")
    } else {
        None
    }
}

/// `found.000`, `found.001`, …: the folders that Windows puts pieces of lost files into.
fn is_of_chkdsk(name: &str) -> bool {
    let number = name.strip_prefix("found.");
    number.is_some_and(|number| number.len() == 3 && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn litter_is_known_by_its_name_in_capitals_or_not_and_people_are_not_taken_for_it() {
        for (name, kind) in [
            (".DS_Store", "hidden"),
            ("._1.jpg", "hidden"),
            ("$RECYCLE.BIN", "system"),
            ("FOUND.000", "system"),
            ("found.017", "system"),
            ("LOST.DIR", "system"),
            ("FILE0003.CHK", "system"),
            ("GOPR0001.THM", "system"),
            ("1.jpg.part", "unfinished"),
            ("Unconfirmed 4711.crdownload", "unfinished"),
            ("1.jpg.download", "unfinished"),
            ("~syncthing~1.jpg.TMP", "unfinished"),
            ("1.jpg.!qB", "unfinished"),
        ] {
            assert_eq!(kind_of(name), Some(kind), "{name}");
        }
        for name in [
            "Ada",
            "part",
            "tmp",
            "1.jpg",
            "found.00",
            "found.0001",
            "found",
            "Ada v. 2",
            "1.jpg_large",
            "Ada.Part2",
        ] {
            assert_eq!(kind_of(name), None, "{name}");
        }
    }
}
