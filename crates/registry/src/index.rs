//! The `SQLite` index: fast listings of what the files hold. Each row has the stamp of its file, so that
//! an opened index has the state of the files, whatever was killed between a file and its row.

mod contents;
mod rows;

use std::fs;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection};
use tokio::runtime::Runtime;

use self::contents::Contents;
pub use self::rows::{PackageRow, RunRow};
use crate::error::{Error, io};
use crate::home::Home;

/// `user_version` of the tables below.
const VERSION: i64 = 3;
const SCHEMA: &str = "
CREATE TABLE runs (id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL, created TEXT NOT NULL,
  device TEXT NOT NULL, package TEXT, dataset TEXT NOT NULL, seconds REAL, valid TEXT NOT NULL,
  metrics TEXT NOT NULL, settings TEXT NOT NULL, stamp TEXT NOT NULL);
CREATE TABLE packages (name TEXT NOT NULL, version INTEGER NOT NULL, created TEXT NOT NULL,
  run TEXT NOT NULL, metrics TEXT NOT NULL, stamp TEXT NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE aliases (name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
  PRIMARY KEY (name, alias));
PRAGMA user_version = 3;
";
const DROP_TABLES: &str =
    "DROP TABLE IF EXISTS runs; DROP TABLE IF EXISTS packages; DROP TABLE IF EXISTS aliases;";
/// Longest wait for another process that writes.
const BUSY: Duration = Duration::from_secs(10);
/// Pause before a file that another process holds is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// An open connection to the index.
pub struct Index {
    home: Home,
    connection: SqliteConnection,
    runtime: Runtime,
    /// Reason why the listings are made in memory.
    unusable: Option<String>,
}

impl Index {
    /// Opens the index of a home and brings it to the state of the files. A damaged index, or one with
    /// other tables, is discarded: it holds nothing that the files lack. Where the file cannot be used at
    /// all (a read-only home, a folder in its place), the listings are made in memory.
    ///
    /// # Errors
    /// [`Error::Store`] if the files cannot be listed; [`Error::Index`].
    pub fn open(home: &Home) -> Result<Self, Error> {
        home.refresh_models()?;
        home.refresh_runs()?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io(&home.index()))?;
        let mut opened = runtime.block_on(connect_and_update(home));
        if opened.as_ref().is_err_and(is_damage) {
            Self::discard(home);
            opened = runtime.block_on(connect_and_update(home));
        }
        let (connection, unusable) = match opened {
            Ok(connection) => (connection, None),
            Err(Failure::Files(error)) => return Err(error),
            Err(Failure::Sqlite(error)) => {
                let connection =
                    runtime.block_on(in_memory(home)).map_err(|failure| failure.into_error(home))?;
                (connection, Some(error.to_string()))
            }
        };
        Ok(Self { home: home.clone(), connection, runtime, unusable })
    }

    /// Home that the index lists.
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// Reason why the file cannot be used and the listings are made in memory; `None` if it can.
    pub fn unusable(&self) -> Option<&str> {
        self.unusable.as_deref()
    }

    /// Removes the database. The next [`Index::open`] builds a new one.
    pub fn discard(home: &Home) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = home.index().into_os_string();
            path.push(suffix);
            let _ = fs::remove_file(path);
        }
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn runs(&mut self) -> Result<Vec<RunRow>, Error> {
        if let Ok(rows) = self.runtime.block_on(rows::runs(&mut self.connection)) {
            return Ok(rows);
        }
        self.start_over()?;
        let rows = self.runtime.block_on(rows::runs(&mut self.connection));
        rows.map_err(|error| Failure::Sqlite(error).into_error(&self.home))
    }

    /// All packages by name, newest first.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn packages(&mut self) -> Result<Vec<PackageRow>, Error> {
        if let Ok(rows) = self.runtime.block_on(rows::packages(&mut self.connection)) {
            return Ok(rows);
        }
        self.start_over()?;
        let rows = self.runtime.block_on(rows::packages(&mut self.connection));
        rows.map_err(|error| Failure::Sqlite(error).into_error(&self.home))
    }

    /// Opens a new index in place of one whose rows cannot be read.
    fn start_over(&mut self) -> Result<(), Error> {
        Self::discard(&self.home);
        *self = Self::open(&self.home)?;
        Ok(())
    }
}

