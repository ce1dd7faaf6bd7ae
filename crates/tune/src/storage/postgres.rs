//! Lines of a journal in a table of a `PostgreSQL` server, for workers on several hosts.
//!
//! The table is appended to only. A transaction holds an advisory lock of the journal from its first read to its commit, so
//! that the positions of the lines are their order, as in a file under its lock.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Row};
use tokio::runtime::{Builder, Runtime};

use super::error::StudyError;

/// Longest wait for an answer of the server, and for the lock.
const WAIT: Duration = Duration::from_mins(2);
/// Longest wait for a connection.
const CONNECT: Duration = Duration::from_secs(20);
/// Classes of advisory locks are ours to choose; this one is the number of "cupola" on a telephone.
const LOCK_CLASS: i32 = 287_652;

/// Description of a failure of the server or of the way to it.
pub(super) struct ServerFailure(pub String);

/// Journal of a server.
pub(super) struct PostgresJournal {
    runtime: Runtime,
    options: PgConnectOptions,
    journal: String,
    /// `None` before the first use, and after a failure.
    connection: Option<PgConnection>,
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
    pub fn new(url: &str, journal: &str) -> Result<Self, ServerFailure> {
        let options = PgConnectOptions::from_str(url).map_err(failure)?;
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| ServerFailure(error.to_string()))?;
        Ok(Self { runtime, options, journal: journal.to_owned(), connection: None })
    }

    /// Lines behind the first `known` ones.
    ///
    /// # Errors
    /// Failures of the server.
    pub fn lines_after(&mut self, known: usize) -> Result<Vec<String>, ServerFailure> {
        let journal = self.journal.clone();
        self.with(async move |connection| {
            let found = lines(connection, &journal, known).await?;
            Ok(found)
        })
    }

    /// Appends the lines that `decide` makes of those behind the first `known` ones, while no other process can append.
    /// They are committed when this returns.
    ///
    /// # Errors
    /// Failures of the server and of `decide`; then nothing is appended, unless the connection broke during the commit.
    pub fn append(
        &mut self,
        known: usize,
        failed: impl Fn(ServerFailure) -> StudyError,
        decide: impl FnOnce(Vec<String>) -> Result<(usize, Vec<String>), StudyError>,
    ) -> Result<(), StudyError> {
        let journal = self.journal.clone();
        let result = self.with(async move |connection| {
            let mut transaction = connection.begin().await?;
            sqlx::query("SELECT pg_advisory_xact_lock($1, hashtext($2))")
                .bind(LOCK_CLASS)
                .bind(&journal)
                .execute(&mut *transaction)
                .await?;
            let new = lines(&mut transaction, &journal, known).await?;
            let (mut position, appended) = match decide(new) {
                Ok(decided) => decided,
                Err(error) => return Ok(Err(error)),
            };
            for line in appended {
                sqlx::query("INSERT INTO cupola_journal (journal, position, line) VALUES ($1, $2, $3)")
                    .bind(&journal)
                    .bind(i64::try_from(position).unwrap_or(i64::MAX))
                    .bind(line)
                    .execute(&mut *transaction)
                    .await?;
                position += 1;
            }
            transaction.commit().await?;
            Ok(Ok(()))
        });
        result.map_err(failed)?
    }

    /// Runs a task on the connection, which is opened first if there is none. A failed one is given up: its state is unknown.
    fn with<T>(
        &mut self,
        task: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, ServerFailure> {
        let (options, connection) = (&self.options, &mut self.connection);
        let result = self.runtime.block_on(async {
            if connection.is_none() {
                let opened = tokio::time::timeout(CONNECT, PgConnection::connect_with(options));
                let mut opened = opened
                    .await
                    .map_err(|_| ServerFailure("no answer to a connection".to_owned()))?
                    .map_err(failure)?;
                create(&mut opened).await.map_err(failure)?;
                *connection = Some(opened);
            }
            let Some(open) = connection.as_mut() else {
                return Err(ServerFailure("no connection".to_owned()));
            };
            let result = tokio::time::timeout(WAIT, task(open)).await;
            result.map_err(|_| ServerFailure("no answer in time".to_owned()))?.map_err(failure)
        });
        if result.is_err() {
            self.connection = None;
        }
        result
    }
}

/// Errors of the server have their own words; those of the network are named by what failed.
fn failure(error: sqlx::Error) -> ServerFailure {
    ServerFailure(match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        sqlx::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    })
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
    let rows = sqlx::query(
        "SELECT line FROM cupola_journal WHERE journal = $1 AND position >= $2 ORDER BY position",
    )
    .bind(journal)
    .bind(i64::try_from(known).unwrap_or(i64::MAX))
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| row.try_get(0)).collect()
}
