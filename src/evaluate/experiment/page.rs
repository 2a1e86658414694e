//! `docs/experiment.md`: what was found, in Markdown, from results alone.

use std::fmt::Write as _;

use super::charts::{FOLDER, files, name};
use super::findings::findings;
use super::results::{ArmFigures, Estimate, Results};
use super::trainings::{Kind, Trained};
use super::words::{bold, counted, percent, short, signed_short, with_interval};

/// The picture of people.
pub const PICTURES: &str = "pictures.png";

/// Figures that one arm is compared with another by.
const FIGURES_COMPARED: usize = 5;

/// The page's text.
pub fn page(results: &Results) -> String {
    let mut text = String::new();
    introduction(&mut text, results);
    findings(&mut text, results);
    table(&mut text, results);
    charts(&mut text);
    comparisons(&mut text, results);
    by_views(&mut text, results);
    pictures(&mut text, results);
    judges(&mut text, results);
    limits(&mut text, results);
    made_by(&mut text, results);
    text
}

fn introduction(text: &mut String, results: &Results) {
    let plan = &results.provenance.plan;
    let _ = write!(
        text,
        "# The experiment\n\n\
         `bolid experiment` wrote this page (plan `{}`); do not edit it.\n\n\
         {} synthetic people, whom no training of an adapter has seen{}; {} of clothes × {} each. Pictures are \
         compared with {} photos of the person in clothes that no given photo shows, and the prompts name \
         others again: clothes say nothing of whom a picture shows. Everybody has noise of their own for each \
         prompt, the same in every way of drawing.\n\n",
        plan.name,
        plan.people,
        match results.provenance.body_vae_run {
            Some(_) => ", nor that of the body-VAE",
            None => " (whom the body-VAE saw is not known: its run was not in the work folder)",
        },
        counted(plan.prompts.len(), "prompt"),
        counted(plan.seeds as usize, "seed"),
        plan.held_out
    );
    let trainings = plan.training_seeds.len();
    let dreambooth = results.arm("dreambooth").map_or(0, |arm| arm.photos);
    let _ = write!(
        text,
        "| | what draws | photos of the person | trainings |\n|---|---|---|---|\n\
         | text alone | the plain base: nobody in particular | 0 | – |\n\
         | + ref | the adapter's reference stream | 1 | {trainings} |\n\
         | + body | the adapter's body stream | {views} | {trainings} |\n\
         | + both | both streams | {views} | {trainings} |\n\
         | IP-Adapter | a reference stream alone, trained by IP-Adapter's recipe: see below | 1 | {trainings} |\n\
         | DreamBooth | the base with a LoRA of rank {} for this one person, with prior preservation (paper \
         eq. 8) | {dreambooth} | one a person |\n\n\
         IP-Adapter's recipe is the adapter's configuration with {} set over it.\n\n",
        results.provenance.dreambooth_rank,
        settings(&plan.ip_adapter.set),
        views = plan.views,
    );
}

/// `a=1`, `b=2`, as they were set.
fn settings(set: &[String]) -> String {
    match set {
        [] => "nothing".to_owned(),
        set => set.iter().map(|one| format!("`{one}`")).collect::<Vec<_>>().join(", "),
    }
}

