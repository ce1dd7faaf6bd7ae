//! The `SQLite` index: fast listings of what the files hold. It can be rebuilt from them at any time.

mod rows;

use std::path::PathBuf;

use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::runtime::Runtime;

pub use self::rows::{PackageRow, RunRow};
use crate::alias::Aliases;
use crate::error::{Error, io};
use crate::home::Home;
use crate::package::Package;
use crate::run::{RunFolder, RunRecord};

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runs (id TEXT PRIMARY KEY, name TEXT NOT NULL, status TEXT NOT NULL,
  created TEXT NOT NULL, device TEXT NOT NULL, package TEXT, metrics TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS packages (name TEXT NOT NULL, version INTEGER NOT NULL,
  created TEXT NOT NULL, run TEXT NOT NULL, metrics TEXT NOT NULL, PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS aliases (name TEXT NOT NULL, alias TEXT NOT NULL,
  version INTEGER NOT NULL, PRIMARY KEY (name, alias));
";

/// `user_version` of an index that was filled completely.
const VERSION: i64 = 1;
/// Statement that marks the index as filled, in the transaction that fills it.
const MARK_FILLED: &str = "PRAGMA user_version = 1";

/// An open connection to the index.
pub struct Index {
    path: PathBuf,
    connection: SqliteConnection,
    runtime: Runtime,
}

impl Index {
    /// Opens the index of a home. A new or damaged index is built from the files.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn open(home: &Home) -> Result<Self, Error> {
        let path = home.index();
        let wrong = |error: &sqlx::Error| Error::Index { path: path.clone(), reason: error.to_string() };
        let (mut index, complete) = match Self::connect(home)? {
            Ok(opened) => opened,
            // The index holds nothing that the files lack: a damaged one is discarded.
            Err(error) if is_damage(&error) => {
                Self::discard(home);
                Self::connect(home)?.map_err(|error| wrong(&error))?
            }
            Err(error) => return Err(wrong(&error)),
        };
        if !complete {
            index.rebuild(home)?;
        }
        Ok(index)
    }

    /// Removes the database. The next [`Index::open`] builds a new one.
    pub fn discard(home: &Home) {
        for suffix in ["", "-wal", "-shm"] {
            let mut path = home.index().into_os_string();
            path.push(suffix);
            let _ = std::fs::remove_file(path);
        }
    }

    /// Opens the database. The boolean is `true` if it was filled completely.
    fn connect(home: &Home) -> Result<Result<(Self, bool), sqlx::Error>, Error> {
        let path = home.index();
        std::fs::create_dir_all(home.root()).map_err(io(home.root()))?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(io(&path))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .busy_timeout(std::time::Duration::from_secs(30))
            .disable_statement_logging();
        let opened = runtime.block_on(async {
            let mut connection = options.connect().await?;
            sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
            let version = sqlx::query("PRAGMA user_version").fetch_one(&mut connection).await?;
            Ok::<_, sqlx::Error>((connection, version.get::<i64, _>(0) == VERSION))
        });
        Ok(opened.map(|(connection, complete)| (Self { path, connection, runtime }, complete)))
    }

    /// Replaces the content by that of the files. Returns the numbers of runs and packages.
    ///
    /// # Errors
    /// [`Error::Index`], or [`Error::Store`] if the files cannot be listed.
    pub fn rebuild(&mut self, home: &Home) -> Result<(usize, usize), Error> {
        let Self { path, connection, runtime } = self;
        let wrong = |error: sqlx::Error| Error::Index { path: path.clone(), reason: error.to_string() };
        runtime.block_on(async {
            let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
            // Read under the write lock: a process that published before it has its files in place, one
            // that publishes later inserts its row after this commit.
            let found = HomeContents::read(home)?;
            found.write(&mut tx).await.map_err(wrong)?;
            tx.commit().await.map_err(wrong)?;
            Ok((found.runs.len(), found.packages.len()))
        })
    }

    /// Inserts or updates a run.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn run(&mut self, record: &RunRecord) -> Result<(), Error> {
        let done = self.runtime.block_on(put_run(&mut self.connection, record));
        done.map_err(|error| self.wrong(&error))
    }

    /// Inserts or updates a package and the aliases of its model.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn package(&mut self, home: &Home, package: &Package) -> Result<(), Error> {
        let Self { path, connection, runtime } = self;
        let wrong = |error: sqlx::Error| Error::Index { path: path.clone(), reason: error.to_string() };
        runtime.block_on(async {
            let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.map_err(wrong)?;
            // Read under the write lock, as in `rebuild`: otherwise older aliases could overwrite those
            // that another process has just moved.
            let aliases = Aliases::read(home, &package.manifest.name)?;
            put_package(&mut tx, package).await.map_err(wrong)?;
            for (alias, version) in &aliases {
                put_alias(&mut tx, &package.manifest.name, alias, *version).await.map_err(wrong)?;
            }
            tx.commit().await.map_err(wrong)
        })
    }

    /// All runs, newest first.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn runs(&mut self) -> Result<Vec<RunRow>, Error> {
        let query = sqlx::query(
            "SELECT id, name, status, created, device, package, metrics FROM runs ORDER BY created DESC, id DESC",
        );
        let rows = self.runtime.block_on(query.fetch_all(&mut self.connection));
        let rows = rows.map_err(|error| self.wrong(&error))?;
        Ok(rows
            .iter()
            .map(|row| RunRow {
                id: row.get(0),
                name: row.get(1),
                status: row.get(2),
                created: row.get(3),
                device: row.get(4),
                package: row.get(5),
                metrics: json(row.get::<&str, _>(6)),
            })
            .collect())
    }

    /// All packages by name, newest first.
    ///
    /// # Errors
    /// [`Error::Index`].
    pub fn packages(&mut self) -> Result<Vec<PackageRow>, Error> {
        let query = sqlx::query(
            "SELECT p.name, p.version, p.created, p.run, p.metrics, COALESCE(GROUP_CONCAT(a.alias), '') FROM packages p LEFT JOIN aliases a ON a.name = p.name AND a.version = p.version GROUP BY p.name, p.version ORDER BY p.name, p.version DESC",
        );
        let rows = self.runtime.block_on(query.fetch_all(&mut self.connection));
        let rows = rows.map_err(|error| self.wrong(&error))?;
        Ok(rows
            .iter()
            .map(|row| {
                let aliases: String = row.get(5);
                let mut aliases: Vec<String> =
                    aliases.split(',').filter(|a| !a.is_empty()).map(str::to_owned).collect();
                aliases.sort();
                PackageRow {
                    name: row.get(0),
                    version: u64::try_from(row.get::<i64, _>(1)).unwrap_or_default(),
                    created: row.get(2),
                    run: row.get(3),
                    aliases,
                    metrics: json(row.get::<&str, _>(4)),
                }
            })
            .collect())
    }

    fn wrong(&self, error: &sqlx::Error) -> Error {
        Error::Index { path: self.path.clone(), reason: error.to_string() }
    }
}

