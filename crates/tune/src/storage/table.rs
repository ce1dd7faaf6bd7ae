//! Journals in a table of a database: lines with their positions, appended to only.

#[cfg(feature = "postgres")]
mod postgres;
mod sqlite;

use std::path::Path;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::error::StudyError;
use super::place::JournalPlace;

/// Longest wait for an answer of the database, and for the lock.
const WAIT: Duration = Duration::from_mins(2);

/// Description of a failure of the database or of the way to it.
pub(super) struct DatabaseFailure(String);

/// Chooses the position and the lines to append after the lines that are new.
pub(super) type AppendDecision<'a> = dyn FnMut(Vec<String>) -> Result<(usize, Vec<String>), StudyError> + 'a;

/// Lines of one journal in a database.
pub(super) trait JournalTable: std::fmt::Debug + Send {
    /// Lines behind the first `known` ones.
    ///
    /// # Errors
    /// Failures of the database.
    fn lines_after(&mut self, known: usize) -> Result<Vec<String>, DatabaseFailure>;

    /// Appends the lines that `decide` makes of those behind the first `known` ones, while no other process can append.
    /// They are committed when this returns.
    ///
    /// # Errors
    /// Failures of the database, within them those of `decide`; then nothing is appended, unless the connection broke during
    /// the commit.
    fn append(
        &mut self,
        known: usize,
        decide: &mut AppendDecision<'_>,
    ) -> Result<Result<(), StudyError>, DatabaseFailure>;
}

/// Table of a place, `None` for a file of lines.
///
/// # Errors
/// [`StudyError::Database`] for an invalid address, [`StudyError::NoServer`].
pub(super) fn table(place: &JournalPlace) -> Result<Option<Box<dyn JournalTable>>, StudyError> {
    match place {
        JournalPlace::File(_) => Ok(None),
        JournalPlace::Sqlite { path, journal } => {
            let table = sqlite::SqliteJournal::new(path, journal).map_err(failed(&place.shown()))?;
            Ok(Some(Box::new(table)))
        }
        #[cfg(feature = "postgres")]
        JournalPlace::Postgres { url, journal } => {
            let table = postgres::PostgresJournal::new(url, journal).map_err(failed(&place.shown()))?;
            Ok(Some(Box::new(table)))
        }
        #[cfg(not(feature = "postgres"))]
        JournalPlace::Postgres { .. } => Err(StudyError::NoServer),
    }
}

/// Names the database of a failure.
pub(super) fn failed(path: &Path) -> impl Fn(DatabaseFailure) -> StudyError + use<> {
    let database = path.display().to_string();
    move |failure| StudyError::Database { database: database.clone(), why: failure.0 }
}

/// Reads the lines of a journal behind a position.
const SELECT: &str =
    "SELECT line FROM cupola_journal WHERE journal = $1 AND position >= $2 ORDER BY position";
/// Appends a line to a journal.
const INSERT: &str = "INSERT INTO cupola_journal (journal, position, line) VALUES ($1, $2, $3)";

/// Connection that is opened at its first use, and again after a failure, since its state is unknown then.
struct ReopenedConnection<C> {
    runtime: Runtime,
    connection: Option<C>,
}

impl<C> ReopenedConnection<C> {
    /// No connection yet.
    ///
    /// # Errors
    /// A process without threads.
    fn new() -> Result<Self, DatabaseFailure> {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| DatabaseFailure(error.to_string()))?;
        Ok(Self { runtime, connection: None })
    }

    /// Runs a task on the connection, which has [`WAIT`] to end.
    ///
    /// # Errors
    /// Failures of `open` and of the task.
    fn with<T>(
        &mut self,
        open: impl AsyncFnOnce() -> Result<C, DatabaseFailure>,
        task: impl AsyncFnOnce(&mut C) -> Result<T, sqlx::Error>,
    ) -> Result<T, DatabaseFailure> {
        self.runtime.block_on(async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => open().await?,
            };
            let done = in_time(task(&mut connection)).await?;
            self.connection = Some(connection);
            Ok(done)
        })
    }
}

/// Result of a task that has [`WAIT`] to end.
async fn in_time<T>(task: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, DatabaseFailure> {
    let result = tokio::time::timeout(WAIT, task).await;
    result.map_err(|_| DatabaseFailure("no answer in time".to_owned()))?.map_err(failure)
}

/// Errors of the database have their own words; those of the network are named by what failed.
fn failure(error: sqlx::Error) -> DatabaseFailure {
    DatabaseFailure(match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    })
}

/// Number of a line as the table has it.
fn position(line: usize) -> i64 {
    i64::try_from(line).unwrap_or(i64::MAX)
}
