//! Lines of a journal in a table of an `SQLite` file, for workers of one host.
//!
//! A transaction takes the lock of writers when it begins (`BEGIN IMMEDIATE`) and waits for it: one that reads first and
//! writes later fails at once where another has written in between, which is what makes studies of other libraries stop with
//! "database is locked" (<https://github.com/optuna/optuna/issues/820>).

use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Row};

use super::super::error::StudyError;
use super::{
    AppendDecision, DatabaseFailure, INSERT, JournalTable, ReopenedConnection, SELECT, WAIT, in_time,
    position,
};

/// Pause before a file that another process is creating is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// Journal of a file.
pub(super) struct SqliteJournal {
    options: SqliteConnectOptions,
    journal: String,
    connection: ReopenedConnection<SqliteConnection>,
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
        Ok(Self { options, journal: journal.to_owned(), connection: ReopenedConnection::new()? })
    }
}

impl JournalTable for SqliteJournal {
    fn lines_after(&mut self, known: usize) -> Result<Vec<String>, DatabaseFailure> {
        let (options, journal) = (&self.options, &self.journal);
        self.connection.with(
            async || in_time(open(options)).await,
            async |connection| lines(connection, journal, known).await,
        )
    }

    fn append(
        &mut self,
        known: usize,
        decide: &mut AppendDecision<'_>,
    ) -> Result<Result<(), StudyError>, DatabaseFailure> {
        let (options, journal) = (&self.options, &self.journal);
        let task = async |connection: &mut SqliteConnection| {
            let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
            let new = lines(&mut transaction, journal, known).await?;
            let (first, appended) = match decide(new) {
                Ok(decided) => decided,
                Err(error) => {
                    transaction.rollback().await?;
                    return Ok(Err(error));
                }
            };
            for (line, text) in appended.into_iter().enumerate() {
                sqlx::query(INSERT)
                    .bind(journal)
                    .bind(position(first + line))
                    .bind(text)
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            Ok(Ok(()))
        };
        self.connection.with(async || in_time(open(options)).await, task)
    }
}

/// Opens the file as soon as no other process holds it.
///
/// Several workers may create the file at once. The one that finds another changing the journal mode is refused at once,
/// whatever its `busy_timeout`: it already has a lock to read, and waiting with one for another could last for ever
/// (<https://sqlite.org/c3ref/busy_handler.html>).
async fn open(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    loop {
        match open_once(options).await {
            Err(error) if is_busy(&error) => tokio::time::sleep(PAUSE).await,
            opened => return opened,
        }
    }
}

/// Another connection holds the file. The low byte of an extended code is its primary code
/// (<https://sqlite.org/rescode.html>).
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

/// Opens the file, and creates the table in a new one.
async fn open_once(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    sqlx::query(
        "CREATE TABLE IF NOT EXISTS cupola_journal (journal TEXT NOT NULL, position INTEGER NOT NULL, \
         line TEXT NOT NULL, PRIMARY KEY (journal, position)) WITHOUT ROWID",
    )
    .execute(&mut connection)
    .await?;
    Ok(connection)
}

async fn lines(
    connection: &mut SqliteConnection,
    journal: &str,
    known: usize,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(SELECT).bind(journal).bind(position(known)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