fn table(text: &mut String, results: &Results) {
    text.push_str(
        "## The table\n\nIn brackets 95 % of draws of people and of trainings. Limbs, widths and the body \
         score are of pictures in which the joints of a torso are sure, fewer than those in which somebody is \
         found: read them beside that share.\n\n",
    );
    let mut header = "| |".to_owned();
    for arm in &results.arms {
        let _ = write!(header, " {} |", name(&arm.arm));
    }
    let _ = writeln!(text, "{header} own photos | another person |");
    let _ = writeln!(text, "|---|{}", "---|".repeat(results.arms.len() + 2));
    let photos = &results.photos;
    let none = String::new;
    let row =
        |text: &mut String, name: &str, cell: &dyn Fn(&ArmFigures) -> String, own: String, other: String| {
            let cells: Vec<String> = results.arms.iter().map(cell).collect();
            let _ = writeln!(text, "| {name} | {} | {own} | {other} |", cells.join(" | "));
        };
    row(text, "a person found", &|arm| short(arm.person_found), short(photos.person_found), none());
    row(
        text,
        "limb-ratio error ↓",
        &|arm| with_interval(&arm.limb_ratio_error),
        with_interval(&photos.limb_ratio_error_own),
        with_interval(&photos.limb_ratio_error_other),
    );
    row(
        text,
        "width error ↓",
        &|arm| with_interval(&arm.width_error),
        with_interval(&photos.width_error_own),
        with_interval(&photos.width_error_other),
    );
    row(text, "body score ↑", &|arm| with_interval(&arm.body_score), "1".to_owned(), "0".to_owned());
    row(
        text,
        "retrieval@1 ↑",
        &|arm| with_interval(&arm.retrieval_at_1),
        with_interval(&photos.retrieval_at_1_own),
        format!("{} (chance)", short(photos.retrieval_at_1_chance)),
    );
    row(text, "CLIP-T ↑", &|arm| with_interval(&arm.clip_t), none(), none());
    row(text, "CLIP-I ↑", &|arm| with_interval(&arm.clip_i), none(), none());
    row(text, "ground copied ↓", &|arm| with_interval(&arm.background_leak), none(), none());
    text.push('\n');
    let of_each: Vec<&ArmFigures> = results.arms.iter().filter(|arm| arm.trainings > 1).collect();
    if of_each.iter().any(|arm| !arm.limb_ratio_error.by_training.is_empty()) {
        let seeds: Vec<String> = results.provenance.plan.training_seeds.iter().map(u64::to_string).collect();
        let _ = writeln!(text, "By training, from the seeds {}:\n", seeds.join(", "));
        let _ = writeln!(text, "| | limb-ratio error | width error | retrieval@1 |\n|---|---|---|---|");
        for arm in of_each {
            let list = |of: &Estimate| {
                let values = of.by_training.iter().map(|value| value.map_or("–".to_owned(), short));
                values.collect::<Vec<_>>().join(", ")
            };
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} |",
                name(&arm.arm),
                list(&arm.limb_ratio_error),
                list(&arm.width_error),
                list(&arm.retrieval_at_1)
            );
        }
        text.push('\n');
    }
}

