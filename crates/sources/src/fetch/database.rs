//! Rows of a database, queried by SQL and streamed to Parquet.
//!
//! All three databases are queried in a protocol that returns text, so that one piece of code converts it to
//! Arrow types. `SQLite` columns have no type: it is inferred from the first rows, and the query runs again
//! with a wider type if a later row does not fit.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use cupola_store::digest_texts;
use futures::{Stream, StreamExt};
#[cfg(any(feature = "postgres", feature = "mysql"))]
use sqlx::Connection as _;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Column, ConnectOptions, Row, TypeInfo, ValueRef};
use url::Url;

use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::progress::{ProgressSink, ProgressUnit};
use crate::read::conform::common_type;
use crate::table::TableWriter;

/// Number of rows of a batch.
const BATCH: usize = 8192;

/// Writes the rows of `sql` to the cache; with `after`, only rows whose column `after.0` is greater than
/// `after.1`.
pub(super) async fn fetch(
    shown: &str,
    url: &Url,
    sql: &str,
    after: Option<(&str, &str)>,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<PathBuf, Error> {
    let sql = sql.trim().trim_end_matches(';');
    let sql = match after {
        Some((column, value)) => beyond(url.scheme(), sql, column, value),
        None => sql.to_owned(),
    };
    let path = cache.folder("sql", &digest_texts([shown, &sql]))?.join("rows.parquet");
    progress.begin(shown, ProgressUnit::Rows, None);
    let asked = match url.scheme() {
        "sqlite" => sqlite(shown, url, &sql, &path, progress).await,
        "postgres" | "postgresql" => postgres(shown, url, &sql, &path, progress).await,
        _ => mysql(shown, url, &sql, &path, progress).await,
    };
    progress.end();
    asked.map(|()| path)
}

/// Wraps a query so that the database returns only rows beyond a value.
fn beyond(scheme: &str, sql: &str, column: &str, value: &str) -> String {
    let quote = if scheme == "mysql" || scheme == "mariadb" { "`" } else { "\"" };
    let name = format!("{quote}{}{quote}", column.replace(quote, &quote.repeat(2)));
    // SQLite compares a quoted number as text.
    let value = match value.parse::<f64>() {
        Ok(number) if number.is_finite() => value.to_owned(),
        _ => format!("'{}'", value.replace('\'', "''")),
    };
    format!("SELECT * FROM ({sql}) AS counted_rows WHERE {name} > {value}")
}

#[cfg(feature = "postgres")]
async fn postgres(
    shown: &str,
    url: &Url,
    sql: &str,
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), Error> {
    let wrong = |error: &sqlx::Error| said(shown, error);
    let mut connection = sqlx::PgConnection::connect(url.as_str()).await.map_err(|e| wrong(&e))?;
    let mut rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch(&mut connection);
    let first = rows.next().await.transpose().map_err(|e| wrong(&e))?;
    let Some(first) = first else { return Err(nothing(shown)) };
    let columns =
        first.columns().iter().map(|c| (c.name().to_owned(), typed(c.type_info().name()))).collect();
    let rows = futures::stream::iter([Ok(first)]).chain(rows);
    let texts = rows.map(|row| row.and_then(|row| texts(&row)));
    write(shown, columns, Box::pin(texts), path, progress).await.map_err(|error| error.0)
}

#[cfg(feature = "mysql")]
async fn mysql(
    shown: &str,
    url: &Url,
    sql: &str,
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), Error> {
    let wrong = |error: &sqlx::Error| said(shown, error);
    let mut connection = sqlx::MySqlConnection::connect(url.as_str()).await.map_err(|e| wrong(&e))?;
    let mut rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch(&mut connection);
    let first = rows.next().await.transpose().map_err(|e| wrong(&e))?;
    let Some(first) = first else { return Err(nothing(shown)) };
    let columns =
        first.columns().iter().map(|c| (c.name().to_owned(), typed(c.type_info().name()))).collect();
    let rows = futures::stream::iter([Ok(first)]).chain(rows);
    let texts = rows.map(|row| row.and_then(|row| texts(&row)));
    write(shown, columns, Box::pin(texts), path, progress).await.map_err(|error| error.0)
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "the signature of the feature `postgres`")]
async fn postgres(_: &str, _: &Url, _: &str, _: &Path, _: &dyn ProgressSink) -> Result<(), Error> {
    Err(Error::without("a `postgres://` source", "postgres"))
}

