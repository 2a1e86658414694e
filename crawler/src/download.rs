//! Photos: streamed into the blob store, judged by their first bytes, resumed where they broke off.

use catalog::BlobWriter;
use catalog::blob::{BlobStore, Stored};
use photo::{Digest, FailureClass};
use reqwest::StatusCode;
use reqwest::header::{self, HeaderMap, HeaderValue};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::error::{Failure, Stop};
use crate::fetch::{Answer, Coding, Fetched, Fetcher};
use crate::headers::{Validators, conditional, robots_tags, text, validators_of, value_of};
use crate::permission::{self, Subject};
use crate::sniff::{SizeLimits, Sniffer};
use crate::unpack::{BodyInspector, is_gzip};

/// What may be stored of what comes.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// Its size.
    pub limits: SizeLimits,
    /// Nothing but these bytes.
    pub sha256: Option<Digest>,
}

/// A photo whose bytes are in the blob store.
#[derive(Debug)]
pub struct Photo {
    /// The blob.
    pub stored: Stored,
    /// The HTTP status.
    pub http_status: u16,
    /// How many requests were made.
    pub attempts: u32,
    /// What allowed it.
    pub permission: String,
}

/// A shorter body is sooner fetched again than noted for another run.
const WORTH_RESUMING_BYTES: u64 = 1 << 20;

/// The part of a photo that has come.
struct Partial<'s> {
    /// What came, as it came.
    writer: BlobWriter<'s>,
    inspector: BodyInspector<'s>,
    note: Note,
}

/// What is known of a photo that is coming; kept beside a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    validators: Validators,
    /// How long the whole is, where the server says so.
    total: Option<u64>,
    /// It comes packed.
    #[serde(default)]
    is_gzip: bool,
}

impl Partial<'_> {
    /// What proves that the rest belongs to the same bytes, where some have come.
    fn proof(&self) -> Option<HeaderValue> {
        self.note.validators.proof().filter(|_| self.writer.bytes() > 0)
    }
}

impl Validators {
    /// What `If-Range` may be given. A weak ETag proves nothing (RFC 9110, 13.1.5).
    fn proof(&self) -> Option<HeaderValue> {
        let strong = self.etag.as_deref().filter(|etag| etag.starts_with('"'));
        let proof = strong.or(self.last_modified.as_deref().filter(|_| self.etag.is_none()))?;
        value_of(proof)
    }
}

