//! Progress reports of long operations.

/// Unit that an operation counts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressUnit {
    /// Bytes of files.
    Bytes,
    /// Rows of tables.
    Rows,
    /// Files.
    Files,
    /// Pages of a paginated response.
    Pages,
}

/// Receiver of progress reports; operations are reported one after another.
pub trait ProgressSink: Sync {
    /// Starts the operation `what`; `total` is `None` if its size is unknown.
    fn begin(&self, what: &str, unit: ProgressUnit, total: Option<u64>);
    /// Adds `by` units to the current operation.
    fn advance(&self, by: u64);
    /// Ends the current operation, whether it succeeded or failed.
    fn end(&self);
}

/// [`ProgressSink`] that ignores every report.
#[derive(Debug, Clone, Copy)]
pub struct NoProgress;

impl ProgressSink for NoProgress {
    fn begin(&self, _: &str, _: ProgressUnit, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}
