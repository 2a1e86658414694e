//! Asking a server about photos: they are made ready on all cores, while requests are under way.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use caption::{Chat, ChatOutcome, ChatResult, picture};
use catalog::Catalog;
use curate::MinDecodeSize;
use curate::decode::header;
use photo::{CaptionFailure, Digest};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::task::JoinSet;

use super::report::{Report, StopReason};
use crate::memory::Memory;
use crate::progress;

/// A server that fails on this many photos in a row, each tried several times, is not asked about the others: nobody
/// waits out the time-outs of a whole dataset, and the photos stay due.
const FAILING_IN_A_ROW: u32 = 20;

/// A photo, and the request about it, or why there can be none.
struct Ready {
    sha256: Digest,
    request: Result<Vec<u8>, String>,
}

/// What the requests that are under way share.
struct Asking {
    catalog: Arc<Catalog>,
    chat: Arc<Chat>,
    source: Digest,
    ready: AsyncMutex<mpsc::Receiver<Ready>>,
    state: Mutex<State>,
    bar: progress::Stage,
}

#[derive(Default)]
struct State {
    report: Report,
    failed_in_a_row: u32,
}

/// Asks about the photos, `concurrency` at once. A row is stored before its place is taken by the next request, so that a
/// kill loses no answer but those that are on their way.
pub async fn run(
    catalog: &Arc<Catalog>,
    chat: Chat,
    source: Digest,
    concurrency: usize,
    due: Vec<Digest>,
) -> Result<Report> {
    let chat = Arc::new(chat);
    // As many wait as are under way: whichever request ends, the next is there.
    let (sender, ready) = mpsc::channel(concurrency);
    let asking = Arc::new(Asking {
        catalog: Arc::clone(catalog),
        chat: Arc::clone(&chat),
        source,
        ready: AsyncMutex::new(ready),
        state: Mutex::default(),
        bar: progress::stage("caption", due.len() as u64, "photos"),
    });
    let worker = tokio::task::spawn_blocking({
        let (catalog, chat) = (Arc::clone(catalog), Arc::clone(&chat));
        move || make_ready(&catalog, &chat, due, &sender)
    });
    let mut places = JoinSet::new();
    for _ in 0..concurrency {
        let asking = Arc::clone(&asking);
        places.spawn(async move { asking.ask_on().await });
    }
    let mut ended = Ok(());
    while let Some(place) = places.join_next().await {
        let place = place.context("ask for captions")?;
        if ended.is_ok() && place.is_err() {
            asking.ready.lock().await.close();
            ended = place;
        }
    }
    asking.ready.lock().await.close(); // nobody takes what else is made ready
    worker.await.context("make photos ready to be sent")??;
    ended?;
    asking.bar.finish_and_clear();
    let mut report = std::mem::take(&mut *asking.state()).report;
    report.requests = chat.requests();
    Ok(report)
}

impl Asking {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One photo after the other, until there are none or it is of no use.
    async fn ask_on(&self) -> Result<()> {
        loop {
            let next = self.ready.lock().await.recv().await;
            let Some(Ready { sha256, request }) = next else { break };
            if self.state().report.stopped.is_some() {
                break; // another place has ended the asking meanwhile
            }
            let ChatOutcome { requests, result } = match request {
                Ok(request) => self.chat.ask(&request).await,
                Err(why) => {
                    ChatOutcome { requests: 0, result: ChatResult::Failed(CaptionFailure::Unreadable, why) }
                }
            };
            let said = match result {
                ChatResult::Text(text) => Ok(text),
                ChatResult::Failed(class, detail) => Err((class, detail)),
                ChatResult::BudgetSpent => {
                    self.stop(StopReason::BudgetSpent);
                    break;
                }
                ChatResult::Refused(why) => {
                    self.stop(StopReason::Refused(why));
                    break;
                }
            };
            self.catalog.record_caption(sha256, self.source, &said, requests).await?;
            self.count(&said);
            self.bar.inc(1);
        }
        Ok(())
    }

    /// The first reason is told.
    fn stop(&self, why: StopReason) {
        self.state().report.stopped.get_or_insert(why);
    }

    fn count(&self, said: &Result<String, (CaptionFailure, String)>) {
        let mut state = self.state();
        let Err((class, detail)) = said else {
            state.report.captioned += 1;
            state.failed_in_a_row = 0;
            return;
        };
        *state.report.failures.entry(*class).or_default() += 1;
        match class {
            // Nothing is wrong with the server.
            CaptionFailure::Unreadable => {}
            CaptionFailure::Cut | CaptionFailure::Empty | CaptionFailure::Declined => {
                state.failed_in_a_row = 0;
            }
            _ => state.failed_in_a_row += 1,
        }
        if state.failed_in_a_row >= FAILING_IN_A_ROW {
            let why = format!("{FAILING_IN_A_ROW} photos in a row failed, the last one by {class}: {detail}");
            state.report.stopped.get_or_insert(StopReason::Failing(why));
        }
    }
}

/// Makes photos ready on all cores, as fast as they are taken; it ends when nobody takes them any more.
fn make_ready(catalog: &Catalog, chat: &Chat, due: Vec<Digest>, sender: &mpsc::Sender<Ready>) -> Result<()> {
    let memory = Memory::default();
    due.into_par_iter().with_max_len(1).try_for_each(|sha256| {
        if sender.is_closed() {
            return Ok(());
        }
        let bytes = catalog.blobs().read(sha256).with_context(|| format!("caption photo {sha256}"))?;
        let request = request(chat, &bytes, &memory);
        drop(sender.blocking_send(Ready { sha256, request })); // closed: it stays due
        Ok(())
    })
}

fn request(chat: &Chat, bytes: &[u8], memory: &Memory) -> Result<Vec<u8>, String> {
    let size = MinDecodeSize { shorter_px: 1, longer_px: picture::LONGER_PX };
    let header = header(bytes, size).map_err(|error| error.to_string())?;
    let _reserved = memory.reserve(header.decoded_bytes);
    let photo = curate::preview(bytes, picture::LONGER_PX).map_err(|error| error.to_string())?;
    chat.request(&photo).map_err(|error| error.to_string())
}
