//! Progress bars and log lines, which share stderr without tearing each other apart.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// All bars of the program. Nothing is drawn when stderr is no terminal.
fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// A bar for one stage: rate and remaining time beside the count. Hidden once finished. A total of 0 is not known yet.
pub fn stage(name: &'static str, total: u64, unit: &str) -> ProgressBar {
    let template =
        format!("{{prefix:>9}} {{bar:32}} {{pos}}/{{len}} {unit}  {{rate}}  {{eta}} left  {{msg}}");
    let style = ProgressStyle::with_template(&template).expect("the template is valid");
    let rate = |state: &ProgressState, text: &mut dyn fmt::Write| {
        // A terminal that cannot be written to is no reason to stop the work.
        let _ = write!(text, "{:.1}/s", state.per_sec());
    };
    let bar = if total == 0 { ProgressBar::no_length() } else { ProgressBar::new(total) };
    let bar = bars().add(bar.with_style(style.with_key("rate", rate)).with_prefix(name));
    bar.enable_steady_tick(Duration::from_millis(200)); // smooth to the eye, and nothing to the processor
    bar
}

/// Sends log lines to stderr: `BOLID_LOG` if set, otherwise by the number of `-v`.
pub fn init_logging(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug,sqlx=info,hyper=info,reqwest=info,ort=warn",
    };
    let filter = EnvFilter::try_from_env("BOLID_LOG").unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(BesideBars)
        .with_target(false)
        .init();
}

/// Writes to stderr while the bars are out of the way.
struct BesideBars;

impl<'a> MakeWriter<'a> for BesideBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        Self
    }
}

impl Write for BesideBars {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        bars().suspend(|| io::stderr().write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
