//! Readers of files: row after row, as batches that share one schema.
//!
//! Files are read by Arrow's own readers, in their order. Only `data.query` needs `DataFusion`, which comes with the
//! feature `sql`.

#[cfg(feature = "avro")]
mod avro;
pub(crate) mod batch;
pub(crate) mod contents;
pub(crate) mod csv;
mod ipc;
mod json;
mod parquet;
#[cfg(feature = "sql")]
mod query;
mod settings;

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use tokio::runtime::Runtime;

#[cfg(feature = "ballista")]
pub(crate) use self::query::keeping_case;

pub use self::batch::{Batches, RejectedRow, SourceBatch};
pub use self::settings::{TextColumns, TextFormat};

use self::batch::note::SourceNote;
use self::batch::{FileBatch, RecordBatches, chain};
use crate::error::Error;
use crate::file::{DataFile, FileFormat};

/// Number of rows of a batch.
const BATCH_ROWS: usize = 8192;
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
    /// Columns of CSV that are read as the exact text.
    pub texts: TextColumns<'a>,
    /// Spelling of texts.
    pub format: TextFormat<'a>,
    /// Source as messages show it.
    pub label: &'a str,
    /// `true` to infer types from all rows instead of the first ones; CSV fields are read as text and cast.
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
    /// [`Error::Row`] for text that does not parse, [`Error::Engine`] for a damaged file, [`Error::Feature`] for a
    /// query or a format that this binary was built without.
    pub fn rows(&self, runtime: &'a Runtime) -> Result<SourceRows<'a>, Error> {
        if self.query.is_some() {
            return self.query_rows(runtime);
        }
        match self.files[0].format {
            FileFormat::Csv { delimiter } => csv::rows(self, delimiter),
            FileFormat::Json => json::rows(self),
            FileFormat::Parquet => parquet::rows(self),
            FileFormat::Arrow => ipc::rows(self),
            FileFormat::Avro => self.avro_rows(),
            FileFormat::Workbook => {
                Err(self.failure("internal error: a workbook must be converted to Parquet before it is read"))
            }
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

    /// Error of a row that does not parse, with its number if the parser reports one.
    fn row_error(&self, error: &ArrowError) -> Error {
        row_error(self.label, &error.to_string())
    }

    /// Files that hold bytes: an empty Parquet, Arrow or Avro file has no rows and no schema.
    fn filled_files(&self) -> impl Iterator<Item = &'a DataFile> + use<'a> {
        self.files.iter().filter(|file| !is_empty(file))
    }

    /// Reads files that carry their own schema; the first one's is that of the source.
    fn self_describing<F>(&self, open: F) -> Result<SourceRows<'a>, Error>
    where
        F: Fn(&'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> + Send + 'a,
    {
        let Some(first) = self.filled_files().next() else { return Ok(SourceRows::empty()) };
        let schema = open(first)?.0;
        let mut names = HashSet::new();
        if let Some(twice) = schema.fields().iter().find(|field| !names.insert(field.name().as_str())) {
            return Err(self.failure(format!("two columns are named `{}`; rename one", twice.name())));
        }
        let (scan, shared) = (*self, Arc::clone(&schema));
        let batches = chain(self.files, move |file| {
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
        Ok(SourceRows { schema, batches, notes: Vec::new() })
    }
}

/// `true` for a file without bytes.
fn is_empty(file: &DataFile) -> bool {
    std::fs::metadata(&file.path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

/// Columns of a batch by name, cast to the schema's types; a column that the batch lacks is missing in every row.
fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => cast_with_options(column, field.data_type(), &options),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = arrow::record_batch::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

/// Reads the row number and the reason out of a parser's message.
fn row_error(label: &str, message: &str) -> Error {
    let text = first_line(message);
    let why = text.rsplit_once("error: ").map_or(text.as_str(), |(_, why)| why).to_owned();
    // arrow-csv counts lines with the header first, and without it where a value has the wrong type.
    let header = usize::from(!text.contains("Error while parsing value"));
    let row = number_after(&text, "line ")
        .map(|line| line.saturating_sub(header))
        .or_else(|| number_after(&text, "record "))
        .map_or(String::new(), |row| format!("row {row}: "));
    Error::Row { path: label.to_owned(), row, why }
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(['.', ';']).to_owned()
}

fn number_after(text: &str, word: &str) -> Option<usize> {
    let tail = &text[text.find(word)? + word.len()..];
    tail.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
