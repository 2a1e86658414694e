//! A photo to its bytes, by way of its own page. What was refused before, and is still the same, is refused as before.

use catalog::blob::Stored;
use catalog::fetch::{DuePhoto, FetchRecord, FileFetch};
use photo::redact::redacted;
use photo::{Digest, FailureClass};
use url::Url;

use crate::document::Document;
use crate::download::Wanted;
use crate::error::{CrawlError, Failure, Stop};
use crate::extract::PhotoLinks;
use crate::fetch::Fetched;
use crate::files::{FileAnswer, FileEnd};
use crate::headers::Validators;
use crate::reader::Reader;
use crate::report::Event;
use crate::sniff::Refusal;
use crate::visit::{Done, Note, Visitor, parse, refusal};

/// What following a photo came to.
enum Followed {
    /// To what is known of it already.
    Same(Event),
    /// To something that the record says.
    New,
}

/// Where a photo page leads.
enum Way {
    /// To this file.
    File { url: Url, is_page_new: bool },
    /// Nowhere: it is the page that was refused before.
    Refused(FailureClass),
}

/// What an earlier crawl made of the file that is there now, if it is still the same.
struct Known {
    result: Result<Stored, Refusal>,
    validators: Validators,
    permission: Option<String>,
}

impl Known {
    /// Whether asking came to the very same, so that nothing is to be stored.
    fn is(&self, end: &FileEnd) -> bool {
        match (&self.result, end) {
            (Ok(stored), Ok(answer)) => *stored == answer.stored && self.validators == answer.validators,
            (Err((class, detail)), Err(failure)) => {
                (*class, detail) == (failure.class, &failure.detail)
                    && failure.validators.as_ref() == Some(&self.validators)
            }
            _ => false,
        }
    }
}

