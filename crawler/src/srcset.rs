//! The `srcset` of an image: one picture at several sizes (HTML Standard, "srcset attributes"). Pure.

/// The address of the largest candidate: the greatest width (`1200w`) or density (`2x`). Where several are equal, the
/// first.
pub(crate) fn largest(srcset: &str) -> Option<&str> {
    let mut best: Option<(&str, f64)> = None;
    let mut rest = srcset;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == ',');
        if rest.is_empty() {
            return best.map(|(address, _)| address);
        }
        // An address may hold commas; only those at its end divide it from the next.
        let end = rest.find(|c: char| c.is_ascii_whitespace()).unwrap_or(rest.len());
        let (address, after) = rest.split_at(end);
        let (address, descriptor, after) = match address.strip_suffix(',') {
            Some(address) => (address.trim_end_matches(','), "", after),
            None => {
                let end = after.find(',').unwrap_or(after.len());
                (address, &after[..end], &after[end..])
            }
        };
        rest = after;
        let size = size_of(descriptor);
        if best.is_none_or(|(_, largest)| size > largest) {
            best = Some((address, size));
        }
    }
}

/// Widths and densities are never mixed in one valid list, so their numbers can be compared. None is `1x`.
fn size_of(descriptor: &str) -> f64 {
    let number =
        |text: &str| text.strip_suffix(['w', 'x'])?.parse::<f64>().ok().filter(|size| size.is_finite());
    descriptor.split_ascii_whitespace().find_map(number).unwrap_or(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_candidate_is_taken_wherever_it_stands() {
        assert_eq!(largest("s.jpg 400w, l.jpg 1600w,\n m.jpg 800w"), Some("l.jpg"));
        assert_eq!(largest("one.jpg, two.jpg 2x, half.jpg 1.5x"), Some("two.jpg"));
        assert_eq!(largest("m.jpg 800w 600h, l.jpg 1200w 900h"), Some("l.jpg"));
        assert_eq!(largest("only.jpg"), Some("only.jpg"));
    }

    #[test]
    fn an_address_keeps_its_commas_and_an_empty_list_gives_none() {
        assert_eq!(largest("/w_400,c_fit/a.jpg 400w, /w_900,c_fit/a.jpg 900w"), Some("/w_900,c_fit/a.jpg"));
        assert_eq!(largest("a.jpg,, b.jpg 3x"), Some("b.jpg"));
        assert_eq!(largest(" , "), None);
        assert_eq!(largest("a.jpg nonsense, b.jpg 0.5x"), Some("a.jpg"));
    }
}