/// Runs, packages and aliases in the files of a home.
struct HomeContents {
    runs: Vec<RunRecord>,
    packages: Vec<Package>,
    /// Model, alias and version.
    aliases: Vec<(String, String, u64)>,
}

impl HomeContents {
    fn read(home: &Home) -> Result<Self, Error> {
        let runs = RunFolder::all(home)?.into_iter().map(|(_, record)| record).collect();
        let mut found = Self { runs, packages: Vec::new(), aliases: Vec::new() };
        for name in home.model_names()? {
            for version in home.versions(&name)? {
                let path = home.models().join(&name).join(version.to_string());
                found.packages.extend(Package::open(&path));
            }
            let aliases = Aliases::read(home, &name)?.into_iter();
            found.aliases.extend(aliases.map(|(alias, version)| (name.clone(), alias, version)));
        }
        Ok(found)
    }

    /// Replaces all rows.
    async fn write(&self, connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        sqlx::raw_sql("DELETE FROM runs; DELETE FROM packages; DELETE FROM aliases")
            .execute(&mut *connection)
            .await?;
        for record in &self.runs {
            put_run(connection, record).await?;
        }
        for package in &self.packages {
            put_package(connection, package).await?;
        }
        for (name, alias, version) in &self.aliases {
            put_alias(connection, name, alias, *version).await?;
        }
        sqlx::raw_sql(MARK_FILLED).execute(connection).await.map(drop)
    }
}

/// `true` for `SQLITE_CORRUPT` and `SQLITE_NOTADB`.
fn is_damage(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|code| code == "11" || code == "26")
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

async fn put_run(connection: &mut SqliteConnection, record: &RunRecord) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)")
        .bind(&record.id)
        .bind(&record.name)
        .bind(record.status.name())
        .bind(&record.created)
        .bind(&record.device)
        .bind(&record.package)
        .bind(text(&record.metrics))
        .execute(connection)
        .await
        .map(drop)
}

async fn put_package(connection: &mut SqliteConnection, package: &Package) -> Result<(), sqlx::Error> {
    let manifest = &package.manifest;
    sqlx::query("INSERT OR REPLACE INTO packages VALUES (?, ?, ?, ?, ?)")
        .bind(&manifest.name)
        .bind(i64::try_from(manifest.version).unwrap_or(i64::MAX))
        .bind(&manifest.created)
        .bind(&manifest.lineage.run)
        .bind(text(&manifest.metrics))
        .execute(connection)
        .await
        .map(drop)
}

async fn put_alias(
    connection: &mut SqliteConnection,
    name: &str,
    alias: &str,
    version: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT OR REPLACE INTO aliases VALUES (?, ?, ?)")
        .bind(name)
        .bind(alias)
        .bind(i64::try_from(version).unwrap_or(i64::MAX))
        .execute(connection)
        .await
        .map(drop)
}