#[cfg(not(feature = "mysql"))]
#[expect(clippy::unused_async, reason = "the signature of the feature `mysql`")]
async fn mysql(_: &str, _: &Url, _: &str, _: &Path, _: &dyn ProgressSink) -> Result<(), Error> {
    Err(Error::without("a `mysql://` source", "mysql"))
}

async fn sqlite(
    shown: &str,
    url: &Url,
    sql: &str,
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), Error> {
    let wrong = |error: &sqlx::Error| said(shown, error);
    let options: SqliteConnectOptions = url.as_str().parse().map_err(|e| wrong(&e))?;
    let mut connection = options.read_only(true).connect().await.map_err(|e| wrong(&e))?;
    let mut columns: Vec<(String, DataType)> = Vec::new();
    loop {
        let mut rows = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch(&mut connection);
        // Infers types from the first rows.
        let mut head = Vec::new();
        while head.len() < BATCH
            && let Some(row) = rows.next().await.transpose().map_err(|e| wrong(&e))?
        {
            if columns.is_empty() {
                columns = row.columns().iter().map(|c| (c.name().to_owned(), DataType::Null)).collect();
            }
            for (index, (_, kind)) in columns.iter_mut().enumerate() {
                let value = row.try_get_raw(index).map_err(|e| wrong(&e))?;
                let found = if value.is_null() { DataType::Null } else { typed(value.type_info().name()) };
                *kind = common_type(kind, &found);
            }
            head.push(row);
        }
        if head.is_empty() {
            return Err(nothing(shown));
        }
        let rows = futures::stream::iter(head.into_iter().map(Ok)).chain(rows);
        let texts = rows.map(|row| row.and_then(|row| cells(&row)));
        match write(shown, columns.clone(), Box::pin(texts), path, progress).await {
            Err(CastFailure(_, Some(column))) if columns[column].1 != DataType::Utf8 => {
                let kind = &mut columns[column].1;
                *kind = if *kind == DataType::Int64 { DataType::Float64 } else { DataType::Utf8 };
            }
            other => return other.map_err(|error| error.0),
        }
    }
}

/// Values as the text that the server sends.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn texts<R: Row>(row: &R) -> Result<Vec<Option<String>>, sqlx::Error>
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> String: sqlx::Decode<'r, R::Database>,
{
    (0..row.columns().len())
        .map(|index| {
            if row.try_get_raw(index)?.is_null() {
                Ok(None)
            } else {
                row.try_get_unchecked::<String, _>(index).map(Some)
            }
        })
        .collect()
}

/// Values of `SQLite`. Real numbers are formatted here, since its own conversion to text loses digits.
fn cells(row: &sqlx::sqlite::SqliteRow) -> Result<Vec<Option<String>>, sqlx::Error> {
    let cell = |index: usize| {
        let value = row.try_get_raw(index)?;
        if value.is_null() {
            return Ok(None);
        }
        Ok(Some(match value.type_info().name() {
            "REAL" => row.try_get_unchecked::<f64, _>(index)?.to_string(),
            _ => row.try_get_unchecked::<String, _>(index)?,
        }))
    };
    (0..row.columns().len()).map(cell).collect()
}

/// Arrow type of a database type.
fn typed(name: &str) -> DataType {
    match name.trim_end_matches(" UNSIGNED") {
        "INT2" | "INT4" | "INT8" | "OID" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT"
        | "INTEGER" | "YEAR" => DataType::Int64,
        "FLOAT4" | "FLOAT8" | "NUMERIC" | "DECIMAL" | "FLOAT" | "DOUBLE" | "REAL" => DataType::Float64,
        "BOOL" | "BOOLEAN" => DataType::Boolean,
        "DATE" => DataType::Date32,
        "TIMESTAMP" | "TIMESTAMPTZ" | "DATETIME" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => DataType::Utf8,
    }
}

