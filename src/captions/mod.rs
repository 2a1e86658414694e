//! `bolid caption`: a caption for every kept photo, from the recipe's sources in their order. What a source said is kept
//! by the photo's bytes and by what decides the source's words, so that nothing is asked twice.
//!
//! | module | what |
//! |---|---|
//! | [`plan`] | the recipe's sources, each with the digest that its words are stored under; the rules |
//! | [`texts`] | which caption a photo has, of all that is stored |
//! | [`server`] | asking a server, photos made ready beside it |
//! | [`model`] | asking a model on this machine |
//! | [`report`] | what asking did |
//! | [`of_snapshot`] | what a snapshot gets |
//! | [`shown`] | tables |

mod model;
pub mod of_snapshot;
pub mod plan;
mod report;
mod server;
pub mod shown;
pub mod texts;

use std::sync::Arc;

use anyhow::{Result, bail};
use caption::{Chat, Key, ServerSettings};
use catalog::Catalog;
use photo::{CaptionFailure, Digest};
use train::device::DeviceChoice;

use crate::exit::Done;
use crate::judge::Judged;
use crate::output::Output;
use plan::{CaptionPlan, How, PlannedSource};
use report::{Report, StopReason};
use texts::Texts;

/// How a run of the stage is to go.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Requests of this run, instead of the recipe's number.
    pub max_requests: Option<u64>,
    /// Failures that are tried again.
    pub retry: Vec<CaptionFailure>,
    /// Only count what would be asked.
    pub dry_run: bool,
    /// Where a model computes.
    pub device: DeviceChoice,
}

/// Asks the sources about the kept photos that need it, and shows how many captions there are.
pub async fn run(
    catalog: &Arc<Catalog>,
    plan: &CaptionPlan,
    people: &[Judged],
    options: &Options,
    output: Output,
) -> Result<Done> {
    // Before the first request: without a key, an address or a card, nothing is asked at all.
    let mut chats: Vec<Option<Chat>> =
        plan.sources.iter().map(|source| chat(source, options)).collect::<Result<_>>()?;
    let mut reports = Vec::new();
    for (place, source) in plan.sources.iter().enumerate() {
        if !options.dry_run {
            catalog.forget_caption_failures(source.digest, &options.retry).await?;
        }
        let due = Texts::read(catalog, plan).await?.due(people, place);
        reports.push(match due.is_empty() || options.dry_run {
            true => Report::default(),
            false => ask(catalog, source, chats[place].take(), due, options).await?,
        });
    }
    let texts = Texts::read(catalog, plan).await?;
    let failed = shown::show(plan, &reports, texts.of_kept(people), output)?;
    shown::tell_failed(&failed);
    let mut failed = failed.len();
    for stopped in reports.iter().filter_map(|report| report.stopped.as_ref()) {
        shown::tell_stopped(stopped);
        failed += usize::from(matches!(stopped, StopReason::Failing(_)));
    }
    let stay_due = reports.iter().flat_map(|report| &report.failures).filter(|(class, _)| class.stays_due());
    failed += stay_due.count();
    Ok(if options.dry_run { Done::Success } else { Done::with(failed) })
}

/// Says how many kept photos some source is yet to be asked about.
pub fn tell_waiting(texts: &Texts<'_>, people: &[Judged]) {
    let waits = |chosen: &texts::Chosen| matches!(chosen.choice, texts::Choice::Due(_));
    let waiting = texts.of_kept(people).filter(|(_, chosen)| waits(chosen)).count();
    if waiting > 0 {
        eprintln!("bolid: {waiting} photos have no caption yet; `bolid caption` asks for them");
    }
}

/// Whether the stage could ask: what it needs of the environment is looked for before hours of other work.
///
/// # Errors
/// What is missing.
pub fn check_ready(plan: &CaptionPlan, options: &Options) -> Result<()> {
    plan.sources.iter().try_for_each(|source| chat(source, options).map(drop))
}

/// The client of a server; `None` for what is no server.
fn chat(source: &PlannedSource, options: &Options) -> Result<Option<Chat>> {
    let How::Server(settings) = &source.how else { return Ok(None) };
    if options.dry_run {
        return Ok(None); // which asks nobody, and needs no key
    }
    let key = settings.api_key_env.as_deref().map(Key::from_env).transpose()?;
    Ok(Some(Chat::new(settings, key, options.max_requests.or(settings.max_requests))?))
}

async fn ask(
    catalog: &Arc<Catalog>,
    source: &PlannedSource,
    chat: Option<Chat>,
    due: Vec<Digest>,
    options: &Options,
) -> Result<Report> {
    catalog.record_caption_source(source.digest, &source.about).await?;
    let report = match (&source.how, chat) {
        (How::Server(settings), Some(chat)) => {
            server::run(catalog, chat, source.digest, settings.concurrency, due).await?
        }
        (How::Model(settings, folder), _) => {
            let device = options.device.open()?;
            model::run(catalog, settings.clone(), folder.clone(), source.digest, device, due).await?
        }
        (How::Stored | How::Server(_), _) => Report::default(),
    };
    if let (Some(StopReason::Refused(why)), How::Server(settings)) = (&report.stopped, &source.how) {
        let ServerSettings { url, model, .. } = settings;
        bail!(
            "ask {url} for captions by `{model}`: {why}; check `captions.server.url`, its `model` and the key that \
             `api_key_env` names"
        );
    }
    Ok(report)
}
