//! Rows of a database through its ADBC driver: Arrow batches go to Parquet as the driver gives them.
//!
//! A driver is a shared library, which `pip install adbc-driver-NAME` brings. It is found without running Python.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use adbc_core::options::{AdbcVersion, OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::ManagedDriver;
use arrow::array::{ArrayRef, RecordBatch, RecordBatchReader, StringArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Field, Schema};
use cupola_store::digest_texts;

use super::database::{Watermark, beyond, quoted, whole};
use super::{Fetched, SourceRequest};
use crate::error::Error;
use crate::fetch::cache::SourceCache;
use crate::location::AdbcLocation;
use crate::progress::{ProgressSink, ProgressUnit};
use crate::secret::fill_secrets;
use crate::table::TableWriter;

/// Environment variables that list folders of drivers.
const FOLDERS: [&str; 2] = ["ADBC_DRIVER_PATH", "CUPOLA_ADBC_DRIVERS"];

/// Database of a source: its driver's library and options with their secrets filled in.
struct AdbcDatabase<'a> {
    shown: &'a str,
    library: PathBuf,
    options: Vec<(String, String)>,
    /// Values that came from secrets, which no message may show.
    secrets: Vec<String>,
}

/// Query, and the column and value beyond which rows are wanted.
struct AdbcQuery<'a> {
    sql: &'a str,
    /// Lower-case name of the driver.
    dialect: &'a str,
    after: Option<Watermark<'a>>,
}

impl AdbcQuery<'_> {
    /// Query for one value of the watermark's column, which tells its type. `name` is SQL.
    fn sample(&self, name: &str) -> String {
        let sql = self.sql;
        format!(
            "SELECT counted_rows.{name} FROM ({sql}\n) AS counted_rows WHERE counted_rows.{name} IS NOT NULL LIMIT 1"
        )
    }

    /// Parameter that a column is compared with.
    fn parameter(&self, field: &Field, value: &str) -> &'static str {
        let is_number = value.parse::<f64>().is_ok();
        match self.dialect.contains("postgres") {
            // The driver returns the numbers of some types as texts.
            true if is_number && field.metadata().contains_key("ARROW:extension:name") => {
                "CAST($1 AS NUMERIC)"
            }
            true => "$1",
            false => "?",
        }
    }
}

/// Writes the rows of `sql` to the cache; with `after`, only those beyond it.
pub(super) fn fetch(
    request: &SourceRequest<'_>,
    shown: &str,
    location: &AdbcLocation,
    after: Option<Watermark<'_>>,
    cache: &SourceCache,
) -> Result<Fetched, Error> {
    let sql = whole(super::sql(request.data, shown)?);
    let mark = after.map_or(["", ""], |(column, value)| [column, value]);
    let key = digest_texts([shown, sql].into_iter().chain(mark));
    let path = cache.folder("adbc", &key)?.join("rows.parquet");
    let database = AdbcDatabase::of(request, shown, location)?;
    let dialect = location.driver.to_lowercase();
    let query = AdbcQuery { sql, dialect: &dialect, after };
    request.progress.begin(shown, ProgressUnit::Rows, None);
    let written = database.write(&query, &path, request.progress);
    request.progress.end();
    written.map(|()| Fetched { path, position: None })
}

impl<'a> AdbcDatabase<'a> {
    fn of(request: &SourceRequest<'_>, shown: &'a str, location: &AdbcLocation) -> Result<Self, Error> {
        let (mut options, mut secrets) = (Vec::new(), Vec::new());
        for (key, value) in &location.options {
            let filled = fill_secrets(value, request.roots, request.home)?;
            if filled != *value {
                secrets.push(filled.clone());
                secrets.extend(parts(value, &filled));
            }
            // A database file is found like every other file of a config.
            let file = request.roots.iter().map(|root| root.join(&filled)).find(|path| path.is_file());
            let filled = match file {
                Some(file) if key == "uri" => file.to_string_lossy().into_owned(),
                _ => filled,
            };
            options.push((key.clone(), filled));
        }
        Ok(Self { shown, library: library(shown, &location.driver, request.roots)?, options, secrets })
    }

