//! Asking a server about photos, one request each: waiting when it says so, trying again what may succeed later.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use image::RgbImage;
use photo::{CaptionFailure, retry};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response};
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use crate::budget::Budget;
use crate::key::Key;
use crate::picture::{self, PictureError};
use crate::protocol::{self, complaint};
use crate::settings::ServerSettings;
use crate::transport::{self, Meaning};

/// A caption has a few hundred bytes; what is much longer is no answer.
const ANSWER_BYTES: usize = 1 << 20;

/// A server on this machine or in this network accepts a connection at once.
const CONNECT: Duration = Duration::from_secs(10);

/// No client can be made of the settings.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// The address has no path that could be added to.
    #[error("`captions.server.url = {0}` cannot have `chat/completions` behind it")]
    Address(Url),
    /// TLS or the resolver is not to be had.
    #[error("prepare requests to the captions' server: {0}")]
    Client(reqwest::Error),
}

/// What came of one photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatOutcome {
    /// How many requests it took.
    pub requests: u32,
    /// How it ended.
    pub result: ChatResult,
}

/// How asking about a photo ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChatResult {
    /// The text.
    Text(String),
    /// Why there is none.
    Failed(CaptionFailure, String),
    /// The server would refuse every photo.
    Refused(String),
    /// There were requests enough.
    BudgetSpent,
}

/// A server, and how it is asked.
#[derive(Debug)]
pub struct Chat {
    client: Client,
    endpoint: Url,
    settings: ServerSettings,
    key: Option<Key>,
    budget: Budget,
    /// Until when nobody asks, where the server said so.
    pause: Mutex<Option<Instant>>,
}

/// One request that brought no text.
enum RequestError {
    Failed { class: CaptionFailure, detail: String, wait: Option<Duration> },
    Refused(String),
}

impl From<(CaptionFailure, String)> for RequestError {
    fn from((class, detail): (CaptionFailure, String)) -> Self {
        Self::Failed { class, detail, wait: None }
    }
}

