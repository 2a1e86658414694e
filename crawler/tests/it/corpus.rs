//! The committed corpus of the fuzz targets (`fuzz/README.md`): what they hold strangers' bytes to holds for all of it,
//! and what they once failed on stays mended.

#[path = "../../../fuzz/properties/corpus.rs"]
mod files;
#[path = "../../../fuzz/properties/list.rs"]
mod list;
#[path = "../../../fuzz/properties/page.rs"]
mod page;
#[path = "../../../fuzz/properties/profile.rs"]
mod profile;
#[path = "../../../fuzz/properties/robots.rs"]
mod robots;
#[path = "../../../fuzz/properties/sniff.rs"]
mod sniff;

use self::files::replay;

#[test]
fn what_a_site_says_of_its_use_is_decided_as_the_standard_defines_it() {
    replay("robots", robots::check);
}

#[test]
fn lists_give_rows_of_their_own_lines() {
    replay("list", list::check);
}

#[test]
fn a_profile_is_the_same_however_its_toml_is_written() {
    replay("profile", profile::check);
}

#[test]
fn pages_give_addresses_of_their_site_alone() {
    replay("page", page::check);
}

#[test]
fn a_photo_s_first_bytes_are_known_or_refused_by_class() {
    replay("photo", sniff::check);
}