    fn write(&self, query: &AdbcQuery<'_>, path: &Path, progress: &dyn ProgressSink) -> Result<(), Error> {
        let wrong = |error: adbc_core::error::Error| self.failure(&error.message);
        let mut driver = ManagedDriver::load_dynamic_from_filename(&self.library, None, AdbcVersion::V100)
            .map_err(|error| self.failure(&format!("{}: {}", self.library.display(), error.message)))?;
        let options = self.options.iter();
        let options = options
            .map(|(key, value)| (OptionDatabase::from(key.as_str()), OptionValue::from(value.as_str())));
        let database = driver.new_database_with_opts(options).map_err(wrong)?;
        let mut connection = database.new_connection().map_err(wrong)?;
        let mut statement = connection.new_statement().map_err(wrong)?;
        if let Some((column, value)) = query.after {
            let name = quoted(query.dialect, column)?;
            let mut sample = connection.new_statement().map_err(wrong)?;
            sample.set_sql_query(query.sample(&name)).map_err(wrong)?;
            let field = sample.execute().map_err(wrong)?.schema().field(0).clone();
            let sql = beyond(query.sql, "*", &name, query.parameter(&field, value));
            statement.set_sql_query(sql).map_err(wrong)?;
            statement.prepare().map_err(wrong)?;
            statement.bind(self.bound(&field, value)?).map_err(wrong)?;
        } else {
            statement.set_sql_query(query.sql).map_err(wrong)?;
        }
        let batches = statement.execute().map_err(wrong)?;
        let schema = batches.schema();
        let mut names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        names.sort_unstable();
        let twice = names.windows(2).find_map(|pair| match pair {
            [first, second] if first == second => Some(first),
            _ => None,
        });
        if let Some(name) = twice {
            return Err(self.failure(&format!("two columns are called `{name}`; name one with AS")));
        }
        let mut writer = TableWriter::new(path, &schema)?;
        let mut rows = 0;
        for batch in batches {
            let batch = batch.map_err(|error| self.failure(&error.to_string()))?;
            writer.push(&batch)?;
            rows += batch.num_rows();
            progress.advance(batch.num_rows() as u64);
        }
        if rows == 0 {
            return Err(Error::Empty { path: self.shown.to_owned(), after: " in the database's answer" });
        }
        writer.finish()
    }

    /// One row with the value of a parameter, with the type of the column where it can have that.
    fn bound(&self, field: &Field, value: &str) -> Result<RecordBatch, Error> {
        let text: ArrayRef = Arc::new(StringArray::from(vec![value]));
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let typed = cast_with_options(&text, field.data_type(), &options).unwrap_or(text);
        let schema = Schema::new(vec![Field::new("value", typed.data_type().clone(), true)]);
        RecordBatch::try_new(Arc::new(schema), vec![typed]).map_err(|error| self.failure(&error.to_string()))
    }

    /// Error with the driver's message, in which secrets are left out.
    fn failure(&self, message: &str) -> Error {
        let secrets = self.secrets.iter().filter(|secret| !secret.is_empty());
        let why = secrets.fold(message.trim().to_owned(), |why, secret| why.replace(secret.as_str(), "..."));
        Error::Database { location: self.shown.to_owned(), why }
    }
}

/// Values of the secrets in `filled`: the texts between the parts of `value` that are no secrets.
fn parts(value: &str, filled: &str) -> Vec<String> {
    let (mut rest, mut left, mut found) = (value, filled, Vec::new());
    while let Some((before, after)) = rest.split_once("${") {
        let Some(at) = left.strip_prefix(before) else { break };
        let Some((_, after)) = after.split_once('}') else { break };
        let next = after.split("${").next().unwrap_or_default();
        let end = if next.is_empty() { at.len() } else { at.find(next).unwrap_or(at.len()) };
        found.push(at[..end].to_owned());
        (rest, left) = (after, &at[end..]);
    }
    found
}

/// Shared library of a driver: a path, or a name that is looked up where Python packages are installed.
fn library(shown: &str, driver: &str, roots: &[PathBuf]) -> Result<PathBuf, Error> {
    let wrong = |why: String| Error::Location { text: shown.to_owned(), why };
    if driver.contains('/') || driver.contains('\\') {
        let found = roots.iter().map(|root| root.join(driver)).find(|path| path.is_file());
        return found.ok_or_else(|| wrong(format!("no driver at {driver}; check the path")));
    }
    let name = driver.to_lowercase();
    let name = name.strip_prefix("adbc_driver_").unwrap_or(&name);
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-') {
        return Err(wrong(format!("invalid driver `{driver}`; expected a name, such as sqlite, or a path")));
    }
    let package = format!("adbc_driver_{}", name.replace('-', "_"));
    let files = [".so", std::env::consts::DLL_SUFFIX].map(|ending| format!("lib{package}{ending}"));
    let mut places = folders().into_iter().flat_map(|folder| [folder.join(&package), folder]);
    let found =
        places.find_map(|place| files.iter().map(|file| place.join(file)).find(|path| path.is_file()));
    found.ok_or_else(|| {
        wrong(format!(
            "no ADBC driver `{name}`; install it with `pip install adbc-driver-{}`, or set CUPOLA_ADBC_DRIVERS to the folder of {}",
            name.replace('_', "-"),
            files[0]
        ))
    })
}

/// Folders in which drivers are looked up, in order.
fn folders() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    for variable in FOLDERS {
        if let Some(list) = std::env::var_os(variable) {
            found.extend(std::env::split_paths(&list));
        }
    }
    for variable in ["VIRTUAL_ENV", "CONDA_PREFIX"] {
        if let Some(prefix) = std::env::var_os(variable) {
            found.extend(packages(Path::new(&prefix)));
        }
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    if let Some(python) =
        std::env::split_paths(&path).map(|bin| bin.join("python3")).find(|file| file.is_file())
    {
        // The first one is that of a virtual environment, the other of the Python that it links to.
        let own = python.parent().and_then(Path::parent).map(Path::to_owned);
        let linked = std::fs::canonicalize(&python).ok();
        let linked = linked.as_deref().and_then(Path::parent).and_then(Path::parent).map(Path::to_owned);
        found.extend(own.iter().chain(&linked).flat_map(|prefix| packages(prefix)));
    }
    if let Some(home) = std::env::var_os("HOME") {
        found.extend(packages(&Path::new(&home).join(".local")));
    }
    found.extend(["/usr/local", "/usr"].into_iter().flat_map(|prefix| packages(Path::new(prefix))));
    found
}

