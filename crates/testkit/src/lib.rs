//! Shared helpers of the tests: temporary folders, small data, fuzzing.

mod fuzz;

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

pub use fuzz::fuzz;

/// Creates a temporary folder, removed when it is dropped.
///
/// # Panics
/// If the system cannot create one.
#[allow(clippy::expect_used, reason = "a test needs its folder")]
pub fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary folder")
}

/// Names of the entries of a folder, sorted.
///
/// # Panics
/// If the folder cannot be read.
#[allow(clippy::unwrap_used, reason = "a test needs its folder")]
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Reports that a test is skipped because this machine lacks `needs`.
///
/// Writes to standard error itself: the test harness shows what the macros print of failed tests only.
pub fn skip(test: &str, needs: &str) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed) + 1;
    let _ = writeln!(std::io::stderr(), "skipped ({count}): {test}: needs {needs}");
}

/// Root of the repository, with `configs/` and `data/`.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// CSV text of two linearly separable blobs with the columns `x`, `y` and `side`.
pub fn blobs(rows: usize) -> String {
    let mut text = String::from("x,y,side\n");
    for index in 0..rows {
        // Irrational steps spread the points without a random generator.
        #[allow(clippy::cast_precision_loss)]
        let (a, b) = ((index as f64 * 0.754_877_666).fract(), (index as f64 * 0.569_840_291).fract());
        let left = index % 2 == 0;
        let (x, side) = if left { (a - 1.2, "left") } else { (a + 0.2, "right") };
        let _ = writeln!(text, "{x:.4},{b:.4},{side}");
    }
    text
}