impl Chat {
    /// A client that has asked nothing yet; it makes `max_requests` at most.
    ///
    /// # Errors
    /// Where the settings name no address that can be asked.
    pub fn new(
        settings: &ServerSettings,
        key: Option<Key>,
        max_requests: Option<u64>,
    ) -> Result<Self, ChatError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(value) = key.as_ref().and_then(Key::header) {
            headers.insert(AUTHORIZATION, value);
        }
        let client = Client::builder()
            .user_agent(concat!("bolid/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            // The key is for the server that was named, and for nobody it may point to.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT)
            .timeout(Duration::from_secs(settings.timeout_s))
            .pool_max_idle_per_host(settings.concurrency)
            .build()
            .map_err(ChatError::Client)?;
        Ok(Self {
            client,
            endpoint: endpoint(&settings.url)?,
            settings: settings.clone(),
            key,
            budget: Budget::new(max_requests),
            pause: Mutex::new(None),
        })
    }

    /// The request about a photo. Making it takes a core's time; sending it does not.
    ///
    /// # Errors
    /// Where the photo cannot be encoded.
    pub fn request(&self, photo: &RgbImage) -> Result<Vec<u8>, PictureError> {
        Ok(protocol::request(&self.settings, &picture::data_uri(photo)?))
    }

    /// How many requests were made so far.
    pub fn requests(&self) -> u64 {
        self.budget.made()
    }

    /// Asks until there is a text, or no more is to be had.
    pub async fn ask(&self, request: &[u8]) -> ChatOutcome {
        let (mut requests, mut attempts) = (0, 0);
        let mut throttled: Option<Instant> = None;
        let first = Duration::from_millis(self.settings.backoff_ms);
        loop {
            self.pause_ended().await;
            if !self.budget.take() {
                return ChatOutcome { requests, result: ChatResult::BudgetSpent };
            }
            requests += 1;
            let (class, detail, wait) = match self.ask_once(request.to_vec()).await {
                Ok(text) => return ChatOutcome { requests, result: ChatResult::Text(text) },
                Err(RequestError::Refused(why)) => {
                    return ChatOutcome { requests, result: ChatResult::Refused(why) };
                }
                Err(RequestError::Failed { class, detail, wait }) => (class, detail, wait),
            };
            let failed = |detail: String| ChatOutcome { requests, result: ChatResult::Failed(class, detail) };
            attempts += u32::from(class != CaptionFailure::Throttled);
            if !class.is_transient() || attempts >= self.settings.attempts {
                return failed(detail);
            }
            if class != CaptionFailure::Throttled {
                sleep(retry::back_off(first, attempts, rand::random())).await;
                continue;
            }
            // Being asked too often says nothing of the photo: it is no attempt, and ends by time alone.
            let wait = wait.unwrap_or_else(|| retry::back_off(first, requests, rand::random()));
            let waited = throttled.get_or_insert_with(Instant::now).elapsed();
            if waited.saturating_add(wait) > Duration::from_secs(self.settings.wait_s) {
                return failed(format!("{detail}; that is longer than `captions.server.wait_s`"));
            }
            tracing::info!(wait_s = wait.as_secs_f64(), "the captions' server is asked too often; waiting");
            self.pause_for(wait);
            sleep(wait + first.mul_f64(rand::random())).await; // not all at once
        }
    }

    /// Waits until the server may be asked again.
    async fn pause_ended(&self) {
        loop {
            let until = *self.pause.lock().unwrap_or_else(PoisonError::into_inner);
            match until.filter(|until| *until > Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => return,
            }
        }
    }

    /// Nobody asks for this long.
    fn pause_for(&self, wait: Duration) {
        let Some(until) = Instant::now().checked_add(wait) else { return };
        let mut pause = self.pause.lock().unwrap_or_else(PoisonError::into_inner);
        *pause = Some(pause.map_or(until, |earlier| earlier.max(until)));
    }

    async fn ask_once(&self, request: Vec<u8>) -> Result<String, RequestError> {
        let sent = self.client.post(self.endpoint.clone()).body(request).send().await;
        let response = sent.map_err(|error| transport::of_error(&error))?;
        let status = response.status();
        let wait = response
            .headers()
            .get(RETRY_AFTER)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| retry::retry_after(value, SystemTime::now()));
        let meaning = transport::of_status(status, wait.is_some());
        let body = self.body(response).await;
        let Some(meaning) = meaning else {
            return Ok(protocol::text_of(&self.without_key(&body?))?);
        };
        // Of an error that breaks off, the status is enough.
        let said = complaint(&self.without_key(&body.unwrap_or_default()));
        let detail = if said.is_empty() { status.to_string() } else { format!("{status}: {said}") };
        Err(match meaning {
            Meaning::Failed(class) => RequestError::Failed { class, detail, wait },
            Meaning::Refused => RequestError::Refused(detail),
        })
    }

    /// The whole body, within the limit.
    async fn body(&self, mut response: Response) -> Result<Vec<u8>, RequestError> {
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(|error| transport::of_error(&error))? {
            if body.len() + piece.len() > ANSWER_BYTES {
                let detail = format!("the answer is longer than {ANSWER_BYTES} bytes");
                return Err((CaptionFailure::Malformed, detail).into());
            }
            body.extend_from_slice(&piece);
        }
        Ok(body)
    }

    /// What a server says, without the key, which some repeat where they refuse it: before it is cut short, so that no
    /// part of it is left.
    fn without_key(&self, body: &[u8]) -> Vec<u8> {
        match &self.key {
            Some(key) => key.removed_from(&String::from_utf8_lossy(body)).into_bytes(),
            None => body.to_vec(),
        }
    }
}

/// Where requests go: `chat/completions` below the protocol's root, unless the address is that one already.
fn endpoint(root: &Url) -> Result<Url, ChatError> {
    let mut endpoint = root.clone();
    if root.path().trim_end_matches('/').ends_with("/chat/completions") {
        return Ok(endpoint);
    }
    endpoint
        .path_segments_mut()
        .map_err(|()| ChatError::Address(root.clone()))?
        .pop_if_empty()
        .extend(["chat", "completions"]);
    Ok(endpoint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_go_below_the_root_that_is_named() {
        for (root, path) in [
            ("http://a:1/v1", "http://a:1/v1/chat/completions"),
            ("http://a:1/v1/", "http://a:1/v1/chat/completions"),
            ("http://a:1", "http://a:1/chat/completions"),
            ("https://a/x/chat/completions?api-version=2", "https://a/x/chat/completions?api-version=2"),
            ("https://a/x?api-version=2", "https://a/x/chat/completions?api-version=2"),
        ] {
            assert_eq!(endpoint(&Url::parse(root).unwrap()).unwrap().as_str(), path);
        }
    }
}
