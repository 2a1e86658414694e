//! The gallery over HTTP: pages at once, pictures drawn when they are asked for.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;
use std::time::{Duration, Instant, UNIX_EPOCH};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use percent_encoding::percent_decode_str;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Gallery, Route, thumbnail};
use crate::gallery::cache::Cache;

/// Drawn pictures that are kept, in bytes: the thumbnails of the whole demo and some files.
const CACHE_BYTES: usize = 64 << 20;

/// One request, as the log has it.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// When it came.
    pub at: Instant,
    /// `GET` or `HEAD`.
    pub method: String,
    /// The path, percent-decoded.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

/// A gallery that is being served. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    log: Option<Log>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<io::Result<()>>,
}

type Log = Arc<Mutex<Vec<LogEntry>>>;

impl Server {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// What it was asked so far; empty unless a log was wanted.
    pub fn log(&self) -> Vec<LogEntry> {
        let entries = |log: &Log| log.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.log.as_ref().map(entries).unwrap_or_default()
    }

    /// Serves until the listener fails, which it does not on its own.
    pub async fn run(mut self) -> io::Result<()> {
        (&mut self.task).await.map_err(io::Error::other)?
    }

    /// Answers what was asked, and ends.
    pub async fn stop(mut self) -> io::Result<()> {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(()); // fails only if the server has ended already
        }
        self.run().await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Site {
    gallery: Arc<Gallery>,
    cache: Arc<Mutex<Cache>>,
    /// Drawing keeps a core busy, so as many pictures as cores are drawn at once.
    render_permits: Semaphore,
    log: Option<Log>,
}

/// Serves the gallery at an address; port 0 takes a free one. With `keep_log` every request is remembered.
pub async fn serve(gallery: Gallery, address: SocketAddr, keep_log: bool) -> io::Result<Server> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    let log = keep_log.then(Log::default);
    let site = Arc::new(Site {
        gallery: Arc::new(gallery),
        cache: Arc::new(Mutex::new(Cache::new(CACHE_BYTES))),
        render_permits: Semaphore::new(available_parallelism().map_or(1, Into::into)),
        log: log.clone(),
    });
    let router = axum::Router::new().fallback(answer).with_state(site);
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = async {
        // Dropping the sender ends the server as well.
        let _ = stopped.await;
    };
    let task = tokio::spawn(axum::serve(listener, router).with_graceful_shutdown(ended).into_future());
    Ok(Server { address, log, stop: Some(stop), task })
}

async fn answer(State(site): State<Arc<Site>>, request: Request) -> Response {
    let at = Instant::now();
    let path = percent_decode_str(request.uri().path()).decode_utf8_lossy().into_owned();
    let method = request.method().clone();
    let response = match method {
        Method::GET | Method::HEAD => site.document(&path, request.headers()).await,
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    };
    if let Some(log) = &site.log {
        let entry = LogEntry { at, method: method.to_string(), path, status: response.status().as_u16() };
        log.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
    }
    response
}

impl Site {
    async fn document(&self, path: &str, headers: &HeaderMap) -> Response {
        let Some(route) = self.gallery.route(path) else {
            return (StatusCode::NOT_FOUND, "There is no such page.\n").into_response();
        };
        let etag = self.gallery.etag(route);
        let modified =
            httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(self.gallery.modified(route)));
        let mut response = if is_known(headers, &etag, &modified) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match self.body(route).await {
                Some(body) => whole_or_part(headers, &etag, &body),
                None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        };
        let content_type = match route {
            Route::Robots => "text/plain; charset=utf-8",
            Route::File(_) | Route::Small(..) => "image/jpeg", // whatever the bytes may be
            _ => "text/html; charset=utf-8",
        };
        set(&mut response, header::CONTENT_TYPE, content_type);
        set(&mut response, header::ETAG, &etag);
        set(&mut response, header::LAST_MODIFIED, &modified);
        set(&mut response, header::ACCEPT_RANGES, "bytes");
        response
    }

    /// The bytes at a route; `None` if drawing them failed.
    async fn body(&self, route: Route) -> Option<Arc<Vec<u8>>> {
        let known = self.cache.lock().unwrap_or_else(PoisonError::into_inner).get(route);
        if known.is_some() {
            return known;
        }
        let _permit = self.render_permits.acquire().await.ok()?;
        let gallery = Arc::clone(&self.gallery);
        let body = spawn_blocking(move || Arc::new(draw(&gallery, route))).await.ok()?;
        if matches!(route, Route::File(_) | Route::Small(..)) {
            self.cache.lock().unwrap_or_else(PoisonError::into_inner).insert(route, Arc::clone(&body));
        }
        Some(body)
    }
}

fn draw(gallery: &Gallery, route: Route) -> Vec<u8> {
    match route {
        Route::File(place) => gallery.photo(place).bytes(),
        Route::Small(place, side_px) => thumbnail::jpeg(gallery.photo(place), side_px),
        _ => gallery.page(route).unwrap_or_default().into_bytes(),
    }
}

/// Whether the client has this version (RFC 9110, 13.2.2: the ETag goes before the date).
fn is_known(headers: &HeaderMap, etag: &str, modified: &str) -> bool {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match value(header::IF_NONE_MATCH) {
        Some(known) => known.split(',').any(|known| known.trim() == etag || known.trim() == "*"),
        None => value(header::IF_MODIFIED_SINCE) == Some(modified),
    }
}

/// The whole body, or the part from an offset on that the client lacks.
fn whole_or_part(headers: &HeaderMap, etag: &str, body: &[u8]) -> Response {
    let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = value(header::IF_RANGE).is_none_or(|known| known == etag);
    let offset = value(header::RANGE)
        .filter(|_| is_same)
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match offset {
        Some(offset) if offset < body.len() => {
            let range = format!("bytes {offset}-{}/{}", body.len() - 1, body.len());
            let mut response = Response::new(Body::from(body[offset..].to_vec()));
            *response.status_mut() = StatusCode::PARTIAL_CONTENT;
            set(&mut response, header::CONTENT_RANGE, &range);
            response
        }
        _ => Response::new(Body::from(body.to_vec())),
    }
}

fn set(response: &mut Response, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}
