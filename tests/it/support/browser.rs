//! Opens a page in Chromium, headless, and gives what a script on it told.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A page of 5000 photos on a busy machine takes a few seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// Runs `script` at the end of `page` in a window of 1400×950 px; gives what it hands to its function `tell`.
pub fn told(folder: &Path, page: &str, script: &str) -> Value {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port on loopback");
    let address = listener.local_addr().expect("the port has a number");
    let tell = format!(
        "const tell = told => fetch('http://{address}/', {{ method: 'POST', mode: 'no-cors', body: \
         JSON.stringify(told) }});"
    );
    let with_script = page.replace("</body>", &format!("<script>{tell}\n{script}</script></body>"));
    let (file, profile) = (folder.join("tested.html"), folder.join("chromium"));
    fs::write(&file, with_script).expect("the page can be written");
    let mut browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"])
        .args(["--disable-background-networking", "--disable-component-update", "--window-size=1400,950"])
        .args(["--remote-debugging-port=0".to_owned(), format!("--user-data-dir={}", profile.display())])
        .arg(format!("file://{}", file.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("Chromium starts");
    let told = receive(&listener);
    browser.kill().expect("Chromium can be ended");
    browser.wait().expect("Chromium ends");
    let told = told.expect("the page tells how it went");
    assert!(told["error"].is_null(), "{}", told["error"]);
    told
}

/// The body of the first request that has one.
fn receive(listener: &TcpListener) -> Option<Value> {
    listener.set_nonblocking(true).expect("a listener need not block");
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        stream.set_nonblocking(false).expect("a stream may block");
        stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a stream has a time-out");
        let mut bytes = Vec::new();
        let mut part = [0; 65536];
        while let Ok(read @ 1..) = stream.read(&mut part) {
            bytes.extend_from_slice(&part[..read]);
            let text = String::from_utf8_lossy(&bytes);
            if let Some((_, body)) = text.split_once("\r\n\r\n")
                && let Ok(told) = serde_json::from_str(body)
            {
                let answer = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
                stream.write_all(answer.as_bytes()).expect("an answer can be sent");
                return Some(told);
            }
        }
    }
    None
}
