//! What benchmarks beside PyTorch share: each measurement is a process of its own, so that its peak memory is
//! its own as well.

use std::fs;
use std::process::Command;

use serde_json::Value;

pub type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A line of the table: seconds, peak memory, and both beside another's.
pub fn row(what: &str, measured: &Value, against: Option<&Value>) {
    let number = |value: &Value, key: &str| value[key].as_f64().unwrap_or(f64::NAN);
    let (seconds, peak) = (number(measured, "seconds"), number(measured, "peak_gib"));
    let ratio = against.map_or(String::new(), |other| {
        let (time, memory) = (seconds / number(other, "seconds"), peak / number(other, "peak_gib"));
        format!("   {time:.2} of the time, {memory:.2} of the memory")
    });
    println!("  {what:<40} {seconds:>8.3} s  {peak:>6.2} GiB{ratio}");
}

/// What a command prints; its complaint where it fails.
pub fn output(command: &mut Command) -> Outcome<String> {
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?} failed:\n{}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The most memory this process has had resident; 0 where the system does not say.
pub fn peak_gib() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib: Option<f64> = line.and_then(|l| l.split_whitespace().next()?.parse().ok());
    kib.unwrap_or(0.0) / 1024.0 / 1024.0
}
