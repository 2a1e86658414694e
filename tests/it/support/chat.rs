//! A server on loopback that speaks the OpenAI chat protocol, plays any part, and notes what it was asked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use photo::Digest;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request.
#[derive(Clone)]
pub struct ReceivedRequest {
    /// The picture, by the digest of its `data:` URI.
    pub picture: Digest,
    /// How often this picture was asked about, from 1.
    pub time: usize,
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

/// What the server does with a request.
pub enum Part {
    /// Waits, then writes these bytes, then ends the connection unless they are a whole answer.
    Answer { after: Duration, bytes: Vec<u8>, ends: bool },
    /// Writes the beginning of an answer, and nothing more.
    Stall,
}

/// A whole answer.
pub fn answer(status: u16, headers: &str, body: &str) -> Part {
    let bytes =
        format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{headers}\r\n{body}", body.len()).into_bytes();
    Part::Answer { after: Duration::ZERO, bytes, ends: false }
}

/// A caption.
pub fn says(text: &str) -> Part {
    answer(200, "Content-Type: application/json\r\n", &said(text).to_string())
}

/// A caption after a while.
pub fn says_after(after: Duration, text: &str) -> Part {
    match says(text) {
        Part::Answer { bytes, ends, .. } => Part::Answer { after, bytes, ends },
        stall => stall,
    }
}

/// The JSON of a caption.
pub fn said(text: &str) -> Value {
    json!({
        "id": "1", "object": "chat.completion", "model": "m",
        "choices": [{ "index": 0, "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
    })
}

/// The same answer without its end.
pub fn cut(text: &str) -> Part {
    match says(text) {
        Part::Answer { after, mut bytes, .. } => {
            bytes.truncate(bytes.len() - 20);
            Part::Answer { after, bytes, ends: true }
        }
        stall => stall,
    }
}

pub struct ChatServer {
    pub url: String,
    log: Arc<Mutex<Vec<ReceivedRequest>>>,
    _runtime: tokio::runtime::Runtime,
}

impl ChatServer {
    /// A server with threads of its own, so that it answers while a test waits for the program.
    pub fn start(part: impl Fn(&ReceivedRequest) -> Part + Send + Sync + 'static) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let url = format!("http://{}/v1", listener.local_addr().expect("an address"));
        let log: Arc<Mutex<Vec<ReceivedRequest>>> = Arc::default();
        let (noted, part) = (Arc::clone(&log), Arc::new(part));
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&noted), Arc::clone(&part)));
            }
        });
        Self { url, log, _runtime: runtime }
    }

    /// All requests so far.
    pub fn log(&self) -> Vec<ReceivedRequest> {
        self.log.lock().expect("the log").clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: Arc<Mutex<Vec<ReceivedRequest>>>,
    part: Arc<impl Fn(&ReceivedRequest) -> Part + Send + Sync>,
) {
    let mut buffer = Vec::new();
    while let Some(asked) = read(&mut stream, &mut buffer, &log).await {
        match part(&asked) {
            Part::Answer { after, bytes, ends } => {
                tokio::time::sleep(after).await;
                if stream.write_all(&bytes).await.is_err() || ends {
                    return;
                }
            }
            Part::Stall => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{").await;
                tokio::time::sleep(Duration::from_secs(3600)).await;
            }
        }
    }
}

/// The next request of a connection.
async fn read(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
    log: &Mutex<Vec<ReceivedRequest>>,
) -> Option<ReceivedRequest> {
    let head = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            break String::from_utf8_lossy(&head).into_owned();
        }
        more(stream, buffer).await?;
    };
    let header = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
            .next()
    };
    let length: usize = header("content-length")?.parse().ok()?;
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    let body: Vec<u8> = buffer.drain(..length).collect();
    let body: Value = serde_json::from_slice(&body).expect("the request is JSON");
    let picture = body["messages"][0]["content"][1]["image_url"]["url"].as_str().expect("an image");
    let picture = Digest::of(picture);
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut log = log.lock().expect("the log");
    let time = 1 + log.iter().filter(|earlier| earlier.picture == picture).count();
    let authorization = header("authorization");
    let asked = ReceivedRequest { picture, time, path, authorization, body };
    log.push(asked.clone());
    Some(asked)
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 16384];
    let count = stream.read(&mut piece).await.ok().filter(|&count| count > 0)?;
    buffer.extend_from_slice(&piece[..count]);
    Some(())
}
