//! HTML within limits. A parser of HTML takes time with the square of the depth, and a few kilobytes of unclosed
//! elements make millions: a stranger's page must not stop the crawl, nor fill the memory.

use html5ever::driver;
use html5ever::tendril::{StrTendril, TendrilSink};
use photo::FailureClass;
use scraper::{Html, HtmlTreeSink};

use crate::sniff::Refusal;
use crate::stopwatch::Stopwatch;

/// A gallery's longest pages have some ten thousand elements.
const MAX_NODES: usize = 200_000;

/// As deep as browsers build a page.
const MAX_DEPTH: usize = 512;

/// So much is parsed between two looks at the limits. Every `<p>` may repeat all elements that are open: with five in a
/// piece, a page ends at a million nodes, which are 150 MB.
const PIECE_BYTES: usize = 16;

/// Parses a page.
///
/// # Errors
/// `too_large` where it exceeds the limits.
pub(crate) fn parse(text: &str, watch: &mut Stopwatch) -> Result<Html, Refusal> {
    let too_large = |what: String| (FailureClass::TooLarge, format!("the page {what}"));
    let mut parser =
        driver::parse_document(HtmlTreeSink::new(Html::new_document()), driver::ParseOpts::default());
    let mut rest = text;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(rest.ceil_char_boundary(PIECE_BYTES));
        parser.process(StrTendril::from_slice(piece));
        rest = after;
        let nodes = parser.tokenizer.sink.sink.0.borrow().tree.nodes().len();
        if nodes > MAX_NODES {
            return Err(too_large(format!("has more than {MAX_NODES} nodes")));
        }
        watch.check()?;
    }
    let html = parser.finish();
    match depth(&html) {
        depth if depth > MAX_DEPTH => {
            Err(too_large(format!("is {depth} elements deep, more than {MAX_DEPTH}")))
        }
        _ => Ok(html),
    }
}

/// How many elements the deepest lies in; without recursion.
fn depth(html: &Html) -> usize {
    let (mut depth, mut deepest) = (0_usize, 0);
    for edge in html.tree.root().traverse() {
        match edge {
            ego_tree::iter::Edge::Open(_) => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            ego_tree::iter::Edge::Close(_) => depth -= 1,
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn parse(text: &str) -> Result<Html, Refusal> {
        super::parse(text, &mut Stopwatch::start(Duration::from_secs(2)))
    }

    #[test]
    fn a_page_is_parsed_in_pieces_as_it_is_at_once() {
        let rows = "<tr><td class=\"é\">Ж &amp; b<p>c<b>d</td><td><a href=/x>ю</a></tr>".repeat(300);
        let page = format!(
            "<!DOCTYPE html><head><meta charset=utf-8><title>t</title><script>if (a < b) {{}}</script>\
                            <body><table>{rows}</table><!-- end -->"
        );
        assert_eq!(parse(&page).unwrap().html(), Html::parse_document(&page).html());
    }

    #[test]
    fn hostile_pages_end_at_a_limit() {
        let attributes: String = (0..60_000).map(|i| format!(" a{i}=1")).collect();
        let open: String = (0..30_000).map(|i| format!("<b a={i}>")).collect();
        for (name, page) in [
            ("deep", "<div>".repeat(800_000)),
            ("attributes", format!("<p{attributes}>").repeat(8)),
            ("formatting", format!("{open}{}", "<p>x".repeat(500_000))),
            ("links", "<a><table>".repeat(200_000)),
            ("many", "<br>".repeat(1_000_000)),
            ("foreign", "<svg><foreignObject>".repeat(100_000)),
        ] {
            let (class, detail) = parse(&page).expect_err(name);
            assert_eq!(class, FailureClass::TooLarge, "{name}: {detail}");
        }
    }

    #[test]
    fn usual_pages_are_far_from_the_limits() {
        let cards = "<div class=card><a href=/p><img src=x alt=y></a><ul><li>1<li>2</ul></div>".repeat(500);
        assert!(parse(&format!("{}{cards}", "<div>".repeat(400))).is_ok());
    }
}
