//! How fast `bolid caption` asks a server that answers after 50 ms, beside what its concurrency allows:
//! `make bench-caption`, or `cargo run --release --example caption_speed [PHOTOS [CONCURRENCY]]` after
//! `cargo build --release`.

mod many;

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use image::{ImageFormat, Rgb, RgbImage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const LATENCY: Duration = Duration::from_millis(50);

/// When the first request came, when the last answer went, how many there were, and how long they took the server.
#[derive(Clone, Copy, Default)]
struct Times {
    first: Option<Instant>,
    last: Option<Instant>,
    requests: usize,
    /// From each request to its answer, together: on a busy machine a timer of 50 ms takes longer.
    answering: Duration,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |usual: usize| arguments.next().map_or(Ok(usual), |text| text.parse());
    let (count, concurrency) = (number(10_000)?, number(16)?);
    let folder = tempfile::tempdir()?;
    let work = folder.path().join("work");
    let models = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("data/models/models.toml");
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1", listener.local_addr()?);
    let recipe = folder.path().join("recipe.toml");
    let text = format!(
        "name = \"many\"\nmodels = {models:?}\n[[imports]]\nname = \"many\"\npath = \".\"\n\
         [rules]\nmin_photos = 1\n[rules.watermark]\nmax_score = 1.0\n[rules.faces]\nmin_score = 0.5\n[captions]\nsources = [\"server\"]\n\
         [captions.server]\nurl = {url:?}\nmodel = \"m\"\nconcurrency = {concurrency}\n"
    );
    fs::write(&recipe, text)?;
    // A tenth of them shows several people, and is dropped.
    many::fill(&work, &models, (count * 10).div_ceil(9), Some(small_jpeg)).await.context("fill a catalog")?;
    let times: Arc<Mutex<Times>> = Arc::default();
    let noted = Arc::clone(&times);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&noted)));
        }
    });
    let program = std::env::current_exe()?;
    let program = program.parent().and_then(Path::parent).context("where the program is")?.join("bolid");
    let mut command = Command::new(&program);
    command.arg("caption").arg("--workdir").arg(&work).arg("--recipe").arg(&recipe);
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Times { first, last, requests, answering } = *times.lock().expect("the server goes on");
    let took =
        last.zip(first).map(|(last, first)| (last - first).as_secs_f64()).context("nothing was asked")?;
    let (rate, allowed) =
        (requests as f64 / took, concurrency as f64 * requests as f64 / answering.as_secs_f64());
    let share = rate / allowed;
    println!(
        "{requests} photos in {took:.1} s: {rate:.0}/s, {:.1} % of the {allowed:.0}/s that {concurrency} at once allow",
        100.0 * share
    );
    Ok(())
}

/// A photo like no other of them.
fn small_jpeg(number: usize) -> Vec<u8> {
    let shade = |x: u32, y: u32| (x * (number as u32 % 7 + 1) + y * (number as u32 / 7 % 11)) as u8;
    let photo = RgbImage::from_fn(240, 320, |x, y| {
        Rgb([shade(x, y), (number % 251) as u8, (number / 251) as u8 ^ (y as u8)])
    });
    let mut jpeg = Cursor::new(Vec::new());
    photo.write_to(&mut jpeg, ImageFormat::Jpeg).expect("a small picture goes into memory");
    jpeg.into_inner()
}

async fn serve(mut stream: TcpStream, times: Arc<Mutex<Times>>) {
    let body = r#"{"choices":[{"message":{"content":"a person"},"finish_reason":"stop"}]}"#;
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (mut buffer, mut piece) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let length = loop {
            if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
                break end + 4 + length.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0);
            }
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&piece[..count]),
            }
        };
        while buffer.len() < length {
            match stream.read(&mut piece).await {
                Ok(0) | Err(_) => return,
                Ok(count) => buffer.extend_from_slice(&piece[..count]),
            }
        }
        buffer.drain(..length);
        times.lock().expect("the server goes on").first.get_or_insert_with(Instant::now);
        let asked = Instant::now();
        tokio::time::sleep(LATENCY).await;
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
        let mut times = times.lock().expect("the server goes on");
        (times.last, times.requests) = (Some(Instant::now()), times.requests + 1);
        times.answering += asked.elapsed();
    }
}
