//! The first bytes of a photo that is being downloaded.

use crawler::sniff::{SizeLimits, Sniffer};
use photo::FailureClass;

const LIMITS: SizeLimits = SizeLimits { min_side: 2, max_pixels: 1_000_000 };

pub fn check(bytes: &[u8]) {
    for piece_bytes in [bytes.len().max(1), 100] {
        let mut sniffer = Sniffer::default();
        let pushed = bytes.chunks(piece_bytes).try_for_each(|piece| sniffer.push(piece, LIMITS));
        let size = sniffer.size();
        match pushed.and_then(|()| sniffer.finish(LIMITS)) {
            Ok(()) => {
                let is_within = |(width, height): (u64, u64)| {
                    width.min(height) >= 2 && width.saturating_mul(height) <= LIMITS.max_pixels
                };
                assert!(size.is_none_or(is_within), "{size:?}");
            }
            Err((class, detail)) => {
                let is_known = [
                    FailureClass::NotAnImage,
                    FailureClass::Unsupported,
                    FailureClass::TooSmall,
                    FailureClass::TooLarge,
                ];
                assert!(is_known.contains(&class) && !detail.is_empty(), "{class:?}: {detail}");
            }
        }
    }
}
