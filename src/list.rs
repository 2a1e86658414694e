//! `bolid list people|photos`: what is stored, by the names that other commands take.

use std::collections::HashMap;

use anyhow::{Result, bail};
use catalog::Catalog;
use catalog::photo::PhotoRow;
use photo::redact::redacted;
use photo::{Digest, Reason, Verdict};
use serde::Serialize;

use crate::cli::{ListArgs, Listed};
use crate::output::Output;

#[derive(Serialize)]
struct PersonLine {
    /// What `erase --identity`, `encode` and `--body` take.
    identity: String,
    name: String,
    photos: usize,
    stored: usize,
    /// By the newest verdicts; those of photos that were not judged yet are in neither.
    kept: usize,
    dropped: usize,
}

#[derive(Serialize)]
struct PhotoLine {
    identity: String,
    /// What `explain` and `erase --url` take; where a secret in it is masked, they take the digest.
    url: String,
    /// What `explain` and `erase --photo` take; absent where nothing was stored.
    sha256: Option<Digest>,
    /// `keep`, `drop`, `not judged`, or why there are no bytes.
    verdict: String,
    reasons: Vec<&'static str>,
}

/// Lists people or photos, of all sites or of one person, with the newest verdicts.
pub async fn run(catalog: &Catalog, args: &ListArgs, output: Output) -> Result<()> {
    let sites: Vec<String> = catalog.site_counts().await?.into_iter().map(|site| site.site).collect();
    let verdicts: HashMap<i64, Verdict> = catalog.newest_verdicts(&sites).await?.into_iter().collect();
    let mut galleries = catalog.galleries(&sites).await?;
    if let Some(wanted) = &args.identity {
        galleries.retain(|(identity, _)| identity.key().as_str() == wanted || identity.slug == *wanted);
        if galleries.is_empty() {
            bail!("list `{wanted}`: no such person; `bolid list people` names all");
        }
    }
    if args.dropped && args.what != Listed::Photos {
        bail!("list --dropped: people are not dropped; `bolid list photos --dropped` lists photos");
    }
    if galleries.is_empty() {
        return Ok(output.remark(&format!("Nobody in {} yet.", catalog.workdir().display()))?);
    }
    match args.what {
        Listed::People => {
            let lines: Vec<PersonLine> = galleries
                .iter()
                .map(|(identity, photos)| person(identity.key().into(), &identity.name, photos, &verdicts))
                .collect();
            let header = ["identity", "name", "photos", "stored", "kept", "dropped"];
            output.show_all(&lines, &header, |line| {
                let counts =
                    [line.photos, line.stored, line.kept, line.dropped].map(|count| count.to_string());
                [line.identity.clone(), line.name.clone()].into_iter().chain(counts).collect()
            })?;
        }
        Listed::Photos => {
            let of_person = |(identity, photos): &(catalog::identity::Identity, Vec<PhotoRow>)| {
                let key = identity.key();
                photos.iter().map(|row| photo(key.as_str(), row, verdicts.get(&row.id))).collect::<Vec<_>>()
            };
            let mut lines: Vec<PhotoLine> = galleries.iter().flat_map(of_person).collect();
            lines.retain(|line| !args.dropped || line.verdict == DROP);
            output.show_all(&lines, &["identity", "photo", "sha256", "verdict", "why"], |line| {
                let short = line.sha256.map_or_else(|| "–".to_owned(), |digest| digest.short());
                let why = line.reasons.join(", ");
                vec![line.identity.clone(), line.url.clone(), short, line.verdict.clone(), why]
            })?;
        }
    }
    Ok(())
}

const DROP: &str = "drop";

fn person(identity: String, name: &str, photos: &[PhotoRow], verdicts: &HashMap<i64, Verdict>) -> PersonLine {
    let judged = || photos.iter().filter_map(|row| verdicts.get(&row.id));
    let kept = judged().filter(|verdict| verdict.is_keep()).count();
    PersonLine {
        identity,
        name: name.to_owned(),
        photos: photos.len(),
        stored: photos.iter().filter(|row| row.sha256.is_some()).count(),
        kept,
        dropped: judged().count() - kept,
    }
}

fn photo(identity: &str, row: &PhotoRow, verdict: Option<&Verdict>) -> PhotoLine {
    let verdict_text = match (verdict, row.failure) {
        (Some(verdict), _) if verdict.is_keep() => "keep",
        (Some(_), _) => DROP,
        (None, Some(class)) => class.name(),
        (None, None) => "not judged",
    };
    PhotoLine {
        identity: identity.to_owned(),
        url: redacted(row.file_url.as_ref().unwrap_or(&row.source_url)).into_owned(),
        sha256: row.sha256,
        verdict: verdict_text.to_owned(),
        reasons: verdict.map_or(Vec::new(), |verdict| verdict.reasons().iter().map(Reason::name).collect()),
    }
}
