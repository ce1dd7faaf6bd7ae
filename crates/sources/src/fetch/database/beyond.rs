//! Queries for the rows beyond a watermark. Its value came from the database, and so from anybody who may write there:
//! it is always a parameter and never a part of the SQL.

use crate::error::Error;

/// Column and value beyond which rows are new.
pub(in crate::fetch) type Watermark<'a> = (&'a str, &'a str);

/// Value of a watermark as it is bound.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::fetch) enum MarkValue {
    Integer(i64),
    Unsigned(u64),
    Real(f64),
    Text(String),
}

impl MarkValue {
    /// Number of a numeric column, or the text.
    pub fn of(text: &str, numeric: bool) -> Self {
        let number = || {
            let integer = text.parse().map(Self::Integer);
            let real = || text.parse().map(Self::Real).ok();
            integer.or_else(|_| text.parse().map(Self::Unsigned)).ok().or_else(real)
        };
        number().filter(|_| numeric).unwrap_or_else(|| Self::Text(text.to_owned()))
    }
}

/// Name of a column between the quotes of a dialect: the scheme of a database, or the name of a driver.
///
/// # Errors
/// [`Error::Location`] for a name that no quotes can hold.
pub(in crate::fetch) fn quoted(dialect: &str, column: &str) -> Result<String, Error> {
    let backticks = ["mysql", "mariadb", "bigquery"].iter().any(|name| dialect.contains(name));
    // BigQuery reads backslashes within quotes.
    let unsafe_name =
        column.contains('\0') || dialect.contains("bigquery") && column.contains(['\\', '`', '\n']);
    if unsafe_name || column.is_empty() {
        return Err(Error::Location {
            text: "data.watermark".to_owned(),
            why: format!("`{}` cannot be the name of a column; check it", column.escape_debug()),
        });
    }
    let quote = if backticks { "`" } else { "\"" };
    Ok(format!("{quote}{}{quote}", column.replace(quote, &quote.repeat(2))))
}

/// Query without the semicolon at its end.
pub(in crate::fetch) fn whole(sql: &str) -> &str {
    sql.trim().trim_end_matches(';')
}

/// Query for the rows beyond the value of `parameter`, such as `?`. `name` and `columns` are SQL.
///
/// The name is qualified, since `SQLite` takes an unknown name in quotes for a text.
pub(in crate::fetch) fn beyond(sql: &str, columns: &str, name: &str, parameter: &str) -> String {
    // A comment at the end of the query must not swallow what follows.
    format!("SELECT {columns} FROM ({sql}\n) AS counted_rows WHERE counted_rows.{name} > {parameter}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leaves_its_quotes() {
        for (dialect, name, expected) in [
            ("postgres", "at", "\"at\""),
            ("sqlite", "a\" OR 1=1 --", "\"a\"\" OR 1=1 --\""),
            ("mysql", "a` OR 1=1 -- \\", "`a`` OR 1=1 -- \\`"),
            ("mariadb", "a\"", "`a\"`"),
            ("adbc_driver_postgresql", "a`", "\"a`\""),
        ] {
            assert_eq!(quoted(dialect, name).unwrap(), expected, "{dialect}");
        }
        for (dialect, name) in [("postgres", "a\0b"), ("bigquery", "a\\"), ("sqlite", "")] {
            assert!(quoted(dialect, name).is_err(), "{dialect} {name:?}");
        }
    }

    #[test]
    fn the_value_is_a_parameter() {
        let sql = beyond("SELECT * FROM t -- all", "*", "\"at\"", "$1");
        assert_eq!(
            sql,
            "SELECT * FROM (SELECT * FROM t -- all\n) AS counted_rows WHERE counted_rows.\"at\" > $1"
        );
        assert_eq!(whole(" SELECT 1;; "), "SELECT 1");
    }

    #[test]
    fn numbers_are_bound_as_numbers_only_where_the_column_has_them() {
        assert_eq!(MarkValue::of("10", true), MarkValue::Integer(10));
        assert_eq!(MarkValue::of("18446744073709551615", true), MarkValue::Unsigned(u64::MAX));
        assert_eq!(MarkValue::of("1e3", true), MarkValue::Real(1000.0));
        assert_eq!(MarkValue::of("10", false), MarkValue::Text("10".into()));
        let hostile = "\\' OR 1=1 -- \u{2019}\0";
        assert_eq!(MarkValue::of(hostile, true), MarkValue::Text(hostile.into()));
    }
}
