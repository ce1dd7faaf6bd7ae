//! Rows of a database, queried by SQL and streamed to Parquet.
//!
//! All three databases are queried in a protocol that returns text, so that one piece of code converts it to
//! Arrow types. `SQLite` columns have no type: it is inferred from the first rows, and the query runs again
//! with a wider type if a later row does not fit.

mod beyond;
mod bound;

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::record_batch::RecordBatch;
use cupola_store::digest_texts;
use futures::{Stream, StreamExt};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Column, ConnectOptions, Row, TypeInfo, ValueRef};
use url::Url;

pub(super) use self::beyond::Watermark;
#[cfg(not(feature = "adbc"))]
use self::beyond::whole;
#[cfg(feature = "adbc")]
pub(super) use self::beyond::{beyond, quoted, whole};

use self::beyond::MarkValue;
use super::SourceRequest;
use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::progress::{ProgressSink, ProgressUnit};
use crate::read::conform::common_type;
use crate::table::TableWriter;

/// Number of rows of a batch.
const BATCH: usize = 8192;

/// Query of a database and the file that its rows go to.
struct DatabaseQuery<'a> {
    /// Location as messages show it.
    shown: &'a str,
    url: &'a Url,
    sql: String,
    /// Column and value beyond which rows are wanted.
    after: Option<Watermark<'a>>,
    path: PathBuf,
    progress: &'a dyn ProgressSink,
}

/// Writes the rows of `data.sql` to the cache; with `after`, only rows beyond it.
pub(super) async fn fetch(
    request: &SourceRequest<'_>,
    shown: &str,
    url: &Url,
    after: Option<Watermark<'_>>,
    cache: &SourceCache,
) -> Result<PathBuf, Error> {
    let sql = whole(super::sql(request.data, shown)?).to_owned();
    let mark = after.map_or(["", ""], |(column, value)| [column, value]);
    let key = digest_texts([shown, sql.as_str()].into_iter().chain(mark));
    let path = cache.folder("sql", &key)?.join("rows.parquet");
    let query = DatabaseQuery { shown, url, sql, after, path, progress: request.progress };
    request.progress.begin(shown, ProgressUnit::Rows, None);
    let asked = match url.scheme() {
        "sqlite" => query.sqlite().await,
        "postgres" | "postgresql" => query.postgres().await,
        _ => query.mysql().await,
    };
    request.progress.end();
    asked.map(|()| query.path)
}

