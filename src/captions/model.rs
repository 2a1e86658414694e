//! Asking a captioning model on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use caption::{ModelSettings, picture};
use catalog::Catalog;
use catalog::caption::CaptionResult;
use photo::{CaptionFailure, Digest};
use tokio::sync::mpsc;
use train::Device;
use train::captioner::Captioner;

use super::report::Report;
use crate::progress;

/// Texts that wait to be stored.
const WAITING_TEXTS: usize = 16;

/// Asks about the photos.
pub async fn run(
    catalog: &Arc<Catalog>,
    settings: ModelSettings,
    folder: PathBuf,
    source: Digest,
    device: Device,
    due: Vec<Digest>,
) -> Result<Report> {
    let bar = progress::stage("caption", due.len() as u64, "photos");
    let (sender, mut said) = mpsc::channel(WAITING_TEXTS);
    let worker = tokio::task::spawn_blocking({
        let catalog = Arc::clone(catalog);
        move || caption_all(&catalog, &settings, &folder, &device, &due, &sender)
    });
    let mut report = Report::default();
    while let Some((sha256, said)) = said.recv().await {
        catalog.record_caption(sha256, source, &said, 0).await?;
        match said {
            Ok(_) => report.captioned += 1,
            Err((class, _)) => *report.failures.entry(class).or_default() += 1,
        }
        bar.inc(1);
    }
    worker.await.context("caption photos")??;
    bar.finish_and_clear();
    Ok(report)
}

/// One photo at a time, each on all cores: in a batch, sums in another order could lead to another word.
fn caption_all(
    catalog: &Catalog,
    settings: &ModelSettings,
    folder: &Path,
    device: &Device,
    due: &[Digest],
    sender: &mpsc::Sender<(Digest, CaptionResult)>,
) -> Result<()> {
    let captioner = Captioner::open(folder, device)
        .with_context(|| format!("open the captioning model in {}", folder.display()))?;
    for &sha256 in due {
        let said = caption(catalog, settings, &captioner, sha256)
            .with_context(|| format!("caption photo {sha256}"))?;
        sender.blocking_send((sha256, said)).context("the captions can no longer be stored")?;
    }
    Ok(())
}

fn caption(
    catalog: &Catalog,
    settings: &ModelSettings,
    captioner: &Captioner,
    sha256: Digest,
) -> Result<CaptionResult> {
    let bytes = catalog.blobs().read(sha256)?;
    let photo = match curate::preview(&bytes, picture::LONGER_PX) {
        Ok(photo) => photo,
        Err(error) => return Ok(Err((CaptionFailure::Unreadable, error.to_string()))),
    };
    let texts = captioner.caption(&[photo], settings.prompt.as_deref(), settings.answer_tokens)?;
    let text = texts.into_iter().next().unwrap_or_default().trim().to_owned();
    Ok(if text.is_empty() {
        Err((CaptionFailure::Empty, "the model says nothing".to_owned()))
    } else {
        Ok(text)
    })
}
