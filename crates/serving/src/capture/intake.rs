//! Rows that clients push to datasets.

use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::MAX_PUSHES;
use crate::error::Error;

/// Store of pushed rows. Its method may block; the rows are on disk, or in an object store, when it returns.
pub trait RowSink: Send + Sync {
    /// Stores all of the rows, or none, and returns their number.
    ///
    /// # Errors
    /// [`PushError`].
    fn push(&self, dataset: &str, rows: &[Map<String, Value>]) -> Result<usize, PushError>;
}

/// Reason why pushed rows were not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushError {
    /// The dataset does not exist; the message says so.
    UnknownDataset(String),
    /// A row violates the dataset's contract.
    Row {
        /// Number of the row, from 1.
        row: usize,
        /// Name of the column, where the error is about one.
        column: Option<String>,
        /// Reason.
        why: String,
    },
    /// There is no space for more rows until a store answers again; the message says so.
    Full(String),
    /// The rows could not be written.
    Failed {
        /// Reason for the client.
        why: String,
        /// Whole error for the log, with the names of files.
        details: String,
    },
}

impl From<PushError> for Error {
    fn from(error: PushError) -> Self {
        match error {
            PushError::UnknownDataset(message) => Self::UnknownDataset(message),
            PushError::Row { row, column, why } => Self::PushedRow { row, column, why },
            PushError::Full(message) => Self::PushFull(message),
            PushError::Failed { why, details } => {
                tracing::error!(%details, "failed to write pushed rows");
                Self::PushFailed(why)
            }
        }
    }
}

/// Bounded intake of pushed rows.
pub struct RowIntake {
    sink: Arc<dyn RowSink>,
    permits: Arc<Semaphore>,
}

impl RowIntake {
    /// Intake that stores rows in `sink`.
    pub fn new(sink: Arc<dyn RowSink>) -> Self {
        Self { sink, permits: Arc::new(Semaphore::new(MAX_PUSHES)) }
    }

    /// Stores all of the rows, or none, and returns their number.
    ///
    /// # Errors
    /// [`Error::PushOverloaded`], and those of [`PushError`].
    pub async fn push(&self, dataset: String, rows: Vec<Map<String, Value>>) -> Result<usize, Error> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(Error::PushOverloaded { limit: MAX_PUSHES });
        };
        let sink = Arc::clone(&self.sink);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            sink.push(&dataset, &rows)
        });
        let pushed = done.await.unwrap_or_else(|error| {
            let why = "failed to store the rows; try again".to_owned();
            Err(PushError::Failed { why, details: error.to_string() })
        });
        Ok(pushed?)
    }
}