/// Folders of a prefix that hold Python packages, and that of its libraries.
fn packages(prefix: &Path) -> Vec<PathBuf> {
    let lib = prefix.join("lib");
    let versions = std::fs::read_dir(&lib).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_python =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python3"));
    let mut versions: Vec<PathBuf> = versions.filter(is_python).collect();
    versions.sort();
    let both = versions
        .into_iter()
        .rev()
        .flat_map(|version| ["site-packages", "dist-packages"].map(|name| version.join(name)));
    both.chain([lib]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_found_in_an_installed_wheel_or_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("lib/python3.11/site-packages/adbc_driver_testing");
        std::fs::create_dir_all(&package).unwrap();
        std::fs::write(package.join("libadbc_driver_testing.so"), "").unwrap();
        let found = packages(folder.path());
        assert!(found.iter().any(|path| path.join("adbc_driver_testing") == package), "{found:?}");
        let roots = [package.clone()];
        assert_eq!(
            library("", "./libadbc_driver_testing.so", &roots).unwrap(),
            package.join("./libadbc_driver_testing.so")
        );
        let error = library("adbc:no_such", "no_such", &roots).unwrap_err().to_string();
        assert!(
            error.contains("pip install adbc-driver-no-such") && error.contains("CUPOLA_ADBC_DRIVERS"),
            "{error}"
        );
        assert!(library("", "a b", &roots).unwrap_err().to_string().contains("invalid driver"));
        assert!(library("", "/no/such.so", &roots).unwrap_err().to_string().contains("no driver at"));
    }

    #[test]
    fn rows_of_a_driver_keep_their_types() {
        use arrow::datatypes::DataType;
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

        let Ok(library) = library("", "sqlite", &[]) else {
            cupola_testkit::skip("rows_of_a_driver_keep_their_types", "the ADBC driver of SQLite");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rows.parquet");
        let database = AdbcDatabase {
            shown: "adbc:sqlite?uri=:memory:",
            library,
            options: vec![("uri".into(), ":memory:".into())],
            secrets: Vec::new(),
        };
        let query = |sql: &str, after: Option<Watermark<'_>>| {
            let query = AdbcQuery { sql, dialect: "sqlite", after };
            database.write(&query, &path, &crate::progress::NoProgress)
        };
        let write = |sql: &str| query(sql, None);
        let rows = "SELECT 1 AS id, 'a' AS what UNION ALL SELECT 2, 'it''s' UNION ALL SELECT 3, 'z'";
        for (column, value, left) in [("id", "1", 2), ("what", "it's", 1), ("what", "' OR 1=1 --", 3)] {
            query(rows, Some((column, value))).unwrap();
            let file = std::fs::File::open(&path).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            assert_eq!(reader.metadata().file_metadata().num_rows(), left, "{column} > {value}");
        }
        write("SELECT 1 AS id, 2.5 AS price, 'a' AS what UNION ALL SELECT 2, NULL, 'b'").unwrap();
        let reader = ParquetRecordBatchReaderBuilder::try_new(std::fs::File::open(&path).unwrap()).unwrap();
        let kinds: Vec<DataType> = reader.schema().fields().iter().map(|f| f.data_type().clone()).collect();
        assert_eq!(kinds, [DataType::Int64, DataType::Float64, DataType::Utf8]);
        assert_eq!(reader.metadata().file_metadata().num_rows(), 2);
        for (sql, expected) in [
            ("SELECT * FROM nothing", "no such table"),
            ("SELECT 1 AS a, 2 AS a", "two columns are called `a`"),
            ("SELECT 1 AS a WHERE 0", "no rows"),
        ] {
            let error = write(sql).unwrap_err().to_string();
            assert!(error.contains(expected), "{sql}: {error}");
        }
    }

    #[test]
    fn messages_of_a_driver_show_no_secret() {
        assert_eq!(parts("pg://me:${PW}@db/${file:x}", "pg://me:s3cret@db/shop"), ["s3cret", "shop"]);
        assert_eq!(parts("${PW}", "s3cret"), ["s3cret"]);
        let database = AdbcDatabase {
            shown: "adbc:x?uri=pg://me:${PW}@db",
            library: PathBuf::new(),
            options: Vec::new(),
            secrets: vec!["pg://me:s3cret@db".into(), "s3cret".into()],
        };
        let error = database.failure("no route for s3cret of pg://me:s3cret@db").to_string();
        assert!(!error.contains("s3cret") && error.contains("no route"), "{error}");
    }
}
