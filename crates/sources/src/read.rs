//! Readers of files: row after row, as batches that share one schema.
//!
//! Files are read in their order: CSV and JSON by chunks that several threads parse, the others by Arrow's own readers.
//! Only `data.query` needs `DataFusion`, which comes with the feature `sql`.

#[cfg(feature = "avro")]
mod avro;
pub(crate) mod batch;
mod chunks;
pub(crate) mod conform;
pub(crate) mod contents;
mod csv;
pub(crate) mod encoding;
mod ipc;
mod json;
mod parquet;
#[cfg(feature = "sql")]
mod query;
mod settings;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use tokio::runtime::Runtime;

#[cfg(feature = "ballista")]
pub(crate) use self::query::keeping_case;

pub use self::batch::{Batches, RejectedRow, SourceBatch};
pub use self::settings::{LineFinder, TextColumns, TextFormat};

use self::batch::note::SourceNote;
use self::batch::{FileBatch, RecordBatches, chain};
use self::conform::{conform, union, without_metadata_of_airbyte, without_null_types, without_pandas_index};
use crate::error::Error;
use crate::file::{DataFile, FileFormat};

/// Number of rows of a batch.
const BATCH_ROWS: usize = 8192;
/// Largest number of columns of any format.
const MAX_COLUMNS: usize = 50_000;
/// Largest number of values of a batch of text: a few wide rows fill as much memory as many narrow ones.
const BATCH_VALUES: usize = 16 << 20;
/// Rows from which the types of CSV and JSON columns are inferred first.
const INFERENCE_ROWS: usize = 10_000;
/// Bytes that are read from a file at once.
const READ_BYTES: usize = 1 << 20;

/// Settings of one pass over the files of a source.
#[derive(Clone, Copy)]
pub struct Scan<'a> {
    /// Files of one format, at least one.
    pub files: &'a [DataFile],
    /// SQL over the table `data`.
    pub query: Option<&'a str>,
    /// Null markers of CSV: texts that mean a missing value.
    pub nulls: &'a [String],
    /// Columns of CSV that are read as the exact text, without a guess of their type.
    pub texts: TextColumns<'a>,
    /// Spelling of texts.
    pub format: TextFormat<'a>,
    /// Source as messages show it.
    pub label: &'a str,
    /// `true` to infer types and encodings from all rows instead of the first ones.
    pub infer_from_all: bool,
    /// `true` if this program wrote the files: text columns keep the types that they were written with.
    pub keep_text_types: bool,
}

/// Schema of a source and its rows.
pub struct SourceRows<'a> {
    /// Schema of every batch.
    pub schema: SchemaRef,
    /// Rows in the order of the files.
    pub batches: Batches<'a>,
    /// Decisions of the reader that its user should know of.
    pub notes: Vec<SourceNote>,
}

impl SourceRows<'_> {
    /// Rows of a source without any column.
    fn empty() -> Self {
        Self { schema: Arc::new(Schema::empty()), batches: Box::new(std::iter::empty()), notes: Vec::new() }
    }
}

impl<'a> Scan<'a> {
    /// Opens the files.
    ///
    /// # Errors
    /// [`Error::Value`], [`Error::Ragged`] and [`Error::Row`] for rows that do not parse, [`Error::Engine`] for a damaged file, [`Error::Feature`] for a
    /// query or a format that this binary was built without.
    pub fn rows(&self, runtime: &'a Runtime) -> Result<SourceRows<'a>, Error> {
        if self.query.is_some() {
            return self.query_rows(runtime);
        }
        match self.files[0].format {
            FileFormat::Csv { .. } | FileFormat::Json => self.text_rows(),
            FileFormat::Parquet => parquet::rows(self),
            FileFormat::Arrow => ipc::rows(self),
            FileFormat::Avro => self.avro_rows(),
            FileFormat::Workbook => {
                Err(self.failure("internal error: a workbook must be converted to Parquet before it is read"))
            }
        }
    }

    /// Opens files of CSV or JSON, without a query.
    pub(crate) fn text_rows(&self) -> Result<SourceRows<'a>, Error> {
        match self.files[0].format {
            FileFormat::Csv { delimiter } => Ok(csv::open(self, csv::source(self, delimiter)?)),
            _ => Ok(json::open(self, json::source(self)?)),
        }
    }

    #[cfg(feature = "sql")]
    fn query_rows(&self, runtime: &'a Runtime) -> Result<SourceRows<'a>, Error> {
        query::rows(*self, runtime)
    }

    #[cfg(not(feature = "sql"))]
    #[expect(clippy::unused_self, reason = "the signature of the feature `sql`")]
    fn query_rows(&self, _: &Runtime) -> Result<SourceRows<'a>, Error> {
        Err(Error::without("`data.query`", "sql"))
    }

