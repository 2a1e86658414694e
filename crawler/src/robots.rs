//! robots.txt as RFC 9309 reads it: groups, longest match, `*` and `$`; and `Crawl-delay`. Pure.

use std::time::Duration;

/// More than this is not read (RFC 9309, 2.5: at least 500 kibibytes).
pub const MAX_BYTES: u64 = 500 * 1024;

/// A site that asks for more than these twelve days means never.
const MAX_CRAWL_DELAY_S: f64 = 1e6;

/// The rules of a robots.txt that is longer than what is read: without the line that the limit falls into, which may
/// forbid less, or more, than it says so far (RFC 9309, 2.5).
pub(crate) fn whole_lines(mut body: Vec<u8>) -> Vec<u8> {
    if body.len() as u64 > MAX_BYTES {
        body.truncate(MAX_BYTES as usize);
        body.truncate(body.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    }
    body
}

/// The rules of one host for one program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Robots {
    rules: Vec<PathRule>,
    /// The least time between two requests.
    pub crawl_delay: Option<Duration>,
    /// Why there are no rules, where robots.txt itself could not be had.
    absent: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
struct PathRule {
    allow: bool,
    pattern: Vec<u8>,
    line_number: usize,
    line: String,
}

/// What robots.txt says of a path, and which line says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the path may be asked for.
    pub allowed: bool,
    /// The deciding line.
    pub text: String,
}

#[derive(Default)]
struct Group {
    agents: Vec<String>,
    rules: Vec<PathRule>,
    crawl_delay: Option<Duration>,
}

impl Robots {
    /// No rules, because the server has none to give (a 4xx status).
    pub fn absent(why: impl Into<String>) -> Self {
        Self { absent: Some(why.into()), ..Self::default() }
    }

    /// The rules for the program named `agent`: all groups that name it, or else all groups for `*`.
    pub fn parse(text: &str, agent: &str) -> Self {
        let groups = groups(text.strip_prefix('\u{feff}').unwrap_or(text));
        let names =
            |group: &&Group, name: &str| group.agents.iter().any(|found| found.eq_ignore_ascii_case(name));
        let mut chosen: Vec<_> = groups.iter().filter(|group| names(group, agent)).collect();
        if chosen.is_empty() {
            chosen = groups.iter().filter(|group| names(group, "*")).collect();
        }
        Self {
            crawl_delay: chosen.iter().filter_map(|group| group.crawl_delay).max(),
            rules: chosen.iter().flat_map(|group| group.rules.iter().cloned()).collect(),
            absent: None,
        }
    }

    /// Whether the path (with its query) may be asked for.
    pub fn decide(&self, path_and_query: &str) -> Decision {
        let path = normalise(path_and_query);
        let matching = self.rules.iter().filter(|rule| matches(&rule.pattern, &path));
        // The longest pattern wins; of equally long ones the one that allows.
        let Some(rule) = matching.max_by_key(|rule| (rule.pattern.len(), rule.allow)) else {
            let text = self.absent.clone().unwrap_or_else(|| "robots.txt has no rule for the path".into());
            return Decision { allowed: true, text };
        };
        let allowed = rule.allow || path == b"/robots.txt";
        Decision { allowed, text: format!("robots.txt line {}: {}", rule.line_number, rule.line) }
    }
}