/// One row as text.
type Cells = Result<Vec<Option<String>>, sqlx::Error>;

/// Error, and the column whose type is too narrow if that is the reason.
struct CastFailure(Error, Option<usize>);

impl From<Error> for CastFailure {
    fn from(error: Error) -> Self {
        Self(error, None)
    }
}

async fn write(
    shown: &str,
    columns: Vec<(String, DataType)>,
    mut rows: Pin<Box<dyn Stream<Item = Cells> + '_>>,
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), CastFailure> {
    let mut seen: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
    seen.sort_unstable();
    if let Some(name) = seen.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]) {
        let why = format!("two columns are called `{name}`; name one with AS");
        return Err(Error::Database { location: shown.to_owned(), why }.into());
    }
    let fields = columns.iter().map(|(name, kind)| {
        // The type of a column without any value is unknown; text holds everything.
        let kind = if *kind == DataType::Null { DataType::Utf8 } else { kind.clone() };
        Field::new(name, kind, true)
    });
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let mut writer = TableWriter::new(path, &schema)?;
    let mut done = 0;
    loop {
        let mut builders: Vec<StringBuilder> = columns.iter().map(|_| StringBuilder::new()).collect();
        let mut count = 0;
        while count < BATCH
            && let Some(row) = rows.next().await
        {
            let row = row.map_err(|error| said(shown, &error))?;
            builders.iter_mut().zip(row).for_each(|(builder, cell)| builder.append_option(cell));
            count += 1;
        }
        if count == 0 {
            break;
        }
        let texts: Vec<ArrayRef> =
            builders.into_iter().map(|mut b| Arc::new(b.finish()) as ArrayRef).collect();
        writer.push(&batch(shown, &schema, &texts, done)?)?;
        done += count;
        progress.advance(count as u64);
    }
    Ok(writer.finish()?)
}

fn batch(
    shown: &str,
    schema: &SchemaRef,
    texts: &[ArrayRef],
    before: usize,
) -> Result<RecordBatch, CastFailure> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let each = texts.iter().zip(schema.fields()).enumerate().map(|(index, (texts, field))| {
        let texts = if field.data_type() == &DataType::Boolean { booleans(texts) } else { Arc::clone(texts) };
        cast_with_options(&texts, field.data_type(), &options).map_err(|error| {
            let why =
                format!("rows from {}, column `{}`: {error}; CAST it in the SQL", before + 1, field.name());
            CastFailure(Error::Database { location: shown.to_owned(), why }, Some(index))
        })
    });
    let columns = each.collect::<Result<Vec<_>, _>>()?;
    RecordBatch::try_new(Arc::clone(schema), columns)
        .map_err(|error| Error::Database { location: shown.to_owned(), why: error.to_string() }.into())
}

/// Converts `t` and `f` of Postgres, and `1` and `0` of `MySQL`, to `true` and `false`.
fn booleans(texts: &ArrayRef) -> ArrayRef {
    use arrow::array::AsArray;
    let spelt = texts.as_string::<i32>().iter().map(|text| {
        text.map(|text| match text {
            "t" | "1" => "true",
            "f" | "0" => "false",
            other => other,
        })
    });
    Arc::new(spelt.collect::<arrow::array::StringArray>())
}

fn nothing(shown: &str) -> Error {
    Error::Empty { path: shown.to_owned(), after: " in the database's answer" }
}

/// Message of the database without the address, which may hold a password.
fn said(shown: &str, error: &sqlx::Error) -> Error {
    let why = match error {
        sqlx::Error::Database(error) => error.message().to_owned(),
        other => other.to_string(),
    };
    Error::Database { location: shown.to_owned(), why }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_becomes_part_of_the_question() {
        let asked = beyond("postgres", "SELECT * FROM t", "at", "2024-01-01 o'clock");
        assert_eq!(
            asked,
            "SELECT * FROM (SELECT * FROM t) AS counted_rows WHERE \"at\" > '2024-01-01 o''clock'"
        );
        assert!(beyond("mysql", "SELECT 1 AS `a`", "a", "1").contains("`a` > 1"));
    }
}