    #[cfg(feature = "avro")]
    fn avro_rows(&self) -> Result<SourceRows<'a>, Error> {
        avro::rows(self)
    }

    #[cfg(not(feature = "avro"))]
    fn avro_rows(&self) -> Result<SourceRows<'a>, Error> {
        Err(Error::without(&format!("`{}`", self.files[0].name), "avro"))
    }

    /// Error of a damaged or unreadable file.
    #[allow(clippy::needless_pass_by_value, reason = "used as a function of an error")]
    fn failure(&self, why: impl ToString) -> Error {
        let why = first_line(&why.to_string());
        Error::Engine { path: self.label.to_owned(), why }
    }

    /// The same for one of several files, which it names.
    fn failure_in(&self, file: &DataFile, why: impl ToString) -> Error {
        if self.files.len() < 2 {
            return self.failure(why);
        }
        // The path of a blob does not show the name.
        let is_own = file.path.file_name().is_some_and(|name| name == file.name.as_str());
        let path = if is_own { file.path.display().to_string() } else { file.name.clone() };
        Error::Engine { path, why: first_line(&why.to_string()) }
    }

    /// Files that hold bytes: an empty Parquet, Arrow or Avro file has no rows and no schema.
    fn filled_files(&self) -> impl Iterator<Item = &'a DataFile> + use<'a> {
        self.files.iter().filter(|file| !is_empty(file))
    }

    /// Reads files that carry their own schema; that of the source has the columns of all.
    fn self_describing<F>(&self, open: F) -> Result<SourceRows<'a>, Error>
    where
        F: Fn(&'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> + Send + 'a,
    {
        let schema = self.shared_schema(&open)?;
        let mut notes = Vec::new();
        let file = || self.files.first().map(|file| file.name.clone()).unwrap_or_default();
        let schema = match without_metadata_of_airbyte(&schema) {
            Some(payload) => {
                notes.push(SourceNote::Airbyte { file: file() });
                payload
            }
            None => schema,
        };
        let schema = match without_pandas_index(&schema) {
            Some((others, name)) => {
                notes.push(SourceNote::PandasIndex { file: file(), name });
                others
            }
            None => schema,
        };
        let (scan, shared) = (*self, Arc::clone(&schema));
        let batches = chain(self.files, move |_, file| {
            let schema = Arc::clone(&shared);
            if is_empty(file) {
                return Ok(Box::new(std::iter::empty()));
            }
            let batches = open(file)?.1;
            Ok(Box::new(batches.map(move |batch| {
                let rows = conform(&batch?, &schema);
                rows.map(FileBatch::from).map_err(|error| scan.failure(format!("{}: {error}", file.name)))
            })))
        });
        Ok(SourceRows { schema, batches, notes })
    }

    /// Union of the columns of all files. The types of a file without rows do not count.
    fn shared_schema<F>(&self, open: &F) -> Result<SchemaRef, Error>
    where
        F: Fn(&'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> + Send + 'a,
    {
        let mut shared: Option<(SchemaRef, &DataFile)> = None;
        for file in self.filled_files() {
            let found = open(file)?.0;
            unique_names(file, &found)?;
            let Some((known, first)) = &shared else {
                shared = Some((found, file));
                continue;
            };
            if *known == found || !has_rows(open(file)?.1)? {
                continue;
            }
            // Only the first file with rows can be known by one without.
            let of_rows = has_rows(open(first)?.1)?;
            shared = Some(if of_rows { (Arc::new(union(known, &found)), first) } else { (found, file) });
        }
        Ok(shared.map_or_else(|| Arc::new(Schema::empty()), |(schema, _)| without_null_types(&schema)))
    }
}

/// Rows of a batch of text with this number of columns.
fn batch_rows(columns: usize) -> usize {
    BATCH_ROWS.min(BATCH_VALUES / columns.max(1)).max(1)
}

/// Refuses a file with more columns than any table has.
fn check_columns(file: &DataFile, columns: usize) -> Result<(), Error> {
    if columns <= MAX_COLUMNS {
        return Ok(());
    }
    let why = format!(
        "{columns} columns are more than the {MAX_COLUMNS} that are read; check the delimiter, or store the table with a row for each value"
    );
    Err(Error::Header { file: file.name.clone(), why })
}

/// Checks the number of columns, and that each has a name of its own.
fn unique_names(file: &DataFile, schema: &Schema) -> Result<(), Error> {
    check_columns(file, schema.fields().len())?;
    let mut positions: HashMap<&str, usize> = HashMap::new();
    for (index, field) in schema.fields().iter().enumerate() {
        if let Some(first) = positions.insert(field.name(), index + 1) {
            let why =
                format!("columns {first} and {} are both named `{}`; rename one", index + 1, field.name());
            return Err(Error::Header { file: file.name.clone(), why });
        }
    }
    Ok(())
}

/// `true` if a file has any row.
fn has_rows(batches: RecordBatches<'_>) -> Result<bool, Error> {
    for batch in batches {
        if batch?.num_rows() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

/// `true` for a file without bytes.
fn is_empty(file: &DataFile) -> bool {
    std::fs::metadata(&file.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(['.', ';']).to_owned()
}
