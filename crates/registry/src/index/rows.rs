//! Rows of the listings, and how the tables hold them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Error, Row};

use super::contents::{Changes, Contents, IndexedRun, PackageKey};
use crate::package::Package;
use crate::run::{Status, ValidationScore};

/// Row of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRow {
    /// Id of the run.
    pub id: String,
    /// Name in the config.
    pub name: String,
    /// Status, as in `run.json`.
    pub status: Status,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Device of the last start.
    pub device: String,
    /// `NAME:VERSION` of the published package.
    pub package: Option<String>,
    /// SHA-256 of the dataset version.
    pub dataset: String,
    /// Seconds of training; `None` before its end.
    pub seconds: Option<f64>,
    /// Score on the valid split.
    pub valid: Option<ValidationScore>,
    /// Metrics of the test split.
    pub metrics: Value,
    /// Values of the config by dotted key.
    pub settings: BTreeMap<String, Value>,
}

/// A package, as listed by `cupola models list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageRow {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: u64,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Id of the run.
    pub run: String,
    /// Aliases that point to this version.
    pub aliases: Vec<String>,
    /// Metrics of the test split.
    pub metrics: Value,
}

/// Reads the stamps and aliases of all rows.
pub(super) async fn contents(connection: &mut SqliteConnection) -> Result<Contents, Error> {
    let mut found = Contents::default();
    for row in sqlx::query("SELECT id, stamp FROM runs").fetch_all(&mut *connection).await? {
        found.runs.insert(row.try_get(0)?, row.try_get(1)?);
    }
    for row in sqlx::query("SELECT name, version, stamp FROM packages").fetch_all(&mut *connection).await? {
        found.packages.insert((row.try_get(0)?, version(&row, 1)?), row.try_get(2)?);
    }
    for row in sqlx::query("SELECT name, alias, version FROM aliases").fetch_all(connection).await? {
        found.aliases.insert((row.try_get(0)?, row.try_get(1)?, version(&row, 2)?));
    }
    Ok(found)
}

/// Reads all runs, newest first.
pub(super) async fn runs(connection: &mut SqliteConnection) -> Result<Vec<RunRow>, Error> {
    let query = "SELECT id, name, status, created, device, package, dataset, seconds, valid, metrics, settings FROM runs ORDER BY created DESC, id DESC";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let run = |row: &SqliteRow| {
        Ok(RunRow {
            id: row.try_get(0)?,
            name: row.try_get(1)?,
            status: status(row, 2)?,
            created: row.try_get(3)?,
            device: row.try_get(4)?,
            package: row.try_get(5)?,
            dataset: row.try_get(6)?,
            seconds: row.try_get(7)?,
            valid: json(row, 8)?,
            metrics: json(row, 9)?,
            settings: json(row, 10)?,
        })
    };
    rows.iter().map(run).collect()
}

/// Reads all packages by name, newest first.
pub(super) async fn packages(connection: &mut SqliteConnection) -> Result<Vec<PackageRow>, Error> {
    let query = "SELECT p.name, p.version, p.created, p.run, p.metrics, COALESCE(GROUP_CONCAT(a.alias), '') FROM packages p LEFT JOIN aliases a ON a.name = p.name AND a.version = p.version GROUP BY p.name, p.version ORDER BY p.name, p.version DESC";
    let rows = sqlx::query(query).fetch_all(connection).await?;
    let package = |row: &SqliteRow| {
        let aliases: String = row.try_get(5)?;
        let mut aliases: Vec<String> =
            aliases.split(',').filter(|alias| !alias.is_empty()).map(str::to_owned).collect();
        aliases.sort();
        Ok(PackageRow {
            name: row.try_get(0)?,
            version: version(row, 1)?,
            created: row.try_get(2)?,
            run: row.try_get(3)?,
            aliases,
            metrics: json(row, 4)?,
        })
    };
    rows.iter().map(package).collect()
}

/// Writes changes.
pub(super) async fn write(connection: &mut SqliteConnection, changes: &Changes) -> Result<(), Error> {
    for id in &changes.dropped_runs {
        sqlx::query("DELETE FROM runs WHERE id = ?").bind(id).execute(&mut *connection).await?;
    }
    for (name, version) in &changes.dropped_packages {
        let query = sqlx::query("DELETE FROM packages WHERE name = ? AND version = ?");
        query.bind(name).bind(number(*version)).execute(&mut *connection).await?;
    }
    for (run, stamp) in &changes.runs {
        put_run(connection, run, stamp).await?;
    }
    for (package, key, stamp) in &changes.packages {
        put_package(connection, package, key, stamp).await?;
    }
    let Some(aliases) = &changes.aliases else { return Ok(()) };
    sqlx::query("DELETE FROM aliases").execute(&mut *connection).await?;
    for (name, alias, version) in aliases {
        let query = sqlx::query("INSERT INTO aliases VALUES (?, ?, ?)");
        query.bind(name).bind(alias).bind(number(*version)).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn put_run(connection: &mut SqliteConnection, run: &IndexedRun, stamp: &str) -> Result<(), Error> {
    let IndexedRun { record, settings } = run;
    let query = sqlx::query("INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(&record.id)
        .bind(&record.name)
        .bind(record.status.name())
        .bind(&record.created)
        .bind(&record.device)
        .bind(&record.package)
        .bind(&record.dataset.source.sha256)
        .bind(record.seconds)
        .bind(text(&record.valid))
        .bind(text(&record.metrics))
        .bind(text(settings))
        .bind(stamp);
    query.execute(connection).await.map(drop)
}

async fn put_package(
    connection: &mut SqliteConnection,
    package: &Package,
    key: &PackageKey,
    stamp: &str,
) -> Result<(), Error> {
    let manifest = &package.manifest;
    // A package is listed where it is found, since that is how it is asked for.
    let query = sqlx::query("INSERT OR REPLACE INTO packages VALUES (?, ?, ?, ?, ?, ?)")
        .bind(&key.0)
        .bind(number(key.1))
        .bind(&manifest.created)
        .bind(&manifest.lineage.run)
        .bind(text(&manifest.metrics))
        .bind(stamp);
    query.execute(connection).await.map(drop)
}

fn version(row: &SqliteRow, column: usize) -> Result<u64, Error> {
    let found: i64 = row.try_get(column)?;
    u64::try_from(found)
        .map_err(|error| Error::ColumnDecode { index: column.to_string(), source: error.into() })
}

fn status(row: &SqliteRow, column: usize) -> Result<Status, Error> {
    let name: String = row.try_get(column)?;
    serde_json::from_value(name.into())
        .map_err(|error| Error::ColumnDecode { index: column.to_string(), source: error.into() })
}

fn number(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn json<T: DeserializeOwned>(row: &SqliteRow, column: usize) -> Result<T, Error> {
    let found: String = row.try_get(column)?;
    serde_json::from_str(&found)
        .map_err(|error| Error::ColumnDecode { index: column.to_string(), source: error.into() })
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