impl Fetcher<'_> {
    /// Downloads a photo, unless it is still the one that the validators stand for.
    pub async fn photo(
        &self,
        url: &Url,
        validators: &Validators,
        wanted: Wanted,
        blobs: &BlobStore,
    ) -> Result<Fetched<Photo>, Stop> {
        let mut partial = self.unfinished(url, wanted.limits, blobs)?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.photo_once(url, validators, wanted, blobs, &mut partial).await {
                Err(stop) => self.before_next_attempt(stop, attempt).await?,
                Ok(Fetched::NotModified) => return Ok(Fetched::NotModified),
                Ok(Fetched::New(photo, validators)) => {
                    return Ok(Fetched::New(Photo { attempts: attempt, ..photo }, validators));
                }
            }
        }
    }

    /// Reads as much of a photo as tells its size, and stores nothing.
    pub async fn peek(&self, url: &Url) -> Result<Option<(u64, u64)>, Stop> {
        let headers = request_headers(&Validators::default(), None);
        let mut answer = self.send(url, headers, Coding::Decoded).await?;
        let tags = robots_tags(answer.response.headers());
        if let Some(text) = permission::opt_out(Subject::File, &tags, &[]) {
            return Err((FailureClass::OptOut, text).into());
        }
        let any_size = SizeLimits { min_side: 0, max_pixels: u64::MAX };
        let mut sniffer = Sniffer::default();
        while let Some(piece) = self.piece(&mut answer).await? {
            sniffer.push(piece.as_ref(), any_size)?;
            if let Some(size) = sniffer.size() {
                return Ok(Some(size));
            }
        }
        sniffer.finish(any_size)?;
        Ok(None)
    }

    async fn photo_once<'s>(
        &self,
        url: &Url,
        conditions: &Validators,
        wanted: Wanted,
        blobs: &'s BlobStore,
        partial: &mut Option<Partial<'s>>,
    ) -> Result<Fetched<Photo>, Stop> {
        let headers = request_headers(conditions, partial.as_ref());
        let answer = match self.send(url, headers, Coding::AsSent).await {
            // The part is not of the file that is there now.
            Err(Stop::Failed(Failure { http_status: Some(416), .. })) if partial.take().is_some() => {
                return Err(
                    (FailureClass::Truncated, "the server has less than the part that came".into()).into()
                );
            }
            answer => answer?,
        };
        let validators = validators_of(answer.response.headers());
        let taken = self.take_answer(url, answer, wanted, blobs, partial).await;
        match taken.map_err(|stop| stop.refusing(&validators))? {
            Some(fetched) => Ok(fetched),
            None => Box::pin(self.photo_once(url, conditions, wanted, blobs, partial)).await,
        }
    }

    /// Takes in an answer. `None`: it is not the rest of what has come, so that the whole has to be asked for.
    async fn take_answer<'s>(
        &self,
        url: &Url,
        mut answer: Answer,
        Wanted { limits, sha256 }: Wanted,
        blobs: &'s BlobStore,
        partial: &mut Option<Partial<'s>>,
    ) -> Result<Option<Fetched<Photo>>, Stop> {
        let status = answer.response.status();
        let tags = robots_tags(answer.response.headers());
        if let Some(text) = permission::opt_out(Subject::File, &tags, &[]) {
            return Err((FailureClass::OptOut, text).into());
        }
        if status == StatusCode::NOT_MODIFIED {
            return Ok(Some(Fetched::NotModified));
        }
        let mut part = match partial.take() {
            Some(part)
                if status == StatusCode::PARTIAL_CONTENT
                    && continues(answer.response.headers(), part.writer.bytes(), &part.note) =>
            {
                part
            }
            Some(_) if status == StatusCode::PARTIAL_CONTENT => return Ok(None), // and `partial` is gone
            old => {
                drop(old); // frees its key
                self.begin(url, &answer, limits, blobs)?
            }
        };
        match self.take_body(&mut answer, &mut part).await {
            Ok(()) => {}
            Err(stop) => {
                *partial = Some(part).filter(|part| part.proof().is_some());
                return Err(stop);
            }
        }
        let stored = part.inspector.finish(part.writer, sha256)?;
        let permission = std::iter::once(answer.allowed_by)
            .chain(tags.into_iter().map(|tag| format!("X-Robots-Tag: {tag}")))
            .collect::<Vec<_>>()
            .join("; ");
        let photo = Photo { stored, http_status: status.as_u16(), attempts: 1, permission };
        Ok(Some(Fetched::New(photo, part.note.validators)))
    }

    /// A photo whose body is about to come.
    fn begin<'s>(
        &self,
        url: &Url,
        answer: &Answer,
        limits: SizeLimits,
        blobs: &'s BlobStore,
    ) -> Result<Partial<'s>, Stop> {
        let (headers, total) = (answer.response.headers(), answer.response.content_length());
        let note = Note { validators: validators_of(headers), total, is_gzip: is_gzip(headers) };
        let is_long = total.is_some_and(|length| length >= WORTH_RESUMING_BYTES);
        let writer = match serde_json::to_string(&note) {
            Ok(text) if is_long && note.validators.proof().is_some() => {
                blobs.resumable_writer(key(url), &text)?
            }
            _ => blobs.writer()?,
        };
        let inspector = BodyInspector::new(note.is_gzip, limits, self.settings.limits.photo_bytes, blobs)?;
        Ok(Partial { writer, inspector, note })
    }

    /// The part of a photo that an earlier run left.
    fn unfinished<'s>(
        &self,
        url: &Url,
        limits: SizeLimits,
        blobs: &'s BlobStore,
    ) -> Result<Option<Partial<'s>>, Stop> {
        let note = blobs.unfinished_note(key(url)).and_then(|note| serde_json::from_str(&note).ok());
        let Some(note): Option<Note> = note else { return Ok(None) };
        let mut inspector =
            BodyInspector::new(note.is_gzip, limits, self.settings.limits.photo_bytes, blobs)?;
        let mut is_wanted = true;
        let found = blobs.resume(key(url), |piece| is_wanted &= inspector.push(piece).is_ok())?;
        let partial = found.map(|(writer, _)| Partial { writer, inspector, note });
        Ok(partial.filter(|part| is_wanted && part.proof().is_some()))
    }

    /// Writes the body as it comes. Each write is a few kilobytes into the page cache, too short to need a thread.
    async fn take_body(&self, answer: &mut Answer, part: &mut Partial<'_>) -> Result<(), Stop> {
        let max_bytes = self.settings.limits.photo_bytes;
        let before = part.writer.bytes();
        let declared = answer.response.content_length();
        let too_large =
            |bytes| (FailureClass::TooLarge, format!("{bytes} bytes or more; the limit is {max_bytes}"));
        if let Some(length) = declared.filter(|length| before.saturating_add(*length) > max_bytes) {
            return Err(too_large(length).into());
        }
        while let Some(piece) = self.piece(answer).await? {
            let piece = piece.as_ref();
            part.inspector.push(piece)?;
            part.writer.write(piece)?;
            if part.writer.bytes() > max_bytes {
                return Err(too_large(part.writer.bytes()).into());
            }
        }
        let came = part.writer.bytes() - before;
        match declared {
            Some(length) if length != came => {
                Err((FailureClass::Truncated, format!("{came} of {length} bytes came")).into())
            }
            // A part in chunks declares no length.
            _ => match part.note.total {
                Some(total) if total != part.writer.bytes() => {
                    let bytes = part.writer.bytes();
                    Err((FailureClass::Truncated, format!("{bytes} of {total} bytes came")).into())
                }
                _ => Ok(()),
            },
        }
    }
}

