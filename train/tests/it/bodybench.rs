//! BodyBench and the report on made-up people, whose readings are honest posteriors of a known
//! c_body.

use photo::{Joint, Joints};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use train::bodybench::{self, BenchInput, BodyBench, Estimate, Gaussian, LENGTHS, Person, Views, WIDTHS};
use train::report::{Chart, Grid, Level, Page, Picture, Row, Scale, Series, WorstPhoto};

const COUNTS: [usize; 5] = [1, 2, 4, 8, 16];
/// Of each person's c_body, what the body decides, what the looks decide, and what nothing decides.
const BODY: usize = 12;
const LOOKS: usize = 8;
const DEAD: usize = 4;
/// What one view adds to the precision.
const EVIDENCE: f64 = 0.6;

fn normal(rng: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| rng.random_range(-0.5..0.5f64)).sum()
}

/// The body decides twelve measures, one dimension each; the looks are `looks`.
fn person(rng: &mut ChaCha8Rng, looks: &[f64], family: usize) -> Person {
    let body: Vec<f64> = (0..BODY).map(|_| normal(rng)).collect();
    let truth: Vec<f64> = body.iter().chain(looks).copied().chain([0.0; DEAD]).collect();
    let measures: Vec<f32> = body.iter().map(|z| (0.2 + 0.01 * z) as f32).collect();
    let first = view(rng, &truth);
    let a = views(rng, &truth, &measures, first.clone());
    let second = view(rng, &truth);
    let b = views(rng, &truth, &measures, second);
    // eight copies, each weighted so that all together count as 1.2 views
    let copies = Some(product(&[first], 1.2));
    Person { measures, family, a, b, copies }
}

fn view(rng: &mut ChaCha8Rng, truth: &[f64]) -> Vec<f64> {
    let seen = |(dimension, z): (usize, &f64)| {
        if dimension < BODY + LOOKS { z + normal(rng) / EVIDENCE.sqrt() } else { 0.0 }
    };
    truth.iter().enumerate().map(seen).collect()
}

/// The product of the views' Gaussians, each counted `weight` times, and the prior.
fn product(views: &[Vec<f64>], weight: f64) -> Gaussian {
    let evidence = |dimension| if dimension < BODY + LOOKS { weight * EVIDENCE } else { 0.0 };
    let precision = |dimension| 1.0 + views.len() as f64 * evidence(dimension);
    let mean = |dimension: usize| {
        views.iter().map(|view| evidence(dimension) * view[dimension]).sum::<f64>() / precision(dimension)
    };
    let width = 0..views[0].len();
    Gaussian {
        mean: width.clone().map(|dimension| mean(dimension) as f32).collect(),
        precision: width.map(|dimension| precision(dimension) as f32).collect(),
    }
}

fn views(rng: &mut ChaCha8Rng, truth: &[f64], measures: &[f32], first: Vec<f64>) -> Views {
    let mut seen = vec![first];
    while seen.len() < 16 {
        seen.push(view(rng, truth));
    }
    let mut views = Views::default();
    for _ in 0..16 {
        let weighted: Vec<u8> = (0..3 * 16 * 16).map(|_| rng.random()).collect();
        views.push(joints(rng, measures), &weighted, 16);
    }
    for count in COUNTS {
        let single: Vec<Vec<f32>> =
            seen[..count].iter().map(|view| view.iter().map(|&value| value as f32).collect()).collect();
        views.estimates.push(Estimate::new(product(&seen[..count], 1.0), &single));
    }
    views
}

/// Someone who stands with the upper arms and thighs hanging, foreshortened at random; measures 0
/// and 2 are theirs.
fn joints(rng: &mut ChaCha8Rng, measures: &[f32]) -> Joints {
    let mut joints = Joints::default();
    let mut put = |joint: usize, x: f32, y: f32| joints.0[joint] = Joint { x, y, confidence: 0.9 };
    for (side, x) in [(0, 60.0), (1, 40.0)] {
        put(5 + side, x, 20.0);
        put(11 + side, x, 70.0);
        put(7 + side, x, 20.0 + 250.0 * measures[0] * rng.random_range(0.7..1.0f32));
        put(13 + side, x, 70.0 + 250.0 * measures[2] * rng.random_range(0.7..1.0f32));
    }
    joints
}

