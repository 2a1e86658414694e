//! What a site says of its use: robots.txt, `Retry-After`, `X-Robots-Tag`.

use std::time::{Duration, SystemTime};

use crawler::permission::{Subject, opt_out};
use crawler::robots::Robots;
use photo::retry::retry_after;

pub fn check(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let lines = 1 + text.matches(['\n', '\r']).count();
    let first = text.lines().next().unwrap_or_default();
    for agent in ["bolid", "another"] {
        let robots = Robots::parse(&text, agent);
        assert!(robots.crawl_delay <= Some(Duration::from_secs(1_000_000)));
        // The file's own rules say which paths are of interest.
        let own = text.lines().filter_map(|line| Some(line.split_once(':')?.1.trim())).take(20);
        for path in own.chain(["/", "/robots.txt", "/a/b.jpg?c=d", ""]) {
            let decision = robots.decide(path);
            assert_eq!(decision, robots.decide(path), "{path}");
            assert!(decision.allowed || path != "/robots.txt");
            if let Some(said) = decision.text.strip_prefix("robots.txt line ") {
                let number: usize = said.split_once(':').unwrap().0.parse().unwrap();
                assert!((1..=lines).contains(&number), "line {number} of {lines}");
            }
        }
        // What is said to others changes nothing. The empty rule ends a group that the text may end with.
        let more = format!("{text}\nAllow:\nUser-agent: somebody-else\nDisallow: /\nCrawl-delay: 9\n");
        assert_eq!(Robots::parse(&more, agent), robots);
        if !text.contains('\r') {
            assert_eq!(Robots::parse(&text.replace('\n', "\r\n"), agent), robots);
        }
    }
    if let Some((pattern, path)) = text.split_once('\n') {
        decisions_are_those_of_the_definition(pattern, path);
    }
    retry_after(first, SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000));
    for subject in [Subject::Listing, Subject::PhotoPage, Subject::File] {
        let said = opt_out(subject, &[first.to_owned()], &[]);
        assert!(said.is_none_or(|said| said.ends_with(first)), "the header is quoted");
        opt_out(subject, &[], &[("robots".to_owned(), first.to_owned())]);
    }
}

/// RFC 9309, 2.2.3, by a table of all beginnings of both texts, where neither has escapes.
fn decisions_are_those_of_the_definition(pattern: &str, path: &str) {
    let is_plain = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"%#".contains(&byte))
    };
    if !is_plain(pattern) || !is_plain(path) || path == "/robots.txt" {
        return;
    }
    let robots = Robots::parse(&format!("User-agent: *\nDisallow: {pattern}\n"), "bolid");
    let (octets, to_end) = match pattern.strip_suffix('$') {
        Some(before) => (before.as_bytes(), true),
        None => (pattern.as_bytes(), false),
    };
    let path = path.as_bytes();
    // `reached[n]`: the pattern so far stands for exactly the first n octets of the path.
    let mut reached: Vec<bool> = (0..=path.len()).map(|n| n == 0).collect();
    for &octet in octets {
        reached = match octet {
            b'*' => (0..=path.len()).map(|n| reached[..=n].contains(&true)).collect(),
            _ => (0..=path.len()).map(|n| n > 0 && reached[n - 1] && path[n - 1] == octet).collect(),
        };
    }
    let matches = if to_end { reached[path.len()] } else { reached.contains(&true) };
    let decision = robots.decide(str::from_utf8(path).unwrap());
    assert_eq!(decision.allowed, !matches, "{decision:?}");
}
