//! Rows beyond a watermark from each kind of database, with the value bound as a parameter.
//!
//! Bound queries of servers return values in a binary form, so the outer query casts every column to text: one piece of
//! code converts it, as without a watermark.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use super::DatabaseQuery;
use super::beyond::{MarkValue, Watermark, beyond, quoted};
use crate::error::Error;

/// Query and the value of its parameter.
pub(super) struct SqliteBound {
    pub sql: String,
    pub value: MarkValue,
}

impl DatabaseQuery<'_> {
    /// Query of `SQLite`, whose columns have no type: the first value tells whether numbers are compared.
    pub(super) async fn sqlite_beyond(
        &self,
        connection: &mut SqliteConnection,
        (column, value): Watermark<'_>,
    ) -> Result<SqliteBound, Error> {
        let name = quoted("sqlite", column)?;
        let sample = format!(
            "SELECT typeof(counted_rows.{name}) FROM ({}\n) AS counted_rows WHERE counted_rows.{name} IS NOT NULL LIMIT 1",
            self.sql
        );
        let class: Option<String> = sqlx::query_scalar(AssertSqlSafe(sample))
            .fetch_optional(connection)
            .await
            .map_err(|error| self.failure(&error))?;
        let numeric = matches!(class.as_deref(), Some("integer" | "real"));
        Ok(SqliteBound { sql: beyond(&self.sql, "*", &name, "?"), value: MarkValue::of(value, numeric) })
    }
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::postgres::PgConnection;
    use sqlx::{AssertSqlSafe, Column, Connection, Either, Executor, SqlSafeStr, Statement, TypeInfo};

    use super::super::{DatabaseQuery, QueryColumn};
    use super::{Watermark, beyond, quoted};
    use crate::error::Error;

    impl DatabaseQuery<'_> {
        pub(in super::super) async fn postgres_beyond(
            &self,
            (column, value): Watermark<'_>,
        ) -> Result<(), Error> {
            let wrong = |error: &sqlx::Error| self.failure(error);
            let name = quoted("postgres", column)?;
            let mut connection =
                PgConnection::connect(self.url.as_str()).await.map_err(|error| wrong(&error))?;
            // The server says which type it compares the column with.
            let compared = AssertSqlSafe(beyond(&self.sql, "*", &name, "$1")).into_sql_str();
            let statement = connection.prepare(compared).await.map_err(|error| wrong(&error))?;
            let oid = match statement.parameters() {
                Some(Either::Left([kind, ..])) => kind.oid(),
                _ => None,
            };
            let kind: String = match oid {
                Some(oid) => sqlx::query_scalar("SELECT format_type($1, NULL)")
                    .bind(oid)
                    .fetch_one(&mut connection)
                    .await
                    .map_err(|error| wrong(&error))?,
                None => "text".to_owned(),
            };
            let mut columns = Vec::new();
            let mut casts = Vec::new();
            for column in statement.columns() {
                let name = quoted("postgres", column.name())?;
                casts.push(format!("CAST(counted_rows.{name} AS text) AS {name}"));
                columns.push(QueryColumn::of(column.name(), column.type_info().name()));
            }
            self.unique_names(&columns)?;
            let parameter = format!("CAST(CAST($1 AS text) AS {kind})");
            let sql = beyond(&self.sql, &casts.join(", "), &name, &parameter);
            loop {
                let query = sqlx::query(AssertSqlSafe(sql.as_str())).bind(value).persistent(false);
                if self.write_texts(&mut columns, query.fetch(&mut connection)).await? {
                    return Ok(());
                }
            }
        }
    }
}

#[cfg(feature = "mysql")]
mod mysql {
    use sqlx::mysql::MySqlConnection;
    use sqlx::{AssertSqlSafe, Column, Connection, Executor, SqlSafeStr, Statement, TypeInfo};

    use super::super::{DatabaseQuery, QueryColumn};
    use super::{MarkValue, Watermark, beyond, quoted};
    use crate::error::Error;

    impl DatabaseQuery<'_> {
        pub(in super::super) async fn mysql_beyond(
            &self,
            (column, value): Watermark<'_>,
        ) -> Result<(), Error> {
            let wrong = |error: &sqlx::Error| self.failure(error);
            let name = quoted("mysql", column)?;
            let mut connection =
                MySqlConnection::connect(self.url.as_str()).await.map_err(|error| wrong(&error))?;
            let all = format!("SELECT * FROM ({}\n) AS counted_rows", self.sql);
            let all = AssertSqlSafe(all).into_sql_str();
            let statement = connection.prepare(all).await.map_err(|error| wrong(&error))?;
            let (mut columns, mut casts) = (Vec::new(), Vec::new());
            let mut declared = String::new();
            for found in statement.columns() {
                let kind = found.type_info().name();
                if found.name() == column {
                    kind.clone_into(&mut declared);
                }
                let name = quoted("mysql", found.name())?;
                casts.push(if cast(kind) {
                    format!("CAST(counted_rows.{name} AS CHAR) AS {name}")
                } else {
                    format!("counted_rows.{name}")
                });
                columns.push(QueryColumn::of(found.name(), kind));
            }
            self.unique_names(&columns)?;
            let (parameter, numeric) = compared(&declared);
            let sql = beyond(&self.sql, &casts.join(", "), &name, parameter);
            let value = MarkValue::of(value, numeric);
            loop {
                let query = sqlx::query(AssertSqlSafe(sql.as_str())).persistent(false);
                let query = match &value {
                    MarkValue::Integer(number) => query.bind(*number),
                    MarkValue::Unsigned(number) => query.bind(*number),
                    MarkValue::Real(number) => query.bind(*number),
                    MarkValue::Text(text) => query.bind(text.as_str()),
                };
                if self.write_texts(&mut columns, query.fetch(&mut connection)).await? {
                    return Ok(());
                }
            }
        }
    }

    /// `true` for a type whose values are texts once they are cast; the others are bytes.
    fn cast(kind: &str) -> bool {
        !["BLOB", "BINARY", "BIT", "GEOMETRY"].iter().any(|bytes| kind.contains(bytes))
    }

    /// SQL of the parameter that a column of this type is compared with, and `true` if it is bound as a number.
    fn compared(kind: &str) -> (&'static str, bool) {
        match kind.trim_end_matches(" UNSIGNED") {
            "BOOLEAN" | "TINYINT" | "SMALLINT" | "MEDIUMINT" | "INT" | "BIGINT" | "YEAR" | "FLOAT"
            | "DOUBLE" => ("?", true),
            "DECIMAL" => ("CAST(? AS DECIMAL(65, 30))", false),
            // As a text, `2024-01-01T00:00:00` would compare by its characters.
            "DATETIME" | "TIMESTAMP" => ("CAST(? AS DATETIME(6))", false),
            "DATE" => ("CAST(? AS DATE)", false),
            _ => ("?", false),
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn values_are_compared_as_the_type_of_the_column() {
            assert_eq!(compared("BIGINT UNSIGNED"), ("?", true));
            assert_eq!(compared("VARCHAR"), ("?", false));
            assert_eq!(compared("TIMESTAMP"), ("CAST(? AS DATETIME(6))", false));
            assert!(cast("VARCHAR") && cast("DOUBLE") && !cast("VARBINARY") && !cast("LONGBLOB"));
        }
    }
}