fn input(training: usize, bench: usize, families: usize) -> BenchInput {
    let rng = &mut ChaCha8Rng::seed_from_u64(11);
    let looks = |rng: &mut ChaCha8Rng| (0..LOOKS).map(|_| normal(rng)).collect::<Vec<f64>>();
    let mut crowd = |people: usize| -> Vec<Person> {
        (0..people)
            .map(|_| {
                let looks = looks(rng);
                person(rng, &looks, 0)
            })
            .collect()
    };
    let (training, bench) = (crowd(training), crowd(bench));
    let twins = (0..families).flat_map(|family| {
        let rng = &mut ChaCha8Rng::seed_from_u64(5000 + family as u64);
        let looks = looks(rng);
        (0..5).map(|_| person(rng, &looks, family)).collect::<Vec<_>>()
    });
    let others = ["height_m", "torso", "beard"];
    BenchInput {
        model: "3fa2c1d0e9b8".to_owned(),
        measures: LENGTHS.into_iter().chain(WIDTHS).chain(others).map(str::to_owned).collect(),
        view_counts: COUNTS.to_vec(),
        headline_views: 8,
        twins: twins.collect(),
        training,
        bench,
    }
}

fn figures_of(input: &BenchInput) -> BodyBench {
    bodybench::evaluate(input, 7).unwrap()
}

#[test]
fn honest_readings_of_bodies_get_the_figures_they_deserve() {
    let found = figures_of(&input(400, 60, 12));
    assert!(found.retrieval_at_1 > 0.95, "{}", found.retrieval_at_1);
    assert!(found.twins_retrieval_at_1 > 0.9, "{}", found.twins_retrieval_at_1);
    // of a unit variance, what eight views leave unexplained is 1/(1 + 8·0.6)
    let explained = 1.0 - 1.0 / 5.8;
    assert!((found.r2.lengths - explained).abs() < 0.06, "{}", found.r2.lengths);
    assert!((found.r2.widths - explained).abs() < 0.06, "{}", found.r2.widths);
    assert!((found.probe.leave_one_out_lengths - explained).abs() < 0.06);
    let [low, high] = found.intervals.figures.r2_lengths;
    assert!(low < found.r2.lengths && found.r2.lengths < high);

    // joints know two of the lengths, pixels nothing, the plain mean as much as the product, views
    // being alike
    assert!(found.baselines.joints.figures.r2_lengths > 0.15);
    assert!(found.baselines.joints.figures.r2_widths < 0.1);
    assert!(found.baselines.pixels.figures.retrieval_at_1 < 0.2);
    assert!((found.baselines.mean.figures.r2_lengths - found.r2.lengths).abs() < 0.01);
    for (_, above) in &found.intervals.above.named()[..2] {
        assert!(above.r2_widths[0] > 0.0 && above.retrieval_at_1[0] > 0.0, "{above:?}");
    }
    assert!(found.chance.retrieval_at_1 < 0.02 && (found.chance.twins_retrieval_at_1 - 0.2).abs() < 1e-12);
}

#[test]
fn sigma_shrinks_as_the_error_does_and_hardly_with_copies() {
    let found = figures_of(&input(400, 60, 6));
    let calibration = &found.calibration;
    assert_eq!(calibration.active_dimensions, BODY + LOOKS);
    assert_eq!(calibration.spearman_views, Some(1.0));
    for row in &calibration.by_views {
        let expected = (1.0 + row.views as f64 * EVIDENCE).powf(-0.5);
        assert!((row.sigma - expected).abs() < 1e-6);
        assert!((row.error / row.sigma - 1.0).abs() < 0.12, "{row:?}");
        assert!((row.disagreement.unwrap() - 1.0).abs() < 0.12, "{row:?}");
    }
    // σ of all dimensions has the dead ones in it, which stay at 1
    assert!(found.by_views[4].sigma > calibration.by_views[4].sigma + 0.05);
    let narrowing = found.copies.narrowing.unwrap();
    assert!(narrowing > 0.0 && narrowing < 0.2, "{narrowing}");
}

#[test]
fn the_json_has_the_shape_that_is_documented_and_is_read_back() {
    let found = figures_of(&input(60, 20, 4));
    let json = serde_json::to_value(&found).unwrap();
    for key in ["seed", "people", "retrieval_at_1", "twins_retrieval_at_1"] {
        assert!(json[key].is_number(), "{key}");
    }
    assert!(json["r2"]["lengths"].is_number() && json["r2"]["widths"].is_number());
    assert_eq!(json["r2"]["each"].as_object().unwrap().len(), 12);
    let views: Vec<u64> =
        json["by_views"].as_array().unwrap().iter().map(|row| row["views"].as_u64().unwrap()).collect();
    assert_eq!(views, [1, 2, 4, 8, 16]);
    let figures = ["retrieval_at_1", "twins_retrieval_at_1", "r2_lengths", "r2_widths"];
    for key in figures {
        assert!(json["by_views"][0][key].is_number());
        assert_eq!(json["intervals"][key].as_array().unwrap().len(), 2);
        for baseline in ["joints", "pixels", "mean"] {
            assert!(json["baselines"][baseline][key].is_number(), "{baseline} {key}");
            assert!(json["intervals"]["above"][baseline][key].is_array(), "{baseline} {key}");
        }
    }
    assert!(json["by_views"][0]["sigma"].is_number());
    assert_eq!(json["retrieval_at_1"], json["by_views"][3]["retrieval_at_1"]);
    assert_eq!(serde_json::from_str::<BodyBench>(&json.to_string()).unwrap(), found);
}

