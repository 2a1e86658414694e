//! `bolid snapshot verify`: every byte, and with `--deep` some tensors once more.

use std::path::Path;

use anyhow::{Context, Result, bail};
use indicatif::HumanBytes;
use snapshot::Verified;

use super::deep;
use crate::exit::Done;
use crate::output::Output;

/// Reads every byte of a snapshot; fails and names every file that is not as it was written. What is there beside the
/// snapshot's own files is named too, and is no failure of the snapshot: [`Done::WithFailures`].
///
/// `deep` is how many tensors are made again from the photos in the work folder; 0 stands for all.
pub fn verify(
    folder: &Path,
    wanted: &str,
    deep: Option<usize>,
    workdir: &Path,
    output: Output,
) -> Result<Done> {
    let path = snapshot::find(folder, wanted)?;
    if let Some(note) = snapshot::withdrawn(&path)? {
        bail!("verify snapshot `{wanted}`: it was withdrawn: {}", note.reason);
    }
    let verified = match snapshot::verify(&path) {
        Ok(verified) => verified,
        Err(error) => {
            if output.json {
                output.show(&serde_json::json!({ "path": path, "problems": error.problems }), |_| {
                    String::new()
                })?;
            }
            return Err(error).with_context(|| format!("verify snapshot `{wanted}`"));
        }
    };
    output.show(&verified, |Verified { id, files, bytes, .. }| {
        format!("snapshot {id}: {files} files, {}, every byte as it was written", HumanBytes(*bytes))
    })?;
    for file in &verified.extra {
        eprintln!("bolid: {} is no file of the snapshot; move it away", path.join(file).display());
    }
    if let Some(number) = deep {
        let found =
            deep::run(&path, number, workdir).with_context(|| format!("verify snapshot `{wanted}`"))?;
        output.show(&found, deep::Deep::in_words)?;
        if !found.differing.is_empty() {
            bail!(
                "verify snapshot `{wanted}`: {} tensors are not what the photos give",
                found.differing.len()
            );
        }
    }
    Ok(Done::with(verified.extra.len()))
}
