//! How long a million stored hashes take to be grouped, and how much memory: `make bench`, or
//! `cargo run --release -p curate --example million_hashes [COUNT]`.

use std::time::Instant;

use curate::judge::clustering::assign;
use curate::pixels::hash::{Fingerprint, PerceptualHash};
use photo::Rules;

fn main() {
    let count = std::env::args().nth(1).and_then(|count| count.parse().ok()).unwrap_or(1_000_000);
    let prints = crowd(count);
    let start = Instant::now();
    let places = assign(&prints, Rules::default().duplicates.max_distance);
    let seconds = start.elapsed().as_secs_f64();
    let leaders = places.iter().enumerate().filter(|(at, place)| place.leader == *at).count();
    println!(
        "grouping of {count} photos: {seconds:.1} s on {} threads, {} MiB at most; {leaders} groups",
        rayon::current_num_threads(),
        peak_mib().map_or("?".to_owned(), |peak| peak.to_string())
    );
    let few = count.min(20_000);
    let start = Instant::now();
    let compared = every_centre(&prints[..few], Rules::default().duplicates.max_distance);
    let direct = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let grouped = assign(&prints[..few], Rules::default().duplicates.max_distance);
    let indexed = start.elapsed().as_secs_f64();
    assert_eq!(compared, grouped.iter().enumerate().filter(|(at, place)| place.leader == *at).count());
    println!("{few} photos: {:.0} times faster than comparing with every leader", direct / indexed);
}

/// Hashes as a large catalogue has them: bits of low frequencies are alike in many photos, one photo in five
/// is a copy of an earlier one with up to seven bits changed, every third copy is mirrored. Its inner part
/// differs in about eight.
fn crowd(count: usize) -> Vec<Fingerprint> {
    let mut state = 1_u64;
    // SplitMix64 (Steele, Lea and Flood 2014)
    let mut next = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ z >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ z >> 31
    };
    // one of 64 settings of the 16 lowest frequencies, with about two of them changed
    let common: Vec<u64> = (0..64).map(|_| next() & 0xFFFF).collect();
    let mut prints: Vec<Fingerprint> = Vec::with_capacity(count);
    for at in 0..count {
        let choice = next();
        let whole = if at > 100 && choice % 5 == 0 {
            let of = prints[next() as usize % at].whole;
            let changed = (0..next() % 8).fold(of.bits(), |bits, _| bits ^ 1 << (next() % 64));
            let changed = PerceptualHash::from_bits(changed);
            if choice % 3 == 0 { changed.mirrored() } else { changed }
        } else {
            let low = common[(choice >> 8) as usize % 64] ^ 1 << (next() % 16) ^ 1 << (next() % 16);
            PerceptualHash::from_bits(next() & !0xFFFF | low)
        };
        let inner = (0..8).fold(whole.bits(), |bits, _| bits ^ 1 << (next() % 64));
        prints.push(Fingerprint { whole, inner: PerceptualHash::from_bits(inner) });
    }
    prints
}

/// The number of groups, each photo compared with every leader before it.
fn every_centre(prints: &[Fingerprint], max_distance: u32) -> usize {
    let mut leaders: Vec<Fingerprint> = Vec::new();
    for print in prints {
        if !leaders.iter().any(|leader| leader.distance(*print) <= max_distance) {
            leaders.push(*print);
        }
    }
    leaders.len()
}

/// The most memory that the process held, where the system tells.
fn peak_mib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? / 1024)
}
