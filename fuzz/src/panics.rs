//! Panics that the program contains.

use std::collections::BTreeSet;
use std::panic;
use std::sync::{Mutex, PoisonError};

/// Lets panics be contained: that of a decoder costs the program one photo, which is stored with the reason. libFuzzer's
/// own hook ends the process at the first one. A panic that nothing contains leaves the target, and ends it still.
pub fn may_be_contained() {
    static SEEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        if SEEN.lock().unwrap_or_else(PoisonError::into_inner).insert(place) {
            eprintln!("a panic, contained unless the run ends here: {panic}");
        }
    }));
}
