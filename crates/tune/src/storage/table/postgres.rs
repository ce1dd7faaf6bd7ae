//! Lines of a journal in a table of a `PostgreSQL` server, for workers on several hosts.
//!
//! The table is appended to only. A transaction holds an advisory lock of the journal from its first read to its commit, so
//! that the positions of the lines are their order, as in a file under its lock.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};

use super::super::error::StudyError;
use super::{
    AppendDecision, DatabaseFailure, INSERT, JournalTable, ReopenedConnection, SELECT, failure, position,
};

/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// Classes of advisory locks are ours to choose; this one is the number of "cupola" on a telephone.
const LOCK_CLASS: i32 = 287_652;

/// Journal of a server.
pub(super) struct PostgresJournal {
    options: PgConnectOptions,
    journal: String,
    connection: ReopenedConnection<PgConnection>,
}

impl std::fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PostgresJournal").field("journal", &self.journal).finish_non_exhaustive()
    }
}

impl PostgresJournal {
    /// Journal of this name at an address.
    ///
    /// # Errors
    /// An invalid address.
    pub fn new(url: &str, journal: &str) -> Result<Self, DatabaseFailure> {
        let options = PgConnectOptions::from_str(url).map_err(failure)?;
        Ok(Self { options, journal: journal.to_owned(), connection: ReopenedConnection::new()? })
    }
}

impl JournalTable for PostgresJournal {
    fn lines_after(&mut self, known: usize) -> Result<Vec<String>, DatabaseFailure> {
        let (options, journal) = (&self.options, &self.journal);
        self.connection
            .with(async || open(options).await, async |connection| lines(connection, journal, known).await)
    }

    fn append(
        &mut self,
        known: usize,
        decide: &mut AppendDecision<'_>,
    ) -> Result<Result<(), StudyError>, DatabaseFailure> {
        let (options, journal) = (&self.options, &self.journal);
        let task = async |connection: &mut PgConnection| {
            let mut transaction = connection.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
                .bind(LOCK_CLASS)
                .bind(journal)
                .execute(&mut *transaction)
                .await?;
            let new = lines(&mut transaction, journal, known).await?;
            let (first, appended) = match decide(new) {
                Ok(decided) => decided,
                Err(error) => return Ok(Err(error)),
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
        self.connection.with(async || open(options).await, task)
    }
}

/// Opens a connection, in at most [`CONNECT`], and creates the table.
async fn open(options: &PgConnectOptions) -> Result<PgConnection, DatabaseFailure> {
    let opened = tokio::time::timeout(CONNECT, PgConnection::connect_with(options)).await;
    let mut connection =
        opened.map_err(|_| DatabaseFailure("no answer to a connection".to_owned()))?.map_err(failure)?;
    create(&mut connection).await.map_err(failure)?;
    Ok(connection)
}

/// Creates the table. Two processes that create it together may both find none, and one of them fails harmlessly.
async fn create(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let exists =
        sqlx::query("SELECT to_regclass('cupola_journal') IS NOT NULL").fetch_one(&mut *connection).await?;
    if exists.try_get::<bool, _>(0)? {
        return Ok(());
    }
    let made = sqlx::query(
        "CREATE TABLE IF NOT EXISTS cupola_journal (journal text NOT NULL, position bigint NOT NULL, \
         line text NOT NULL, PRIMARY KEY (journal, position))",
    )
    .execute(&mut *connection)
    .await;
    match made {
        Err(sqlx::Error::Database(error)) if error.is_unique_violation() => Ok(()),
        other => other.map(drop),
    }
}

async fn lines(
    connection: &mut PgConnection,
    journal: &str,
    known: usize,
) -> Result<Vec<String>, sqlx::Error> {
    let rows = sqlx::query(SELECT).bind(journal).bind(position(known)).fetch_all(connection).await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
