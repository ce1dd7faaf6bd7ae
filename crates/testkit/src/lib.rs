//! Temporary homes, small data and mutated inputs that the tests of several crates use.

mod fuzz;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use fuzz::fuzz;

/// A temporary folder, deleted when the value is dropped.
///
/// # Panics
/// When the system gives no temporary folder.
#[allow(clippy::expect_used, reason = "a test without a folder cannot run")]
pub fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Reports that a test is skipped because this machine lacks `needs`.
///
/// Writes to standard error itself: the test harness shows what the macros print of failed tests only.
pub fn skip(test: &str, needs: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped ({count}): {test}: needs {needs}");
}

/// The project's root, where `configs/` and `data/` are.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A CSV of two blobs that a straight line divides: columns `x`, `y`, `side`.
pub fn blobs(rows: usize) -> String {
    let mut text = String::from("x,y,side\n");
    for index in 0..rows {
        // Irrational steps spread the points without a generator.
        #[allow(clippy::cast_precision_loss)]
        let (a, b) = ((index as f64 * 0.754_877_666).fract(), (index as f64 * 0.569_840_291).fract());
        let left = index % 2 == 0;
        let (x, side) = if left { (a - 1.2, "left") } else { (a + 0.2, "right") };
        let _ = writeln!(text, "{x:.4},{b:.4},{side}");
    }
    text
}