/// What the unfinished bytes of an address are kept under.
fn key(url: &Url) -> Digest {
    Digest::of(url.as_str())
}

fn request_headers(validators: &Validators, partial: Option<&Partial<'_>>) -> HeaderMap {
    let resume = partial.and_then(|part| Some((part.proof()?, part.writer.bytes())));
    let mut headers = match resume {
        Some((proof, bytes)) => {
            let mut headers = HeaderMap::new();
            if let Ok(range) = HeaderValue::from_str(&format!("bytes={bytes}-")) {
                headers.insert(header::RANGE, range);
                headers.insert(header::IF_RANGE, proof);
            }
            headers
        }
        None => conditional(validators),
    };
    headers.insert(header::ACCEPT, HeaderValue::from_static("image/*"));
    // Photos are compressed already, and Content-Length is to be the length of what is stored.
    headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    headers
}

/// Whether a 206 is the rest of the file of which `bytes` have come: it goes on where they end and up to the end, of a
/// file as long as that one, with the validator that the part was asked for by. Servers there are that ignore
/// `If-Range`, send less than was asked, or have put another file there.
fn continues(headers: &HeaderMap, bytes: u64, note: &Note) -> bool {
    let range = text(headers, header::CONTENT_RANGE);
    let (Some((start, end, total)), Some(expected)) = (range.as_deref().and_then(parse_range), note.total)
    else {
        return false;
    };
    let came = validators_of(headers);
    let is_same = |known: &Option<String>, came: &Option<String>| came.is_none() || came == known;
    let proves =
        if note.validators.etag.is_some() { came.etag.is_some() } else { came.last_modified.is_some() };
    start == bytes
        && end.checked_add(1) == Some(expected)
        && total.is_none_or(|total| total == expected)
        && proves
        // A part of a packed body may leave out that it is packed.
        && (note.is_gzip || !is_gzip(headers))
        && is_same(&note.validators.etag, &came.etag)
        && is_same(&note.validators.last_modified, &came.last_modified)
}

/// `bytes 5-9/10`: first, last, and how many there are, where that is said.
fn parse_range(range: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, range) = range.trim().split_once(' ')?;
    let (range, total) = range.trim().split_once('/')?;
    let (start, end) = range.split_once('-')?;
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let total = match total.trim() {
        "*" => None,
        total => Some(number(total)?),
    };
    unit.eq_ignore_ascii_case("bytes").then_some((number(start)?, number(end)?, total))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::header::HeaderName;

    fn note() -> Note {
        let validators = Validators { etag: Some("\"a\"".to_owned()), last_modified: Some("Mon".to_owned()) };
        Note { validators, total: Some(100), is_gzip: false }
    }

    fn answer(range: &str, others: &[(HeaderName, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::CONTENT_RANGE, range)].iter().chain(others) {
            headers.insert(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    #[test]
    fn a_part_is_taken_only_where_start_end_total_and_validator_fit() {
        let etag = [(header::ETAG, "\"a\"")];
        let taken = |range: &str| continues(&answer(range, &etag), 40, &note());
        assert!(taken("bytes 40-99/100") && taken("Bytes 40-99/*"));
        for range in [
            "bytes 0-99/100",
            "bytes 40-79/100",
            "bytes 40-119/120",
            "bytes 40-99/120",
            "bytes */100",
            "40-99",
        ] {
            assert!(!taken(range), "{range}");
        }
        for others in [
            vec![],
            vec![(header::ETAG, "\"b\"")],
            vec![(header::ETAG, "\"a\""), (header::LAST_MODIFIED, "Tue")],
            vec![(header::LAST_MODIFIED, "Mon")],
        ] {
            assert!(!continues(&answer("bytes 40-99/100", &others), 40, &note()), "{others:?}");
        }
        let unknown = Note { total: None, ..note() };
        assert!(!continues(&answer("bytes 40-99/100", &etag), 40, &unknown));
    }

    #[test]
    fn without_an_etag_the_date_has_to_fit() {
        let note =
            Note { validators: Validators { etag: None, last_modified: Some("Mon".to_owned()) }, ..note() };
        let with = |others: &[(HeaderName, &str)]| continues(&answer("bytes 40-99/100", others), 40, &note);
        assert!(with(&[(header::LAST_MODIFIED, "Mon")]));
        assert!(!with(&[]) && !with(&[(header::LAST_MODIFIED, "Tue")]));
    }
}
