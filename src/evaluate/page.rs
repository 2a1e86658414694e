//! The figures as a page.

use train::report::{Chart, Grid, Page, Series};

use super::figures::{ConditionFigures, Evaluation, Figure};
use super::table::table;

/// The file's name.
pub const FILE: &str = "evaluation.html";

/// The page: tiles, the trade-off, pictures, all figures.
pub fn page(evaluation: &Evaluation, sheet: Grid) -> Page {
    let provenance = &evaluation.provenance;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    // The last weight that was asked for.
    let last = |name: &str| evaluation.conditions.iter().rfind(|one| one.condition == name);
    let (text, body) = (last("text"), last("body"));
    let tile = |name: &str, figure: Option<&Figure>| {
        let value =
            figure.and_then(|figure| figure.value).map_or("–".to_owned(), |value| format!("{value:.2}"));
        (name.to_owned(), value)
    };
    Page {
        title: format!("Evaluation of {}", provenance.adapter),
        lead: format!(
            "{} people ({}). A body score of 0 is another person of the same sex and height, 1 the person's \
             own other photos.",
            evaluation.people, provenance.people
        ),
        tiles: vec![
            tile("body score", body.map(|one| &one.body_score)),
            tile("limb error", body.map(|one| &one.limb_ratio_error)),
            tile("… by text alone", text.map(|one| &one.limb_ratio_error)),
            tile("retrieval@1", body.map(|one| &one.retrieval_at_1)),
        ],
        facts: vec![
            fact("base", format!("{} {}", provenance.models.base.path, provenance.models.base.sha256)),
            fact("body-VAE", provenance.body_vae.to_string()),
            fact("CLIP", provenance.clip.to_string()),
            fact("pose model", provenance.pose_model.map_or("–".to_owned(), |digest| digest.to_string())),
            fact("pictures and photos", format!("{} px", provenance.size_px)),
            fact(
                "sampler",
                format!(
                    "{}, {} steps, guidance {}",
                    provenance.scheduler, provenance.steps, provenance.guidance
                ),
            ),
            fact("program", provenance.program_version.clone()),
        ],
        figures: table(evaluation),
        charts: vec![trade_off(evaluation)],
        grids: vec![sheet],
        ..Page::default()
    }
}

/// What is gained in the body, and lost in the words, along λ_body.
fn trade_off(evaluation: &Evaluation) -> Chart {
    let mut references: Vec<f64> = evaluation.conditions.iter().map(|one| one.lambda_ref).collect();
    references.sort_by(f64::total_cmp);
    references.dedup();
    Chart {
        title: "Body against words".to_owned(),
        note: "What the body gains along its weight, and what the agreement with the prompt loses."
            .to_owned(),
        x_label: "λ_body".to_owned(),
        series: references.into_iter().flat_map(|lambda_ref| draw_lines(evaluation, lambda_ref)).collect(),
        ..Chart::default()
    }
}

fn draw_line(
    evaluation: &Evaluation,
    lambda_ref: f64,
    name: &str,
    of: fn(&ConditionFigures) -> Option<f64>,
) -> Series {
    let on_line = evaluation.conditions.iter().filter(|one| one.lambda_ref == lambda_ref);
    let mut points: Vec<(f64, f64)> = on_line.filter_map(|one| Some((one.lambda_body, of(one)?))).collect();
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    Series::new(format!("{name}, λ_ref {lambda_ref}"), points)
}

fn draw_lines(evaluation: &Evaluation, lambda_ref: f64) -> [Series; 2] {
    [
        draw_line(evaluation, lambda_ref, "body score", |one| one.body_score.value),
        draw_line(evaluation, lambda_ref, "CLIP-T", |one| one.clip_t.value).dashed(),
    ]
}
