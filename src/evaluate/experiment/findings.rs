//! What was found, in sentences.

use std::fmt::Write as _;

use super::drawings::name;
use super::results::{Comparison, Estimate, Results};
use super::words::{short, whole_percent, with_interval};

/// The page's section of them.
pub fn findings(text: &mut String, results: &Results) {
    text.push_str("## What was found\n\n");
    for (arm, beside) in [("body", "text"), ("body", "ref"), ("body", "ip-adapter"), ("body", "dreambooth")] {
        if let Some(one) = results.beside(arm, beside) {
            let _ = writeln!(text, "- {}", sentence(one));
        }
    }
    if let Some(body) = results.arm("body") {
        let score = &body.body_score;
        let verdict = match (score.value, score.low) {
            (None, _) => {
                "means nothing here: the person's own photos are no nearer than another person's".to_owned()
            }
            (Some(_), Some(low)) if low > 0.0 => {
                format!(
                    "is {}: nearer to the person than somebody else of that sex and height is",
                    with_interval(score)
                )
            }
            (Some(value), _) if value > 0.0 => {
                format!("is {}: above another person's, but not surely", with_interval(score))
            }
            (Some(_), _) => format!(
                "is {}: the pictures are further from the person than somebody else of that sex and height is",
                with_interval(score)
            ),
        };
        let _ = writeln!(text, "- The body score of + body {verdict}.");
        let photos = &results.photos;
        let _ = writeln!(
            text,
            "- Of {} people, + body finds the right one in {} of the cases; chance is {}, their own photos {}.",
            results.provenance.plan.people,
            with_interval(&body.retrieval_at_1),
            short(photos.retrieval_at_1_chance),
            with_interval(&photos.retrieval_at_1_own)
        );
        if let Some(words) = results.beside("body", "text").and_then(|one| one.clip_t.value) {
            let _ = writeln!(
                text,
                "- The agreement with the words (CLIP-T) {} by {:.0} %.",
                if words < 0.0 { "falls" } else { "rises" },
                100.0 * words.abs()
            );
        }
    }
    text.push('\n');
}

fn sentence(one: &Comparison) -> String {
    let change = |of: &Estimate, what: &str| {
        let Some(value) = of.value else { return format!("{what} cannot be compared") };
        let direction = if value < 0.0 { "less" } else { "more" };
        match (of.low, of.high) {
            (Some(low), Some(high)) => {
                let sure = if low > 0.0 || high < 0.0 { "" } else { ", which may be chance" };
                format!(
                    "{what} {} % {direction} [{} to {} %]{sure}",
                    whole_percent(value.abs()),
                    whole_percent(low),
                    whole_percent(high)
                )
            }
            _ => format!("{what} {} % {direction}", whole_percent(value.abs())),
        }
    };
    format!(
        "**{} beside {}**: {}, {}.",
        name(&one.arm),
        name(&one.beside),
        change(&one.limb_ratio_error, "limb error"),
        change(&one.width_error, "width error")
    )
}
