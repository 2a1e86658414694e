//! What was found, in sentences.

use std::fmt::Write as _;

use super::charts::name;
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
        let _ = writeln!(text, "- The body score of + body {}.", verdict(&body.body_score));
        let photos = &results.photos;
        let _ = writeln!(
            text,
            "- Of {} people, + body finds the right one in {} of the cases; chance is {}, their own photos {}.",
            results.provenance.plan.people,
            with_interval(&body.retrieval_at_1),
            short(photos.retrieval_at_1_chance),
            with_interval(&photos.retrieval_at_1_own)
        );
        if let Some(one) = results.beside("body", "text") {
            let _ = writeln!(text, "- {}.", change(&one.clip_t, "Agreement with the words (CLIP-T)"));
        }
    }
    text.push('\n');
}

/// What a body score says: no more than its interval does.
fn verdict(score: &Estimate) -> String {
    let Some(value) = score.value else {
        return "means nothing here: the person's own photos are no nearer than another person's".to_owned();
    };
    let than = "the person than somebody else of that sex and height is";
    let said = match (score.low, score.high) {
        (Some(low), _) if low > 0.0 => format!("the pictures are nearer to {than}"),
        (_, Some(high)) if high < 0.0 => format!("the pictures are further from {than}"),
        _ if value > 0.0 => "above another person's, which may be chance".to_owned(),
        _ => "not above another person's, which may be chance".to_owned(),
    };
    format!("is {}: {said}", with_interval(score))
}

fn change(of: &Estimate, what: &str) -> String {
    let Some(value) = of.value else { return format!("{what} cannot be compared") };
    let share = whole_percent(value.abs());
    let direction = if share == "0" {
        "changes by less than 1 %".to_owned()
    } else {
        format!("{share} % {}", if value < 0.0 { "less" } else { "more" })
    };
    match (of.low, of.high) {
        (Some(low), Some(high)) => {
            let sure = if low > 0.0 || high < 0.0 { "" } else { ", which may be chance" };
            format!("{what} {direction} [{} to {} %]{sure}", whole_percent(low), whole_percent(high))
        }
        _ => format!("{what} {direction}"),
    }
}

fn sentence(one: &Comparison) -> String {
    format!(
        "**{} beside {}**: {}, {}.",
        name(&one.arm),
        name(&one.beside),
        change(&one.limb_ratio_error, "limb error"),
        change(&one.width_error, "width error")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimate(value: f64, low: f64, high: f64) -> Estimate {
        Estimate { value: Some(value), low: Some(low), high: Some(high), people: 12, by_training: Vec::new() }
    }

    #[test]
    fn a_sentence_says_no_more_than_the_interval() {
        let said = |value, low, high| verdict(&estimate(value, low, high));
        assert!(said(0.4, 0.1, 0.7).contains("nearer"));
        assert!(said(-0.4, -0.7, -0.1).contains("further"));
        assert_eq!(
            said(-0.4, -1.0, 0.2),
            "is −0.40 [−1.00, 0.20]: not above another person's, which may be chance"
        );
        assert!(said(0.4, -0.1, 0.9).ends_with("above another person's, which may be chance"));
        assert!(verdict(&Estimate::default()).starts_with("means nothing"));
        let changed = |value, low, high| change(&estimate(value, low, high), "CLIP-T");
        assert_eq!(changed(-0.06, -0.09, -0.03), "CLIP-T 6 % less [−9 to −3 %]");
        assert_eq!(changed(0.06, -0.02, 0.1), "CLIP-T 6 % more [−2 to 10 %], which may be chance");
        let barely = changed(-0.004, -0.02, 0.01);
        assert_eq!(barely, "CLIP-T changes by less than 1 % [−2 to 1 %], which may be chance");
    }
}