impl DatabaseQuery<'_> {
    #[cfg(feature = "postgres")]
    async fn postgres(&self) -> Result<(), Error> {
        match self.after {
            Some(mark) => self.postgres_beyond(mark).await,
            None => self.server::<sqlx::Postgres>().await,
        }
    }

    #[cfg(feature = "mysql")]
    async fn mysql(&self) -> Result<(), Error> {
        match self.after {
            Some(mark) => self.mysql_beyond(mark).await,
            None => self.server::<sqlx::MySql>().await,
        }
    }

    #[cfg(not(feature = "postgres"))]
    #[allow(clippy::unused_async, clippy::unused_self, reason = "the signature of the feature `postgres`")]
    async fn postgres(&self) -> Result<(), Error> {
        Err(Error::without("a `postgres://` source", "postgres"))
    }

    #[cfg(not(feature = "mysql"))]
    #[allow(clippy::unused_async, clippy::unused_self, reason = "the signature of the feature `mysql`")]
    async fn mysql(&self) -> Result<(), Error> {
        Err(Error::without("a `mysql://` source", "mysql"))
    }

    /// Queries a server, which declares the types of the columns.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    async fn server<DB>(&self) -> Result<(), Error>
    where
        DB: sqlx::Database,
        for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
        usize: sqlx::ColumnIndex<DB::Row>,
        for<'r> String: sqlx::Decode<'r, DB>,
    {
        use sqlx::Connection as _;

        let connected = DB::Connection::connect(self.url.as_str()).await;
        let mut connection = connected.map_err(|error| self.failure(&error))?;
        let mut columns: Vec<QueryColumn> = Vec::new();
        loop {
            let rows = sqlx::raw_sql(sqlx::AssertSqlSafe(self.sql.as_str())).fetch(&mut connection);
            if self.write_texts(&mut columns, rows).await? {
                return Ok(());
            }
        }
    }

    /// Writes rows whose values are texts. Returns `false` if the query must run again, with the exact texts of a
    /// column that its type cannot hold.
    #[cfg(any(feature = "postgres", feature = "mysql"))]
    async fn write_texts<R: Row>(
        &self,
        columns: &mut Vec<QueryColumn>,
        mut rows: futures::stream::BoxStream<'_, Result<R, sqlx::Error>>,
    ) -> Result<bool, Error>
    where
        usize: sqlx::ColumnIndex<R>,
        for<'r> String: sqlx::Decode<'r, R::Database>,
    {
        let first = rows.next().await.transpose().map_err(|error| self.failure(&error))?;
        let Some(first) = first else { return Err(self.nothing()) };
        if columns.is_empty() {
            let declared = first.columns().iter();
            *columns = declared.map(|c| QueryColumn::of(c.name(), c.type_info().name())).collect();
        }
        let rows = futures::stream::iter([Ok(first)]).chain(rows);
        let texts = rows.map(|row| row.and_then(|row| texts(&row)));
        match self.write(columns, Box::pin(texts)).await {
            Err(CastFailure(_, Some(column))) if columns[column].kind != DataType::Utf8 => {
                columns[column].kind = DataType::Utf8;
                Ok(false)
            }
            other => other.map(|()| true).map_err(|error| error.0),
        }
    }

    async fn sqlite(&self) -> Result<(), Error> {
        let wrong = |error: &sqlx::Error| self.failure(error);
        let options: SqliteConnectOptions = self.url.as_str().parse().map_err(|e| wrong(&e))?;
        let mut connection = options.read_only(true).connect().await.map_err(|e| wrong(&e))?;
        let mut columns: Vec<QueryColumn> = Vec::new();
        let bound = match self.after {
            Some(mark) => Some(self.sqlite_beyond(&mut connection, mark).await?),
            None => None,
        };
        loop {
            let mut rows = match &bound {
                None => sqlx::raw_sql(sqlx::AssertSqlSafe(self.sql.as_str())).fetch(&mut connection),
                Some(bound) => {
                    let query = sqlx::query(sqlx::AssertSqlSafe(bound.sql.as_str()));
                    let query = match &bound.value {
                        MarkValue::Integer(number) => query.bind(*number),
                        MarkValue::Real(number) => query.bind(*number),
                        // Integers of SQLite have a sign.
                        MarkValue::Unsigned(number) => query.bind(number.to_string()),
                        MarkValue::Text(text) => query.bind(text.clone()),
                    };
                    query.fetch(&mut connection)
                }
            };
            // Infers types from the first rows.
            let mut head = Vec::new();
            while head.len() < BATCH
                && let Some(row) = rows.next().await.transpose().map_err(|e| wrong(&e))?
            {
                if columns.is_empty() {
                    columns = row.columns().iter().map(|c| QueryColumn::of(c.name(), "NULL")).collect();
                }
                for (index, QueryColumn { kind, .. }) in columns.iter_mut().enumerate() {
                    let value = row.try_get_raw(index).map_err(|e| wrong(&e))?;
                    let found =
                        if value.is_null() { DataType::Null } else { typed(value.type_info().name()) };
                    *kind = common_type(kind, &found);
                }
                head.push(row);
            }
            if head.is_empty() {
                return Err(self.nothing());
            }
            let rows = futures::stream::iter(head.into_iter().map(Ok)).chain(rows);
            let texts = rows.map(|row| row.and_then(|row| cells(&row)));
            match self.write(&columns, Box::pin(texts)).await {
                Err(CastFailure(_, Some(column))) if columns[column].kind != DataType::Utf8 => {
                    let kind = &mut columns[column].kind;
                    *kind = if *kind == DataType::Int64 { DataType::Float64 } else { DataType::Utf8 };
                }
                other => return other.map_err(|error| error.0),
            }
        }
    }

    async fn write(
        &self,
        columns: &[QueryColumn],
        mut rows: Pin<Box<dyn Stream<Item = Cells> + '_>>,
    ) -> Result<(), CastFailure> {
        self.unique_names(columns)?;
        let fields = columns.iter().map(|QueryColumn { name, kind, .. }| {
            // The type of a column without any value is unknown; text holds everything.
            let kind = if *kind == DataType::Null { DataType::Utf8 } else { kind.clone() };
            Field::new(name, kind, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let mut writer = TableWriter::new(&self.path, &schema)?;
        let mut done = 0;
        loop {
            let mut builders: Vec<StringBuilder> = columns.iter().map(|_| StringBuilder::new()).collect();
            let mut count = 0;
            while count < BATCH
                && let Some(row) = rows.next().await
            {
                let row = row.map_err(|error| self.failure(&error))?;
                builders.iter_mut().zip(row).for_each(|(builder, cell)| builder.append_option(cell));
                count += 1;
            }
            if count == 0 {
                break;
            }
            let texts: Vec<ArrayRef> =
                builders.into_iter().map(|mut b| Arc::new(b.finish()) as ArrayRef).collect();
            let typed = self.typed_arrays(columns, &schema, &texts, done)?;
            let batch = RecordBatch::try_new(Arc::clone(&schema), typed).map_err(|error| {
                Error::Database { location: self.shown.to_owned(), why: error.to_string() }
            })?;
            writer.push(&batch)?;
            done += count;
            self.progress.advance(count as u64);
        }
        Ok(writer.finish()?)
    }

    fn unique_names(&self, columns: &[QueryColumn]) -> Result<(), Error> {
        let mut seen: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        seen.sort_unstable();
        let twice = seen.windows(2).find(|pair| pair[0] == pair[1]).map(|pair| pair[0]);
        twice.map_or(Ok(()), |name| {
            let why = format!("two columns are called `{name}`; name one with AS");
            Err(Error::Database { location: self.shown.to_owned(), why })
        })
    }

    /// Texts as the types of the schema; `before` rows precede them.
    fn typed_arrays(
        &self,
        columns: &[QueryColumn],
        schema: &SchemaRef,
        texts: &[ArrayRef],
        before: usize,
    ) -> Result<Vec<ArrayRef>, CastFailure> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let each = texts.iter().zip(schema.fields()).enumerate().map(|(index, (texts, field))| {
            let wrong = |why: String| {
                let place = format!("rows from {}, column `{}`", before + 1, field.name());
                let why = format!("{place}: {why}; CAST it in the SQL");
                CastFailure(Error::Database { location: self.shown.to_owned(), why }, Some(index))
            };
            let texts = match field.data_type() {
                DataType::Boolean => respelt(texts, boolean),
                DataType::Timestamp(..) => respelt(texts, wall_clock),
                DataType::Float64 if columns[index].exact => match inexact(texts) {
                    Some(number) => return Err(wrong(format!("{number} has too many digits for a number"))),
                    None => Arc::clone(texts),
                },
                _ => Arc::clone(texts),
            };
            cast_with_options(&texts, field.data_type(), &options).map_err(|error| wrong(error.to_string()))
        });
        each.collect()
    }

    fn nothing(&self) -> Error {
        Error::Empty { path: self.shown.to_owned(), after: " in the database's answer" }
    }

    /// Message of the database without the address, which may hold a password.
    fn failure(&self, error: &sqlx::Error) -> Error {
        let why = match error {
            sqlx::Error::Database(error) => error.message().to_owned(),
            other => other.to_string(),
        };
        Error::Database { location: self.shown.to_owned(), why }
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

/// Column of a query.
struct QueryColumn {
    name: String,
    kind: DataType,
    /// `true` if its numbers are decimal digits, of which none may be lost.
    exact: bool,
}

impl QueryColumn {
    /// Column of a type that the database declares.
    fn of(name: &str, declared: &str) -> Self {
        let kind = if declared == "NULL" { DataType::Null } else { typed(declared) };
        let exact = matches!(declared.trim_end_matches(" UNSIGNED"), "NUMERIC" | "DECIMAL");
        Self { name: name.to_owned(), kind, exact }
    }
}

/// Arrow type of a database type.
fn typed(name: &str) -> DataType {
    if name == "BIGINT UNSIGNED" {
        return DataType::UInt64;
    }
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

/// Texts in another spelling.
fn respelt(texts: &ArrayRef, spell: fn(&str) -> &str) -> ArrayRef {
    let spelt = texts.as_string::<i32>().iter().map(|text| text.map(spell));
    Arc::new(spelt.collect::<StringArray>())
}

/// Spells `t` and `f` of Postgres, and `1` and `0` of `MySQL`, as `true` and `false`.
fn boolean(text: &str) -> &str {
    match text {
        "t" | "1" => "true",
        "f" | "0" => "false",
        other => other,
    }
}

/// Time without the offset of its zone: a date is the clock on the wall, whichever way it comes in.
fn wall_clock(text: &str) -> &str {
    // A date has minus signs of its own.
    let time = text.get(10..).unwrap_or_default();
    time.find(['+', '-', 'Z']).map_or(text, |offset| &text[..10 + offset])
}

/// First integer that a 64-bit float cannot hold, such as an identifier of 18 digits.
fn inexact(texts: &ArrayRef) -> Option<&str> {
    let is_integer = |text: &str| text.strip_prefix('-').unwrap_or(text).bytes().all(|b| b.is_ascii_digit());
    let changes = |text: &str| text.parse::<f64>().is_ok_and(|number| format!("{number:.0}") != text);
    texts
        .as_string::<i32>()
        .iter()
        .flatten()
        .find(|text| text.len() > 15 && is_integer(text) && changes(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_lose_their_offset_and_long_numbers_stay_exact() {
        for (text, expected) in [
            ("2024-03-05 09:00:00-05", "2024-03-05 09:00:00"),
            ("2024-03-05 09:00:00.25+05:30", "2024-03-05 09:00:00.25"),
            ("2024-03-05T09:00:00Z", "2024-03-05T09:00:00"),
            ("2024-03-05 09:00:00", "2024-03-05 09:00:00"),
            ("2024-03-05", "2024-03-05"),
            ("infinity", "infinity"),
        ] {
            assert_eq!(wall_clock(text), expected);
        }
        let array = |texts: &[&str]| Arc::new(StringArray::from(texts.to_vec())) as ArrayRef;
        assert_eq!(inexact(&array(&["1.5", "9007199254740992", "-12", "1234567890123456.75"])), None);
        let ids = array(&["1", "9007199254740993", "9007199254740995"]);
        assert_eq!(inexact(&ids), Some("9007199254740993"));
        assert_eq!(typed("BIGINT UNSIGNED"), DataType::UInt64);
        assert!(QueryColumn::of("id", "NUMERIC").exact && !QueryColumn::of("x", "FLOAT8").exact);
    }
}
