//! Whoever wants to see how far a long piece of work is.

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of files.
    Bytes,
    /// Rows of tables.
    Rows,
    /// Files.
    Files,
    /// Pages of an answer.
    Pages,
}

/// Sees one piece of work after another.
pub trait Watch: Sync {
    /// `what` begins; `total` where it is known.
    fn begin(&self, what: &str, unit: Unit, total: Option<u64>);
    /// So many more are done.
    fn advance(&self, by: u64);
    /// It is done, or has failed.
    fn end(&self);
}

/// Nobody is watching.
#[derive(Debug, Clone, Copy)]
pub struct Unwatched;

impl Watch for Unwatched {
    fn begin(&self, _: &str, _: Unit, _: Option<u64>) {}
    fn advance(&self, _: u64) {}
    fn end(&self) {}
}
