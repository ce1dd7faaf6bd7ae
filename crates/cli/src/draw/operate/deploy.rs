//! Drawing of images.

use std::io::IsTerminal;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cupola_deploy::ImageReport;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::draw::Ui;

/// Work that takes less time is not shown.
const DELAY: Duration = Duration::from_secs(1);
/// Milliseconds between two lines in a pipe.
const INTERVAL: u64 = 5_000;
const MB: f64 = 1e6;

/// Number of bytes of a longer work: a spinner on a terminal, a plain line now and then in a pipe.
pub struct ByteProgress {
    ui: Ui,
    what: &'static str,
    began: Instant,
    done: AtomicU64,
    /// Milliseconds from the beginning to the last line.
    shown: AtomicU64,
    bar: OnceLock<ProgressBar>,
}

impl ByteProgress {
    pub fn new(ui: Ui, what: &'static str) -> Self {
        let (done, shown) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { ui, what, began: Instant::now(), done, shown, bar: OnceLock::new() }
    }

    pub fn advance(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let elapsed = self.began.elapsed();
        if elapsed < DELAY {
            return;
        }
        if std::io::stderr().is_terminal() {
            self.bar.get_or_init(|| spinner(self.what)).set_position(done);
            return;
        }
        let now = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.shown.load(Ordering::Relaxed)) >= INTERVAL {
            self.shown.store(now, Ordering::Relaxed);
            self.ui.line(format!("{}  {} MB", self.what, done / 1_000_000));
        }
    }

    pub fn end(&self) {
        if let Some(bar) = self.bar.get() {
            bar.finish_and_clear();
        }
    }
}

fn spinner(what: &'static str) -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg} {bytes} {elapsed}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()));
    bar.set_message(what);
    bar
}

/// Shows an image: name, digest, layers, file, and the commands that load it.
pub fn show_image(ui: Ui, report: &ImageReport, seconds: f64, next: &[String]) {
    let mb = |bytes: u64| format!("{:.1} MB", bytes as f64 / MB);
    ui.line(format!("image    {} ({})", report.image, report.platform));
    ui.line(format!("digest   {}", report.digest));
    for layer in &report.layers {
        let cached = if layer.cached { ", as in an earlier image" } else { "" };
        ui.line(format!("layer    {}: {}{cached}", layer.name, mb(layer.bytes)));
    }
    let (file, size) = (report.file.display(), mb(report.bytes));
    ui.line(format!("written  {file} ({size} in {seconds:.2} s)"));
    for command in next {
        ui.line(format!("next     {command}"));
    }
}