/// Reason why an index is not up to date.
enum Failure {
    Sqlite(sqlx::Error),
    Files(Error),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Failure {
    fn into_error(self, home: &Home) -> Error {
        match self {
            Self::Sqlite(error) => Error::Index { path: home.index(), reason: error.to_string() },
            Self::Files(error) => error,
        }
    }
}

/// Opens the database file as soon as no other process holds it, and brings its rows to the state of the files.
///
/// Several processes may create the file at once. The one that finds another changing the journal mode is refused at once,
/// whatever its `busy_timeout`: it already has a lock to read, and waiting with one for another could last for ever
/// (<https://sqlite.org/c3ref/busy_handler.html>).
async fn connect_and_update(home: &Home) -> Result<SqliteConnection, Failure> {
    let started = Instant::now();
    loop {
        match connect_once(home).await {
            Err(failure) if is_busy(&failure) && started.elapsed() < BUSY => {
                tokio::time::sleep(PAUSE).await;
            }
            connected => return connected,
        }
    }
}

async fn connect_once(home: &Home) -> Result<SqliteConnection, Failure> {
    create(home)?;
    let options = SqliteConnectOptions::new()
        .filename(home.index())
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .busy_timeout(BUSY)
        .disable_statement_logging();
    let mut connection = options.connect().await?;
    update(&mut connection, home).await?;
    Ok(connection)
}

/// Makes a database in memory from the files.
async fn in_memory(home: &Home) -> Result<SqliteConnection, Failure> {
    let mut connection =
        SqliteConnectOptions::new().in_memory(true).disable_statement_logging().connect().await?;
    update(&mut connection, home).await?;
    Ok(connection)
}

/// Creates the file where it is missing: `SQLite` would make it readable by everybody, and gives its
/// journal the rights of the file. A link in its place is removed.
fn create(home: &Home) -> Result<(), Failure> {
    let path = home.index();
    if fs::symlink_metadata(&path).is_ok_and(|entry| entry.is_symlink()) {
        let _ = fs::remove_file(&path);
    }
    let made = cupola_store::create_folder(home.root()).and_then(|()| cupola_store::append_file(&path));
    made.map(drop).map_err(|error| Failure::Sqlite(sqlx::Error::Io(std::io::Error::other(error))))
}

async fn update(connection: &mut SqliteConnection, home: &Home) -> Result<(), Failure> {
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await?;
    if version != VERSION {
        create_tables(connection).await?;
    }
    // Most often nothing has changed, and nobody is kept waiting.
    let indexed = rows::contents(connection).await?;
    let found = Contents::of(home).map_err(Failure::Files)?;
    if found.changes(home, &indexed).is_empty() {
        return Ok(());
    }
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Both are read again under the write lock, so that older rows never replace newer ones.
    let indexed = rows::contents(&mut tx).await?;
    let found = Contents::of(home).map_err(Failure::Files)?;
    rows::write(&mut tx, &found.changes(home, &indexed)).await?;
    Ok(tx.commit().await?)
}

/// Replaces the tables of another version.
async fn create_tables(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut tx = connection.begin_with("BEGIN IMMEDIATE").await?;
    // Another process may have been faster.
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *tx).await?;
    if version != VERSION {
        sqlx::raw_sql(DROP_TABLES).execute(&mut *tx).await?;
        sqlx::raw_sql(SCHEMA).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Primary code of an error of `SQLite`: the low byte of the extended one (<https://sqlite.org/rescode.html>).
fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<i32> {
    error.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff)
}

/// `true` if another connection holds the file.
fn is_busy(failure: &Failure) -> bool {
    const SQLITE_BUSY: i32 = 5;
    let Failure::Sqlite(sqlx::Error::Database(error)) = failure else { return false };
    primary_code(&**error) == Some(SQLITE_BUSY)
}

/// `true` if another file in place of the database would help: it is no database, it is damaged, or it
/// has other tables or types. It would not where the file is busy or cannot be written.
fn is_damage(failure: &Failure) -> bool {
    let Failure::Sqlite(error) = failure else { return false };
    match error {
        // SQLITE_ERROR, SQLITE_CORRUPT, SQLITE_SCHEMA, SQLITE_CONSTRAINT, SQLITE_MISMATCH, SQLITE_NOTADB
        sqlx::Error::Database(error) => {
            primary_code(&**error).is_some_and(|code| [1, 11, 17, 19, 20, 26].contains(&code))
        }
        sqlx::Error::Io(_) => false,
        _ => true,
    }
}