fn groups(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let mut naming = false; // consecutive user-agent lines name one group
    let (mut next_number, mut last_was_cr) = (1, false);
    for raw in text.split_inclusive(['\n', '\r']) {
        // Lines are counted as people count them, though `\r\n` ends two pieces.
        let line_number = next_number;
        next_number += usize::from(!(last_was_cr && raw == "\n"));
        last_was_cr = raw.ends_with('\r');
        let line = raw.split('#').next().unwrap_or_default().trim();
        let Some((key, value)) = line.split_once(':') else { continue };
        let (key, value) = (key.trim().to_ascii_lowercase(), value.trim());
        if key == "user-agent" {
            if !naming {
                groups.push(Group::default());
            }
            naming = true;
            if let Some(group) = groups.last_mut() {
                group.agents.push(product_token(value));
            }
            continue;
        }
        let Some(group) = groups.last_mut() else { continue };
        match key.as_str() {
            "allow" | "disallow" => {
                naming = false;
                if !value.is_empty() {
                    group.rules.push(PathRule {
                        allow: key == "allow",
                        pattern: normalise(value),
                        line_number,
                        line: line.chars().take(200).collect(),
                    });
                }
            }
            "crawl-delay" => {
                naming = false;
                let seconds = value.parse::<f64>().ok().filter(|&seconds| seconds >= 0.0);
                let seconds = seconds.map(|seconds| seconds.min(MAX_CRAWL_DELAY_S));
                group.crawl_delay = group.crawl_delay.max(seconds.map(Duration::from_secs_f64));
            }
            _ => {} // Sitemap and the like stand outside groups and end none
        }
    }
    groups
}

/// `bolid/1.0` and `bolid (x)` mean `bolid`.
fn product_token(value: &str) -> String {
    if value.starts_with('*') {
        return "*".into();
    }
    value.chars().take_while(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_')).collect()
}

/// Octets in one spelling: unreserved characters plain, all other escapes in upper case, non-ASCII escaped.
fn normalise(path: &str) -> Vec<u8> {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while i < bytes.len() {
        let escaped = (bytes[i] == b'%')
            .then(|| bytes.get(i + 1..i + 3))
            .flatten()
            .and_then(|hex| std::str::from_utf8(hex).ok())
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escaped {
            Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') => {
                out.push(byte);
            }
            Some(byte) => out.extend(format!("%{byte:02X}").bytes()),
            None if bytes[i].is_ascii() => out.push(bytes[i]),
            None => out.extend(format!("%{:02X}", bytes[i]).bytes()),
        }
        i += if escaped.is_some() { 3 } else { 1 };
    }
    out
}