#[test]
fn the_same_people_give_the_same_figures_on_any_number_of_threads() {
    let input = input(60, 20, 4);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        serde_json::to_string(&pool.install(|| figures_of(&input))).unwrap()
    };
    assert_eq!(on(1), on(3));
    let other = bodybench::evaluate(&input, 8).unwrap();
    let found = figures_of(&input);
    assert_eq!(other.r2, found.r2);
    assert_ne!(other.intervals, found.intervals);
}

#[test]
fn what_would_give_figures_without_meaning_is_refused_by_name() {
    let good = input(10, 6, 2);
    type Change = dyn Fn(&mut BenchInput);
    let said = |change: &Change| {
        let mut bad = good.clone();
        change(&mut bad);
        bodybench::evaluate(&bad, 0).unwrap_err().to_string()
    };
    let cases: [(&Change, &str); 9] = [
        (
            &|bad| bad.bench[2].a.estimates[1].posterior.mean[3] = f32::NAN,
            "bench person 2: the mean of a posterior holds NaN",
        ),
        (
            &|bad| bad.training[4].a.estimates[0].posterior.precision[0] = 0.5,
            "training person 4: the precision of a posterior holds 0.5",
        ),
        (&|bad| bad.twins[1].b = Views::default(), "twin person 1 has 0 posteriors, 5 were expected"),
        (&|bad| bad.bench[0].copies = None, "bench person 0 has 0 posteriors of copies, 1 were expected"),
        (&|bad| bad.measures[2] = "knee".to_owned(), "measure `thigh` is missing"),
        (
            &|bad| bad.bench.iter_mut().for_each(|person| person.measures[4] = 0.2),
            "measure `shoulder_width` is the same in all bench people",
        ),
        (&|bad| bad.twins.truncate(6), "family 1 has one twin only"),
        (&|bad| bad.headline_views = 5, "the main one 5"),
        (&|bad| bad.training.truncate(2), "2 training people, at least 3 are needed"),
    ];
    for (change, expected) in cases {
        assert!(said(change).contains(expected), "{} for {expected}", said(change));
    }
}

