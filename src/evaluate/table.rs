//! The figures as text for a terminal of 80 columns.

use std::fmt::Write as _;

use super::condition::Condition;
use super::figures::{CLIP, ConditionFigures, Evaluation, Figure, SetDistance};

/// Conditions side by side.
const ACROSS: usize = 3;
/// Characters of a column.
const COLUMN: usize = 21;

/// Rows of figures, a column for each condition.
pub fn table(evaluation: &Evaluation) -> String {
    let mut text = String::new();
    let provenance = &evaluation.provenance;
    let _ = writeln!(text, "{} people: {}", evaluation.people, provenance.people);
    let _ = writeln!(
        text,
        "c_body of {} photos; {} prompts × {} seeds, {} steps, guidance {}\n",
        provenance.views,
        provenance.prompts.len(),
        provenance.seeds.len(),
        provenance.steps,
        provenance.guidance
    );
    for part in evaluation.conditions.chunks(ACROSS) {
        columns(&mut text, part);
    }
    let anchors = &evaluation.anchors;
    let _ = writeln!(text, "photos             the person's own   another person");
    for (name, own, other) in [
        ("limb ratio error", &anchors.limb_ratio_error_ceiling, &anchors.limb_ratio_error_floor),
        ("width error", &anchors.width_error_ceiling, &anchors.width_error_floor),
    ] {
        let _ = writeln!(text, "{name:<19}{:<19}{}", with_interval(own), with_interval(other));
    }
    let own = with_interval(&anchors.retrieval_at_1_ceiling);
    let _ = writeln!(text, "{:<19}{own:<19}{:.2} by chance", "retrieval@1", anchors.retrieval_at_1_chance);
    if let Some(prior) = &evaluation.prior_bodies {
        let _ = writeln!(
            text,
            "\n{} people whom nobody photographed: retrieval@1 {}, {:.2} by chance",
            prior.count,
            with_interval(&prior.retrieval_at_1),
            prior.chance
        );
    }
    if let Some(note) = evaluation.conditions.iter().find_map(|one| one.fid.note.as_ref()) {
        let whose = match provenance.feature_network.as_str() {
            CLIP => "CLIP's features, not Inception's",
            network => &format!("the features of {network}"),
        };
        let _ = writeln!(text, "\nKID and FID are of {whose}. FID is\n{note}.");
    }
    if let Some(score) = evaluation.conditions.iter().find_map(|one| one.inception_score.as_ref()) {
        let _ = writeln!(text, "The Inception score is {}.", score.note.replace(": ", ":\n"));
    }
    text.push_str("In brackets 95 % of draws of people.");
    text
}

fn columns(text: &mut String, conditions: &[ConditionFigures]) {
    type Cell = fn(&ConditionFigures) -> String;
    let rows: [(&str, Cell); 14] = [
        ("person found", |one| format!("{:.2}", one.person_found)),
        ("limb ratio error", |one| with_interval(&one.limb_ratio_error)),
        ("… of people", |one| one.limb_ratio_error.people.to_string()),
        ("width error", |one| with_interval(&one.width_error)),
        ("body score", |one| with_interval(&one.body_score)),
        ("retrieval@1", |one| with_interval(&one.retrieval_at_1)),
        ("OKS-AP of pose", |one| short(one.pose_oks_ap)),
        ("PCK of pose", |one| short(one.pose_pck.value)),
        ("CLIP-T", |one| short(one.clip_t.value)),
        ("CLIP-I", |one| short(one.clip_i.value)),
        ("ground copied", |one| short(one.background_leak.value)),
        ("diversity", |one| short(one.diversity.value)),
        ("KID / FID", |one| format!("{} / {}", of_set(&one.kid), of_set(&one.fid))),
        ("Inception score", |one| short(one.inception_score.as_ref().map(|score| score.value))),
    ];
    let labels = conditions
        .iter()
        .map(|one| Condition { lambda_body: one.lambda_body, lambda_ref: one.lambda_ref }.label());
    let _ = writeln!(
        text,
        "{:<17}{}",
        "",
        labels.map(|label| format!("{label:<COLUMN$}")).collect::<String>().trim_end()
    );
    for (name, cell) in rows {
        let cells: String = conditions.iter().map(|one| format!("{:<COLUMN$}", cell(one))).collect();
        let _ = writeln!(text, "{name:<17}{}", cells.trim_end());
    }
    text.push('\n');
}

/// `.06 [.05, .07]`.
fn with_interval(figure: &Figure) -> String {
    match (figure.low, figure.high) {
        (Some(low), Some(high)) => format!("{} [{}, {}]", short(figure.value), tight(low), tight(high)),
        _ => short(figure.value),
    }
}

fn of_set(distance: &SetDistance) -> String {
    distance.value.map_or("–".to_owned(), tight)
}

fn short(value: Option<f64>) -> String {
    value.map_or("–".to_owned(), tight)
}

/// Two places, without the zero before the point, and none from 10 on: a column is narrow.
fn tight(value: f64) -> String {
    let text = if value.abs() < 9.995 { format!("{value:.2}") } else { format!("{value:.0}") };
    match text.strip_prefix("-0.") {
        Some(rest) => format!("-.{rest}"),
        None => text.strip_prefix("0.").map_or(text.clone(), |rest| format!(".{rest}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short_enough_for_a_column() {
        let texts = [0.061, -0.3, 1.0, -13.42, 9.996].map(tight);
        assert_eq!(texts, [".06", "-.30", "1.00", "-13", "10"]);
        for [low, value, high] in [[-0.2, -0.12, 0.1], [-9.99, -9.98, -9.97], [-146.28, -13.42, -6.7]] {
            let figure =
                Figure { value: Some(value), low: Some(low), high: Some(high), worst_tenth: None, people: 3 };
            assert!(with_interval(&figure).chars().count() < COLUMN, "{}", with_interval(&figure));
        }
    }
}