fn charts(text: &mut String) {
    text.push_str("Small dots are the trainings.\n\n| | |\n|---|---|\n");
    let files: Vec<String> = files().into_iter().map(|(by_arm, _)| by_arm).collect();
    for pair in files.chunks(2) {
        let cells: Vec<String> = pair.iter().map(|file| image(file)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}

fn image(file: &str) -> String {
    format!("![{}]({FOLDER}/{file})", file.trim_end_matches(".svg").replace('-', " "))
}

fn comparisons(text: &mut String, results: &Results) {
    let intervals = FIGURES_COMPARED * results.comparisons.len();
    let _ = write!(
        text,
        "## One beside another\n\nThe one's figure in relation to the other's, on the same people: −10 % is a \
         tenth less. Who is found in no picture of the one or of the other counts on neither side; the last \
         column says how many are left, for limbs, widths and the body score. In bold where the interval does \
         not hold 0. These are {intervals} intervals of 95 %, each by itself: where nothing differs at all, \
         some {:.0} of them would be in bold by chance.\n\n\
         | | limb-ratio error | width error | body score, difference | retrieval@1, difference | CLIP-T | people |\n\
         |---|---|---|---|---|---|---|\n",
        intervals as f64 * 0.05
    );
    for one in &results.comparisons {
        let _ = writeln!(
            text,
            "| {} beside {} | {} | {} | {} | {} | {} | {}, {}, {} |",
            name(&one.arm),
            name(&one.beside),
            bold(&one.limb_ratio_error, percent),
            bold(&one.width_error, percent),
            bold(&one.body_score, signed_short),
            bold(&one.retrieval_at_1, signed_short),
            bold(&one.clip_t, percent),
            one.limb_ratio_error.people,
            one.width_error.people,
            one.body_score.people
        );
    }
    text.push('\n');
}

fn by_views(text: &mut String, results: &Results) {
    text.push_str(
        "## By the number of photos\n\n+ body, with c_body of more and more photos of the person.\n\n",
    );
    text.push_str(
        "| photos | limb-ratio error | width error | body score | retrieval@1 |\n|---|---|---|---|---|\n",
    );
    for arm in &results.by_views {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            arm.photos,
            with_interval(&arm.limb_ratio_error),
            with_interval(&arm.width_error),
            with_interval(&arm.body_score),
            with_interval(&arm.retrieval_at_1)
        );
    }
    text.push_str("\n| | |\n|---|---|\n");
    let files: Vec<String> = files().into_iter().map(|(_, by_views)| by_views).collect();
    for pair in files.chunks(2) {
        let cells: Vec<String> = pair.iter().map(|file| image(file)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text.push('\n');
}

fn pictures(text: &mut String, results: &Results) {
    let sheet = &results.pictures;
    if sheet.sha256.is_none() {
        return;
    }
    let _ = write!(
        text,
        "## Pictures\n\n![people by ways of drawing them]({FOLDER}/{PICTURES})\n\n\
         A person a row. From left to right: {}. The first prompt, in each row from one noise.\n\n",
        sheet.columns.join(", ")
    );
}

fn judges(text: &mut String, results: &Results) {
    let _ = write!(
        text,
        "## What the judges can tell\n\nPhotos alone, no picture: how far the limbs in some photos of a person \
         are from those in the {} held-out ones, and from another person's of the same sex and nearest height; \
         and how often one's own are nearer than somebody else's (0.5 is guessing). `bolid evaluate` and this \
         page take the median.\n\n\
         | a limb over its photos | photos | own | another person | told apart |\n|---|---|---|---|---|\n",
        results.provenance.plan.held_out
    );
    let known = |value: Option<f64>| value.map_or("–".to_owned(), |value| format!("{value:.3}"));
    for one in &results.photos.limb_statistics {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            one.statistic,
            one.photos,
            known(one.own),
            known(one.other),
            known(one.told_apart)
        );
    }
    text.push('\n');
}

fn limits(text: &mut String, results: &Results) {
    let provenance = &results.provenance;
    let size = provenance.size_px;
    let trainings = provenance.plan.training_seeds.len();
    // A bootstrap of n has √((n − 1)/n) of the deviation.
    let too_small = 100.0 * (1.0 - (1.0 - 1.0 / trainings.max(1) as f64).sqrt());
    let of_trainings = match trainings {
        1 => ", and say nothing of other trainings".to_owned(),
        many => format!(", and bootstrap over {many} trainings makes their share {too_small:.0} % too small"),
    };
    let _ = write!(
        text,
        "## What limits it\n\n{}\
         - The base draws {size} px. A torso is then some {} px long, and an error of a pixel some {} % of it: \
         joints of pictures and photos alike are that rough.\n\
         - The people are drawn, not photographed: they vary as `synth` lets them, in one studio.\n\
         - {} people and {}: intervals are wide{of_trainings}.\n\
         - Learning rate, steps and batch are the same for all adapters{}, chosen for ours. IP-Adapter's own \
         (10⁻⁴, a million steps of 64) would teach nothing in so few steps; its K and V begin as the base's \
         here too.\n\
         - DreamBooth is one training a person, not repeated from other seeds.\n\
         - c_body is read off the pictures by the body-VAE that made it: retrieval says that it arrives, not \
         that people would agree. The pose model that limbs and widths are read by was never trained \
         against.\n\n",
        of_base(results),
        size * 3 / 10,
        (100.0 / (size as f64 * 0.3)).round(),
        provenance.plan.people,
        counted(trainings, "training"),
        but_for(&provenance.plan.ip_adapter.set),
    );
}

/// Whether the plain base's bodies are further from anybody's than people are from each other.
fn of_base(results: &Results) -> String {
    let plain = results.arms.iter().find(|arm| arm.arm == "text");
    let limbs = plain.and_then(|arm| arm.limb_ratio_error.value);
    match (plain, limbs, results.photos.limb_ratio_error_other.value) {
        (Some(plain), Some(limbs), Some(other)) if other > 0.0 && limbs > 2.0 * other => format!(
            "- **The base draws bodies that nobody has.** Limbs in the plain base's pictures are {limbs:.2} \
             off, {:.0} times as far as another person's photos are, and somebody is found in {:.0} % of its \
             pictures. Limbs and the body score therefore say more of the base than of any stream; widths and \
             the words are nearer to being fair.\n",
            limbs / other,
            100.0 * plain.person_found
        ),
        _ => String::new(),
    }
}

/// In what of its loop IP-Adapter's recipe departs from the adapter's.
fn but_for(set: &[String]) -> String {
    let is_of_loop = |one: &&String| one.starts_with("fit.") || one.starts_with("samples.batch");
    let theirs: Vec<String> = set.iter().filter(is_of_loop).cloned().collect();
    match theirs.is_empty() {
        true => String::new(),
        false => format!(" but for IP-Adapter's {}", settings(&theirs)),
    }
}

fn made_by(text: &mut String, results: &Results) {
    let provenance = &results.provenance;
    let plan = &provenance.plan;
    let list = |of: Vec<String>| of.join(", ");
    let _ = write!(
        text,
        "## Made by\n\n| | |\n|---|---|\n| program | bolid {} |\n| people | seed {}, {} of them |\n| base | `{}` {} |\n\
         | body-VAE | {} |\n| CLIP | {} |\n| pose model | {} |\n\
         | pictures | {size} × {size} px, {}, {} steps, guidance {}, λ_b {}, λ_ref {}, seeds from {}, computed \
         in {} |\n",
        provenance.program_version,
        plan.people_seed,
        plan.people,
        provenance.base,
        provenance.base_sha256.short(),
        provenance.body_vae.short(),
        provenance.clip.short(),
        provenance.pose_model.map_or("–".to_owned(), |digest| digest.short()),
        provenance.scheduler,
        plan.steps,
        plan.guidance,
        plan.lambda_body,
        plan.lambda_ref,
        plan.seed,
        provenance.compute,
        size = provenance.size_px,
    );
    let of = |kind: Kind| provenance.trainings.iter().filter(move |one| one.what == kind);
    let _ = writeln!(text, "| adapters | {} |", list(of(Kind::Adapter).map(describe_training).collect()));
    let _ =
        writeln!(text, "| IP-Adapters | {} |", list(of(Kind::IpAdapter).map(describe_training).collect()));
    let dreambooths: Vec<&Trained> = of(Kind::Dreambooth).collect();
    if let Some(first) = dreambooths.first() {
        let steps = first.steps.map_or(String::new(), |steps| format!(" of {steps} steps"));
        let _ =
            writeln!(text, "| DreamBooth | {} trainings{steps}, seed {} |", dreambooths.len(), first.seed);
    }
    for (what, training) in [("the adapter", &plan.adapter.set), ("DreamBooth", &plan.dreambooth.set)] {
        let _ = write!(text, "\nSet over {what}'s configuration: {}.\n", settings(training));
    }
    text.push_str("\nPrompts: ");
    text.push_str(&list(plan.prompts.iter().map(|prompt| format!("`{prompt}`")).collect()));
    text.push_str(".\n");
}

fn describe_training(one: &Trained) -> String {
    let id = one.run.as_deref().unwrap_or("unknown");
    let how = match (one.was_given, one.steps) {
        (true, _) => ", given".to_owned(),
        (false, Some(steps)) => format!(", {steps} steps"),
        (false, None) => String::new(),
    };
    format!("seed {} (run {id}{how})", one.seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_recipe_sets_is_said_and_what_it_sets_of_the_loop_as_such() {
        let set = |of: &[&str]| -> Vec<String> { of.iter().map(|&one| one.to_owned()).collect() };
        let own = set(&["samples.reference=\"target\"", "dropout.text=0.1"]);
        assert_eq!(settings(&own), "`samples.reference=\"target\"`, `dropout.text=0.1`");
        assert_eq!([settings(&[]), but_for(&own)], ["nothing", ""]);
        let faster = set(&["dropout.text=0.1", "fit.learning_rate=1e-3", "samples.batch=4"]);
        assert_eq!(but_for(&faster), " but for IP-Adapter's `fit.learning_rate=1e-3`, `samples.batch=4`");
    }
}