/// Whether the pattern matches a beginning of the path; `*` is any run of octets, a final `$` the end.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, to_end) = match pattern.split_last() {
        Some((b'$', rest)) => (rest, true),
        _ => (pattern, false),
    };
    // Every other octet stands for itself, so that a long one is not tried.
    if pattern.len() > path.len() && pattern.iter().filter(|&&octet| octet != b'*').count() > path.len() {
        return false;
    }
    // `retry`: where the last star stands, and how far it has reached.
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        if p == pattern.len() && (!to_end || t == path.len()) {
            return true;
        }
        if p < pattern.len() && pattern[p] == b'*' {
            retry = Some((p, t));
            p += 1;
        } else if p < pattern.len() && t < path.len() && pattern[p] == path[t] {
            p += 1;
            t += 1;
        } else if let Some((star, reached)) = retry
            && reached < path.len()
        {
            retry = Some((star, reached + 1));
            p = star + 1;
            t = reached + 1;
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(text: &str, path: &str) -> bool {
        Robots::parse(text, "bolid").decide(path).allowed
    }

    #[test]
    fn the_longest_file_is_read_and_asked_at_once() {
        let started = std::time::Instant::now();
        let many = Robots::parse(&format!("user-agent:*\n{}", "allow:/\n".repeat(60_000)), "bolid");
        assert!(many.decide("/x").text.contains("line 60001"));
        let stars = Robots::parse(&format!("user-agent:*\ndisallow:/{}b", "a*".repeat(250_000)), "bolid");
        let path = format!("/{}", "a".repeat(2000));
        assert!((0..100).all(|_| stars.decide(&path).allowed));
        assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    }

    #[test]
    fn a_line_that_the_size_limit_cuts_is_no_rule() {
        let rule = b"User-agent: *\nDisallow: /private\n";
        let mut body: Vec<u8> = rule.iter().copied().cycle().take(MAX_BYTES as usize + 1).collect();
        let kept = whole_lines(body.clone());
        assert!(kept.ends_with(b"\n") && kept.len() as u64 <= MAX_BYTES);
        body.truncate(50);
        assert_eq!(whole_lines(body.clone()), body, "a short file is whole, whatever it ends with");
    }

    #[test]
    fn the_matches_of_rfc_9309_section_5_1_and_5_2_hold() {
        let simple = "User-Agent: *\nDisallow: *.gif$\nDisallow: /example/\nAllow: /publications/\n\n\
                      User-Agent: foobot\nDisallow:/\nAllow:/example/page.html\nAllow:/example/allowed.gif\n\n\
                      User-Agent: barbot\nUser-Agent: bazbot\nDisallow: /example/page.html\n\n\
                      User-Agent: quxbot\n";
        let decide = |agent, path: &str| Robots::parse(simple, agent).decide(path).allowed;
        assert!(!decide("bolid", "/x.gif") && decide("bolid", "/x.gif?") && !decide("bolid", "/example/a"));
        assert!(!decide("foobot", "/x") && decide("foobot", "/example/page.html"));
        assert!(!decide("BazBot", "/example/page.html") && decide("barbot", "/x.gif"));
        assert!(decide("quxbot", "/example/"), "a group without rules allows all");
        let longest = "User-Agent: bolid\nAllow: /example/page/\nDisallow: /example/page/disallowed.gif\n";
        assert!(!allowed(longest, "/example/page/disallowed.gif") && allowed(longest, "/example/page/x"));
    }

    #[test]
    fn groups_of_one_name_are_joined_and_other_lines_end_none() {
        let text = "User-agent: bolid/2.0\nSitemap: http://x/s.xml\nDisallow: /a\nUser-agent: *\nDisallow: /\n\
                    User-agent: BOLID\nDisallow: /b\nCrawl-delay: 1.5\n";
        assert!(!allowed(text, "/a") && !allowed(text, "/b") && allowed(text, "/c"));
        assert_eq!(Robots::parse(text, "bolid").crawl_delay, Some(Duration::from_millis(1500)));
        assert_eq!(Robots::parse(text, "other").crawl_delay, None);
        let delay =
            |value: &str| Robots::parse(&format!("user-agent: *\ncrawl-delay: {value}"), "a").crawl_delay;
        for value in ["1e9", "99999999999999999999999", "inf"] {
            assert_eq!(delay(value), Some(Duration::from_secs(1_000_000)), "{value}");
        }
        assert_eq!((delay("-5"), delay("nan"), delay("soon")), (None, None, None));
    }

    #[test]
    fn the_longest_rule_decides_and_allow_wins_a_tie() {
        assert!(allowed("User-agent: *\nDisallow: /p\nAllow: /p\n", "/page"));
        assert!(!allowed("User-agent: *\nAllow: /p\nDisallow: /pa\n", "/page"));
        assert!(!allowed("User-agent: *\nDisallow: /*.php?*view=full$\n", "/a/b.php?x=1&view=full"));
    }

    #[test]
    fn escapes_are_compared_by_meaning() {
        assert!(!allowed("User-agent: *\nDisallow: /foo/bar/ツ\n", "/foo/bar/%E3%83%84"));
        assert!(!allowed("User-agent: *\nDisallow: /a%3cd\n", "/a%3Cd"));
        assert!(!allowed("User-agent: *\nDisallow: /%61b\n", "/ab"));
        assert!(allowed("User-agent: *\nDisallow: /a%2Fb\n", "/a/b"));
    }

    #[test]
    fn the_deciding_line_is_told_with_its_number() {
        let robots = Robots::parse("# hi\r\nUser-agent: *\r\n\r\nDisallow: /top # meta pages\r\n", "bolid");
        assert_eq!(robots.decide("/top/1").text, "robots.txt line 4: Disallow: /top");
        assert_eq!(robots.decide("/a").text, "robots.txt has no rule for the path");
    }

    #[test]
    fn many_stars_take_no_long_time() {
        let text = format!("User-agent: *\nDisallow: /{}b$\n", "*a".repeat(500));
        let start = std::time::Instant::now();
        assert!(allowed(&text, &format!("/{}", "a".repeat(2000))));
        assert!(start.elapsed() < Duration::from_secs(1));
    }
}