impl Visitor<'_> {
    pub(crate) async fn photo(&self, photo: &DuePhoto) -> Result<Done, CrawlError> {
        let mut record = FetchRecord {
            page_etag: photo.page_etag.clone(),
            page_last_modified: photo.page_last_modified.clone(),
            larger_url: photo.larger_url.clone(),
            larger_etag: photo.larger_etag.clone(),
            larger_last_modified: photo.larger_last_modified.clone(),
            page_read_by: photo.page_read_by.clone(),
            ..FetchRecord::new(Err((FailureClass::NoLink, String::new())))
        };
        match self.follow(photo, &mut record).await {
            Ok(Followed::Same(event)) => {
                self.fetcher.let_in(&photo.source_url);
                return Ok(Done::Photo { event, id: photo.id, note: Note::Unchanged });
            }
            Ok(Followed::New) => self.fetcher.let_in(&photo.source_url),
            Err(Stop::Failed(failure)) => {
                let (class, is_asked) = (failure.class, failure.attempts > 0);
                note_failure(&mut record, failure);
                if is_asked && photo.sha256.is_some() && !class.is_transient() && !record.forgets_bytes() {
                    self.fetcher.turned_away(&photo.source_url, class);
                }
            }
            Err(Stop::HostLeft(reason)) => return Ok(Done::Left(Event::Left { reason, was_page: false })),
            Err(Stop::Catalog(error)) => return Err(error.into()),
        }
        let is_same = |stored: &Stored| photo.sha256 == Some(stored.sha256);
        let event = match &record.result {
            // Only its page is another.
            Ok(stored) if record.http_status == Some(304) && is_same(stored) => Event::PhotoUnchanged,
            result => Event::of(result),
        };
        Ok(Done::Photo { event, id: photo.id, note: Note::Fetched(Box::new(record)) })
    }

    /// Follows a photo from its page to its bytes, and notes the way in `record`.
    async fn follow(&self, photo: &DuePhoto, record: &mut FetchRecord) -> Result<Followed, Stop> {
        if let Some(refusal) = self.settings.refused_by_hint(photo) {
            return Err(refusal.into());
        }
        let (url, is_page_new) = match self.find_file(photo, record).await? {
            Way::File { url, is_page_new } => (url, is_page_new),
            Way::Refused(class) => return Ok(Followed::Same(Event::PhotoFailed(class))),
        };
        record.file_url = Some(url.to_string());
        if self.catalog.tombstones().has_url(url.as_str()) {
            record.file_url = None;
            return Err((FailureClass::Erased, "the file was erased on request".to_owned()).into());
        }
        let known = self.known(photo).filter(|_| photo.file_url.as_deref() == Some(url.as_str()));
        let end = self.file(&url, known.as_ref()).await?;
        let is_same = known.is_some_and(|known| known.is(&end));
        if is_same && !is_page_new {
            return Ok(Followed::Same(match end {
                Ok(_) => Event::PhotoUnchanged,
                Err(failure) => Event::PhotoFailed(failure.class),
            }));
        }
        let answer = match end {
            Ok(answer) => answer,
            Err(failure) => {
                if let Some(Validators { etag, last_modified }) = failure.validators.clone() {
                    (record.etag, record.last_modified) = (etag, last_modified);
                    record.refused_by = Some(self.file_limits.clone());
                }
                return Err(Stop::Failed(failure));
            }
        };
        record.result = self.catalog.refuse_erased(answer.stored)?;
        record.http_status = Some(answer.http_status);
        record.attempts = answer.attempts;
        record.permission = answer.permission;
        (record.etag, record.last_modified) = (answer.validators.etag, answer.validators.last_modified);
        Ok(Followed::New)
    }

    /// A file, asked for once, whichever of the photos that show it comes first.
    async fn file(&self, url: &Url, known: Option<&Known>) -> Result<FileEnd, Stop> {
        let slot = self.files.slot(url);
        let mut shared = slot.lock().await;
        if let Some(end) = &*shared {
            return Ok(end.clone().map_err(|failure| Failure { attempts: 0, ..failure }));
        }
        let site = self.settings.site();
        let fetched = self.catalog.file_fetch(site, url.as_str(), self.cutoff, &self.file_limits).await?;
        let end = match fetched.and_then(|fetched| self.end_of(fetched)) {
            Some(end) => end,
            None => self.ask(url, known).await?,
        };
        *shared = Some(end.clone());
        Ok(end)
    }

    async fn ask(&self, url: &Url, known: Option<&Known>) -> Result<FileEnd, Stop> {
        let validators = known.map(|known| known.validators.clone()).unwrap_or_default();
        let wanted = Wanted { limits: self.settings.size_limits(), sha256: None };
        let fetched = match self.fetcher.photo(url, &validators, wanted, self.catalog.blobs()).await {
            Ok(fetched) => fetched,
            Err(Stop::Failed(failure)) => return Ok(Err(failure)),
            Err(stop) => return Err(stop),
        };
        Ok(match (fetched, known) {
            (Fetched::New(file, validators), _) => Ok(FileAnswer {
                stored: file.stored,
                validators,
                http_status: file.http_status,
                permission: Some(file.permission),
                attempts: file.attempts,
            }),
            (Fetched::NotModified, Some(Known { result: Ok(stored), permission, .. })) => Ok(FileAnswer {
                stored: *stored,
                validators,
                http_status: 304,
                permission: permission.clone(),
                attempts: 1,
            }),
            (Fetched::NotModified, Some(Known { result: Err((class, detail)), .. })) => Err(Failure {
                http_status: Some(304),
                attempts: 1,
                validators: Some(validators),
                ..Failure::new(*class, detail.clone())
            }),
            (Fetched::NotModified, None) => return Err(never_asked(url)),
        })
    }

    /// Where the photo is, by its page unless that is still the same.
    async fn find_file(&self, photo: &DuePhoto, record: &mut FetchRecord) -> Result<Way, Stop> {
        let mut url = parse(&photo.source_url)?;
        let Some(reader) = self.reader.as_ref().filter(|reader| reader.has_photo_pages()) else {
            url.set_fragment(None); // no part of what is asked for
            return Ok(Way::File { url, is_page_new: false });
        };
        let is_read = photo.page_read_by.as_ref() == Some(&self.page_rules);
        let refused = refusal(photo.refused_by.as_ref(), photo.failure)
            .filter(|_| photo.refused_by.as_ref() == Some(&self.page_rules));
        let file = photo.file_url.as_deref().filter(|_| is_read);
        let validators = match file.is_some() || refused.is_some() {
            true => {
                Validators { etag: photo.page_etag.clone(), last_modified: photo.page_last_modified.clone() }
            }
            false => Validators::default(),
        };
        let (document, answer) = match (self.fetcher.document(&url, &validators).await?, refused, file) {
            (Fetched::NotModified, Some(class), _) => return Ok(Way::Refused(class)),
            (Fetched::NotModified, None, Some(file)) => {
                return Ok(Way::File { url: parse(file)?, is_page_new: false });
            }
            (Fetched::NotModified, None, None) => return Err(never_asked(&url)),
            (Fetched::New(document, answer), ..) => (document, answer),
        };
        let mut read = links(reader, document).await;
        let mut larger = None;
        if let Ok(PhotoLinks { larger: Some(url), .. }) = &read {
            if self.catalog.tombstones().has_url(url.as_str()) {
                return Err((FailureClass::Erased, "the page was erased on request".to_owned()).into());
            }
            // Its answer is known as the photo page's is: what it led to, or why it was refused.
            let is_same = Some(url.as_str()) == photo.larger_url.as_deref();
            let validators = match is_same && (file.is_some() || refused.is_some()) {
                true => Validators {
                    etag: photo.larger_etag.clone(),
                    last_modified: photo.larger_last_modified.clone(),
                },
                false => Validators::default(),
            };
            let (behind, validators) = match (self.fetcher.document(url, &validators).await?, refused, file) {
                (Fetched::NotModified, Some(class), _) => {
                    (Err((class, photo.detail.clone().unwrap_or_default())), validators)
                }
                (Fetched::NotModified, None, Some(file)) => {
                    (Ok(PhotoLinks { larger: None, file: Some(parse(file)?) }), validators)
                }
                (Fetched::NotModified, None, None) => return Err(never_asked(url)),
                (Fetched::New(document, answer), ..) => (links(reader, document).await, answer),
            };
            larger = Some((url.to_string(), validators));
            read = behind;
        }
        let no_file =
            || (FailureClass::NoLink, format!("{} leads to no file of this site", redacted(url.as_str())));
        let found = read.and_then(|links| links.file.ok_or_else(no_file));
        // The pages count as read once it is known what they lead to.
        (record.page_etag, record.page_last_modified) = (answer.etag, answer.last_modified);
        (record.larger_url, record.larger_etag, record.larger_last_modified) = match larger {
            Some((url, validators)) => (Some(url), validators.etag, validators.last_modified),
            None => (None, None, None),
        };
        record.page_read_by = Some(self.page_rules.clone());
        record.refused_by = found.is_err().then(|| self.page_rules.clone());
        match found {
            Ok(url) => Ok(Way::File { url, is_page_new: true }),
            Err((class, detail)) => Err(Stop::Failed(Failure { attempts: 1, ..Failure::new(class, detail) })),
        }
    }

    /// What is known of the photo's file: its bytes, if they are still there, or why these limits refused it.
    fn known(&self, photo: &DuePhoto) -> Option<Known> {
        let result = match self.stored(photo.sha256) {
            Some(stored) => Ok(stored),
            None if photo.refused_by.as_ref() == Some(&self.file_limits) => {
                Err((photo.failure?, photo.detail.clone().unwrap_or_default()))
            }
            None => return None,
        };
        let validators = Validators { etag: photo.etag.clone(), last_modified: photo.last_modified.clone() };
        Some(Known { result, validators, permission: photo.permission.clone() })
    }

    /// How the file ended for another photo; `None` where its bytes are there no more.
    fn end_of(&self, fetched: FileFetch) -> Option<FileEnd> {
        let validators = Validators { etag: fetched.etag, last_modified: fetched.last_modified };
        if fetched.sha256.is_some() {
            return Some(Ok(FileAnswer {
                stored: self.stored(fetched.sha256)?,
                validators,
                http_status: fetched.http_status.unwrap_or(200),
                permission: fetched.permission,
                attempts: 0,
            }));
        }
        let failure = Failure::new(fetched.failure?, fetched.detail.unwrap_or_default());
        Some(Err(Failure { http_status: fetched.http_status, validators: Some(validators), ..failure }))
    }

    /// The bytes of an earlier crawl, if they are still there.
    fn stored(&self, sha256: Option<Digest>) -> Option<Stored> {
        let sha256 = sha256?;
        let bytes = self.catalog.blobs().path(sha256).metadata().ok()?.len();
        Some(Stored { sha256, bytes })
    }
}

/// What a photo page links, or why it is refused.
async fn links(reader: &Reader, document: Document) -> Result<PhotoLinks, Refusal> {
    reader.read(move |site| site.photo_links(&document)).await
}

/// Notes how a download failed, and the text that forbade it, where one did.
pub(crate) fn note_failure(record: &mut FetchRecord, failure: Failure) {
    if matches!(failure.class, FailureClass::Robots | FailureClass::OptOut) {
        record.permission = Some(failure.detail.clone());
    }
    record.http_status = failure.http_status;
    record.attempts = failure.attempts;
    record.result = Err((failure.class, failure.detail));
}

fn never_asked(url: &Url) -> Stop {
    (FailureClass::Protocol, format!("304 for {}, which was never read", redacted(url.as_str()))).into()
}
