//! How long `bolid judge --dry-run` takes over a catalog of many photos, program start and all: `make bench`, or
//! `cargo run --release --example judge_speed [PHOTOS]` after `cargo build --release`.

mod many;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

const ROUNDS: usize = 3;

#[tokio::main]
async fn main() -> Result<()> {
    let count = std::env::args().nth(1).map_or(Ok(100_000), |count| count.parse())?;
    let folder = tempfile::tempdir()?;
    let work = folder.path().join("work");
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let models = project.join("data/models/models.toml");
    let recipe = folder.path().join("recipe.toml");
    let text = format!(
        "name = \"many\"\nmodels = {models:?}\n[[imports]]\nname = \"many\"\npath = \".\"\n[rules]\nmin_photos = 20\n"
    );
    fs::write(&recipe, text)?;
    many::fill(&work, &models, count, None).await.context("fill a catalog")?;
    let program = std::env::current_exe()?;
    let program = program.parent().and_then(Path::parent).context("where the program is")?.join("bolid");
    let judge = |arguments: &[&str]| -> Result<f64> {
        let start = Instant::now();
        let mut command = Command::new(&program);
        command.arg("judge").args(arguments).arg("--workdir").arg(&work).arg("--recipe").arg(&recipe);
        let output = command.output().with_context(|| format!("run {}", program.display()))?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(start.elapsed().as_secs_f64())
    };
    println!("judge and store {count} photos: {:.2} s", judge(&[])?);
    for threshold in ["0.5", "0.3"] {
        let set = format!("rules.watermark.max_score={threshold}");
        let rounds = (0..ROUNDS).map(|_| judge(&["--dry-run", "--set", &set])).collect::<Result<Vec<_>>>()?;
        let fastest = rounds.into_iter().fold(f64::INFINITY, f64::min);
        println!("judge --dry-run --set {set}: {fastest:.2} s for {count} photos");
    }
    Ok(())
}