#[test]
fn the_table_fits_a_terminal_of_80_columns() {
    let table = bodybench::table(&figures_of(&input(60, 20, 4)));
    println!("{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for part in ["c_body above", "joints", "pixels", "mean", "chance", "copies of one view", "shoulder_width"]
    {
        assert!(table.contains(part), "{part}");
    }
}

/// A picture that can be told from others.
fn picture(seed: u64, side: usize, caption: &str) -> Picture {
    let rng = &mut ChaCha8Rng::seed_from_u64(seed);
    let [r, g, b] = [0; 3].map(|_: u8| rng.random_range(60..220u8));
    let (x0, y0) = (rng.random_range(0.35..0.65) * side as f32, 0.2 * side as f32);
    let body = move |x: f32, y: f32| {
        let across = (x - x0).abs() / side as f32;
        let down = (y - y0) / side as f32;
        (down * down + across * across < 0.006) || (down > 0.08 && down < 0.7 && across < 0.13 - 0.1 * down)
    };
    let pixel = move |i: usize| {
        let (x, y) = ((i % side) as f32, (i / side) as f32);
        if body(x, y) { [r, g, b] } else { [225 - (i / side / 2) as u8, 225, 230] }
    };
    Picture::from_rgb((0..side * side).flat_map(pixel).collect(), side, side, caption)
}

fn page() -> Page {
    let rng = &mut ChaCha8Rng::seed_from_u64(2);
    let mut curve = |from: f64, to: f64, noise: f64, every: usize| -> Vec<(f64, f64)> {
        (1..=4000 / every)
            .map(|i| (i * every) as f64)
            .map(|step| (step, (to + (from - to) * (-step / 700.0).exp()) * (1.0 + noise * normal(rng))))
            .collect()
    };
    let chart = |title: &str, note: &str, series: Vec<Series>| Chart {
        title: title.to_owned(),
        note: note.to_owned(),
        x_label: "step".to_owned(),
        series,
        ..Chart::default()
    };
    let mut wild = curve(0.3, 0.08, 0.15, 1);
    (wild[1234].1, wild[900].1) = (40.0, f64::NAN);
    let train = Series::new("training", wild).smoothed();
    let held_out = Series::new("held-out views", curve(0.31, 0.1, 0.02, 200));
    let reconstruction = Chart {
        levels: vec![Level { y: 0.29, name: "mean image".to_owned() }],
        ..chart("Reconstruction", "Weighted by the distance to joints.", vec![train, held_out])
    };
    let rate = (1..=4000).map(|step| {
        let step = f64::from(step);
        (step, 3e-4 * (step / 200.0).min(1.0) * 0.5 * (1.0 + (step / 4000.0 * std::f64::consts::PI).cos()))
    });
    let charts = vec![
        reconstruction,
        chart("KL", "Nats per set of views.", vec![Series::new("KL", curve(2.0, 42.0, 0.05, 1)).smoothed()]),
        chart(
            "Contrast",
            "",
            vec![
                Series::new("training", curve(3.4, 0.3, 0.2, 1)).smoothed(),
                Series::new("held-out people", curve(3.4, 0.6, 0.02, 200)),
            ],
        ),
        Chart {
            y: Scale::Log,
            ..chart(
                "Gradient norm",
                "Before clipping.",
                vec![Series::new("norm", curve(9.0, 0.02, 0.3, 1)).smoothed()],
            )
        },
        chart("Learning rate", "", vec![Series::new("learning rate", rate.collect())]),
        chart("Waiting for data", "Seconds per step.", vec![Series::new("wait", Vec::new())]),
    ];
    let row = |person: u64| Row {
        label: format!("demo/person-{person} <held out>"),
        cells: (0..8)
            .map(|i| (i != 3).then(|| picture(person * 10 + i % 2, 128, if i > 4 { "pose <a>" } else { "" })))
            .collect(),
    };
    let columns = ["view", "view", "view", "", "held out", "decoded", "posed", "posed"];
    let worst = (0..5).map(|i| WorstPhoto {
        sha256: format!("{i}").repeat(64),
        identity: format!("demo/some-person-with-a-long-name-{i}"),
        loss: [0.4, 0.9, f64::NAN, 0.2, 0.7][i],
        thumbnail: (i != 1).then(|| picture(i as u64, 96, "")),
    });
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    Page {
        title: "vae-demo-9f31c0aa12de".to_owned(),
        lead: "A body-VAE, trained by bolid 0.1.0.".to_owned(),
        withdrawn: Some(
            "3 photos this run was trained on are erased since & the model has to be made anew.".to_owned(),
        ),
        tiles: vec![
            fact("steps", "4 000"),
            fact("photos", "12 480"),
            fact("parameters", "3.1 M"),
            fact("held-out loss", "0.104"),
        ],
        figures: String::new(),
        facts: vec![
            fact("snapshot", "demo-3fa2c1d0e9b8"),
            fact("seed", "7"),
            fact("program", "bolid 0.1.0"),
            fact("time", "9 min 12 s"),
            fact("command", "bolid train vae --config data/recipes/train-demo.toml"),
        ],
        config: "[model]\nlatent = 756 # <wide>\n".to_owned(),
        charts,
        grids: vec![Grid {
            title: "Views, and what is made of them".to_owned(),
            note: "Whoever is decoded should be the one who is seen, in the pose of the view held out."
                .to_owned(),
            columns: columns.map(str::to_owned).to_vec(),
            rows: vec![row(1), row(2)],
        }],
        worst: worst.collect(),
        bench: Some(figures_of(&input(200, 40, 8))),
    }
}

#[test]
fn the_report_has_every_section_and_needs_no_network() {
    let html = page().to_html();
    // kept beside the build, to be looked at
    std::fs::write(format!("{}/report.html", env!("CARGO_TARGET_TMPDIR")), &html).unwrap();
    for section in [
        "Withdrawn.",
        "Curves",
        "Pictures",
        "BodyBench",
        "highest loss",
        "Configuration",
        "Gradient norm",
        "nothing to show yet",
        "R² of each measure",
        "over joints",
        "σ and error",
        "demo-3fa2c1d0e9b8",
        "prefers-color-scheme: dark",
        "width=device-width",
    ] {
        assert!(html.contains(section), "{section}");
    }
    for outside in ["http:", "https:", "src=\"/", "<script", "<link", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    for markup in ["<held out>", "pose <a>", "<wide>", " & the"] {
        assert!(!html.contains(markup), "{markup}");
    }
    let order =
        [2, 1, 4, 0, 3].map(|i| html.find(&format!("bolid explain {}", format!("{i}").repeat(64))).unwrap());
    assert!(order.is_sorted(), "worst first, what is no number before all: {order:?}");
    assert!(!html.contains("NaN\""));
    assert!(html.len() < 600_000, "{} bytes", html.len());
}

#[test]
fn an_empty_report_is_a_page_all_the_same() {
    let html = Page { title: "new".to_owned(), ..Page::default() }.to_html();
    assert!(html.contains("<h1>new</h1>") && html.ends_with("</html>\n"));
    assert!(!html.contains("<h2"));
}
