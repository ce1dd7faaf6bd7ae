//! Lines of a journal in a table of an `SQLite` file, for workers of one host.
//!
//! A transaction takes the lock of writers when it begins (`BEGIN IMMEDIATE`) and waits for it: one that reads first and
//! writes later fails at once where another has written in between, which is what makes studies of other libraries stop with
//! "database is locked" (<https://github.com/optuna/optuna/issues/820>).

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};
use tokio::runtime::Runtime;

use super::super::error::StudyError;
use super::{AppendDecision, DatabaseFailure, JournalTable, WAIT, in_time, position, runtime};

/// Journal of a file.
pub(super) struct SqliteJournal {
    runtime: Runtime,
    options: SqliteConnectOptions,
    journal: String,
    /// `None` before the first use, and after a failure.
    connection: Option<SqliteConnection>,
}

impl std::fmt::Debug for SqliteJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteJournal").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl SqliteJournal {
    /// Journal of this name in a file, which is created.
    ///
    /// # Errors
    /// A process without threads.
    pub fn new(path: &Path, journal: &str) -> Result<Self, DatabaseFailure> {
        // A write-ahead log lets readers go on beside a writer; a study has to survive a crash of the host, too.
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(WAIT);
        Ok(Self { runtime: runtime()?, options, journal: journal.to_owned(), connection: None })
    }

    /// Runs a task on the connection, which is opened first if there is none. A failed one is given up: its state is unknown.
    fn with<T>(
        &mut self,
        task: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, DatabaseFailure> {
        let (options, connection) = (&self.options, &mut self.connection);
        let result = self.runtime.block_on(in_time(async {
            if connection.is_none() {
                let mut opened = SqliteConnection::connect_with(options).await?;
                sqlx::query(
                    "CREATE TABLE IF NOT EXISTS cupola_journal (journal TEXT NOT NULL, position INTEGER NOT NULL, \
                     line TEXT NOT NULL, PRIMARY KEY (journal, position)) WITHOUT ROWID",
                )
                .execute(&mut opened)
                .await?;
                *connection = Some(opened);
            }
            let Some(open) = connection.as_mut() else { return Err(sqlx::Error::WorkerCrashed) };
            task(open).await
        }));
        if result.is_err() {
            self.connection = None;
        }
        result
    }
}

impl JournalTable for SqliteJournal {
    fn lines_after(&mut self, known: usize) -> Result<Vec<String>, DatabaseFailure> {
        let journal = self.journal.clone();
        self.with(async move |connection| lines(connection, &journal, known).await)
    }

    fn append(
        &mut self,
        known: usize,
        decide: &mut AppendDecision<'_>,
    ) -> Result<Result<(), StudyError>, DatabaseFailure> {
        let journal = self.journal.clone();
        self.with(async move |connection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let new = lines(&mut transaction, &journal, known).await?;
            let (first, appended) = match decide(new) {
                Ok(decided) => decided,
                Err(error) => {
                    transaction.rollback().await?;
                    return Ok(Err(error));
                }
            };
            for (line, text) in appended.into_iter().enumerate() {
                sqlx::query("INSERT INTO cupola_journal (journal, position, line) VALUES (?, ?, ?)")
                    .bind(&journal)
                    .bind(position(first + line))
                    .bind(text)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(Ok(()))
        })
    }
}

async fn lines(
    connection: &mut SqliteConnection,
    journal: &str,
    known: usize,
) -> Result<Vec<String>, sqlx::Error> {
    let rows =
        sqlx::query("SELECT line FROM cupola_journal WHERE journal = ? AND position >= ? ORDER BY position")
            .bind(journal)
            .bind(position(known))
            .fetch_all(connection)
            .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
