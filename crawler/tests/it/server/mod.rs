//! An HTTP server that plays any part, also those that no HTTP library lets one play, and logs what it was asked.

pub mod site;
pub mod world;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

pub struct Request {
    pub path: String,
    pub headers: HashMap<String, String>,
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

pub enum Reply {
    /// A proper answer; Content-Length is added.
    Full { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// Whatever is written here, headers included; then the connection ends.
    Raw(Vec<Step>),
}

pub enum Step {
    Bytes(Vec<u8>),
    Wait(Duration),
    /// These bytes again and again.
    Forever(Vec<u8>),
    /// RST instead of FIN.
    Reset,
}

impl Reply {
    pub fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self::Full { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub fn status(status: u16) -> Self {
        Self::Full { status, headers: Vec::new(), body: Vec::new() }
    }

    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Full { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

#[derive(Clone, Debug)]
pub struct Logged {
    pub at: Instant,
    pub ended: Option<Instant>,
    pub path: String,
    pub status: u16,
    pub range: Option<String>,
    /// Whether it has validators, so that the answer may be that nothing changed.
    pub is_conditional: bool,
    pub user_agent: String,
}

#[derive(Default)]
pub struct Shared {
    pub log: Mutex<Vec<Logged>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

pub struct Server {
    pub url: Url,
    shared: Arc<Shared>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub async fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let shared = Arc::new(Shared::default());
        let (for_task, handler) = (Arc::clone(&shared), Arc::new(handler));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&for_task), Arc::clone(&handler)));
            }
        });
        Self { url, shared, task }
    }

    pub fn log(&self) -> Vec<Logged> {
        self.shared.log.lock().unwrap().clone()
    }

    /// Requests for a path.
    pub fn count(&self, path: &str) -> usize {
        self.log().iter().filter(|entry| entry.path == path).count()
    }

    pub fn clear_log(&self) {
        self.shared.log.lock().unwrap().clear();
    }

    /// The most requests that were under way at once.
    pub fn peak(&self) -> usize {
        self.shared.peak.load(Ordering::SeqCst)
    }
}

async fn serve(mut stream: TcpStream, shared: Arc<Shared>, handler: Arc<impl Fn(&Request) -> Reply>) {
    let mut buffer = Vec::new();
    loop {
        let end = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break end + 4;
            }
            let mut piece = [0; 4096];
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&piece[..count]),
            }
        };
        let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
        buffer.drain(..end);
        let request = parse(&head);
        let in_flight = shared.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        shared.peak.fetch_max(in_flight, Ordering::SeqCst);
        let reply = handler(&request);
        let index = log(&shared, &request, &reply);
        let goes_on = write(&mut stream, reply).await;
        shared.in_flight.fetch_sub(1, Ordering::SeqCst);
        if let Some(entry) = shared.log.lock().unwrap().get_mut(index) {
            entry.ended = Some(Instant::now());
        }
        if !goes_on {
            return;
        }
    }
}

fn log(shared: &Shared, request: &Request, reply: &Reply) -> usize {
    let status = match reply {
        Reply::Full { status, .. } => *status,
        Reply::Raw(_) => 0,
    };
    let mut log = shared.log.lock().unwrap();
    log.push(Logged {
        at: Instant::now(),
        ended: None,
        path: request.path.clone(),
        status,
        range: request.header("range").map(str::to_owned),
        is_conditional: request.header("if-none-match").or(request.header("if-modified-since")).is_some(),
        user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
    });
    log.len() - 1
}

fn parse(head: &str) -> Request {
    let mut lines = head.split("\r\n");
    let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
    let pair = |line: &str| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), value.trim().to_owned()))
    };
    Request { path, headers: lines.filter_map(pair).collect() }
}

/// Whether the connection stays open.
async fn write(stream: &mut TcpStream, reply: Reply) -> bool {
    match reply {
        Reply::Full { status, headers, body } => {
            let mut head = format!("HTTP/1.1 {status} X\r\n");
            for (name, value) in &headers {
                head += &format!("{name}: {value}\r\n");
            }
            if status != 304 {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
            let bytes = [head.as_bytes(), b"\r\n", &body].concat();
            stream.write_all(&bytes).await.is_ok()
        }
        Reply::Raw(steps) => {
            for step in steps {
                match step {
                    Step::Bytes(bytes) => {
                        if stream.write_all(&bytes).await.is_err() {
                            return false;
                        }
                    }
                    Step::Wait(time) => tokio::time::sleep(time).await,
                    Step::Forever(bytes) => while stream.write_all(&bytes).await.is_ok() {},
                    Step::Reset => stream.set_zero_linger().unwrap(),
                }
            }
            false
        }
    }
}
