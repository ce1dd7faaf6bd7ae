//! `DataFusion` reads the files, optionally through SQL.

use std::path::PathBuf;
use std::sync::Arc;

use cupola_spec::Source;
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::error::DataFusionError;
use datafusion::prelude::{
    CsvReadOptions, DataFrame, Expr, JsonReadOptions, ParquetReadOptions, SessionConfig, SessionContext,
    cast, ident, lit, when,
};
use regex::Regex;

use crate::csv_schema::csv_schema;
use crate::error::Error;
use crate::files::{DataFile, Format, find};
use crate::version::{DatasetVersion, FileVersion};

/// Rows that CSV types are guessed from at first; when a later row does not fit, from all.
const GUESS_ROWS: usize = 10_000;

/// Rows in memory, in the order of the files.
#[derive(Debug, Clone)]
pub struct Table {
    /// Columns and types.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Where they came from.
    pub version: DatasetVersion,
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Reads a source. `nulls` are the texts that mean "missing" in CSV; paths that are not absolute
/// are looked up in `roots` in turn.
///
/// # Errors
/// Everything in [`Error`]; nothing is kept of a source that fails.
pub fn load(
    source: &Source,
    query: Option<&str>,
    nulls: &[String],
    roots: &[PathBuf],
) -> Result<Table, Error> {
    let (files, versions) = found(source, roots)?;
    let label = source.patterns().join(", ");
    let runtime = runtime(&label)?;
    let (schema, batches) = runtime.block_on(async {
        let guess = Scan { files: &files, query, nulls, label: &label, careful: false };
        match guess.collect().await {
            // The guess may have been too narrow: once more, with all rows and as texts first.
            Err(Error::Row { .. }) => Scan { careful: true, ..guess }.collect().await,
            other => other,
        }
    })?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let version = version(source, query, versions, &schema, rows)?;
    Ok(Table { schema, batches, version })
}

/// Files of a source with their digests; damage of gzipped ones is found here.
pub(crate) fn found(source: &Source, roots: &[PathBuf]) -> Result<(Vec<DataFile>, Vec<FileVersion>), Error> {
    let files = find(source, roots)?;
    let versions: Vec<FileVersion> =
        files.iter().map(|file| FileVersion::of(&file.path)).collect::<Result<_, _>>()?;
    for file in files.iter().filter(|file| file.gzip) {
        file.probe_gzip()?;
    }
    Ok((files, versions))
}

pub(crate) fn runtime(label: &str) -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Engine { path: label.to_owned(), why: error.to_string() })
}

/// The version of a source with that many rows, of which there must be some.
pub(crate) fn version(
    source: &Source,
    query: Option<&str>,
    files: Vec<FileVersion>,
    schema: &Schema,
    rows: usize,
) -> Result<DatasetVersion, Error> {
    if rows == 0 {
        let after = if query.is_some() { " after data.query" } else { "" };
        return Err(Error::Empty { path: source.patterns().join(", "), after });
    }
    let columns = schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect();
    Ok(DatasetVersion::new(source.patterns(), query, files, columns, rows))
}

/// One way to read a source.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub files: &'a [DataFile],
    pub query: Option<&'a str>,
    pub nulls: &'a [String],
    pub label: &'a str,
    /// Types from all rows instead of the first ones; CSV fields are read as texts and cast.
    pub careful: bool,
}

impl Scan<'_> {
    async fn collect(&self) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
        let frame = self.frame().await?;
        let schema = Arc::new(frame.schema().as_arrow().clone());
        let batches = frame.collect().await.map_err(|error| self.explain(&error))?;
        Ok((schema, batches))
    }

    pub async fn frame(&self) -> Result<DataFrame, Error> {
        // One partition keeps the order of the rows; names keep their case.
        let mut config = SessionConfig::new()
            .with_target_partitions(1)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false);
        config.options_mut().sql_parser.enable_ident_normalization = false;
        let context = SessionContext::new_with_config(config);
        let frame = self.open(&context).await.map_err(|error| self.explain(&error))?;
        let Some(query) = self.query else { return Ok(frame) };
        let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wrong = |error: DataFusionError| Error::Query {
            why: first_line(&error.strip_backtrace()),
            columns: columns.join(", "),
        };
        context.register_table("data", frame.into_view()).map_err(wrong)?;
        context.sql(query).await.map_err(wrong)
    }

    async fn open(&self, context: &SessionContext) -> Result<DataFrame, DataFusionError> {
        let paths: Vec<String> = self
            .files
            .iter()
            .map(|file| {
                let path = std::path::absolute(&file.path).unwrap_or_else(|_| file.path.clone());
                path.to_string_lossy().into_owned()
            })
            .collect();
        let first = &self.files[0];
        let ending = first.ending();
        let compression =
            if first.gzip { FileCompressionType::GZIP } else { FileCompressionType::UNCOMPRESSED };
        let guess_rows = if self.careful { usize::MAX } else { GUESS_ROWS };
        match first.format {
            Format::Csv { delimiter } => {
                let nulls = null_regex(self.nulls);
                let pattern = nulls.as_deref().and_then(|text| Regex::new(text).ok());
                let types = csv_schema(self.files, delimiter, pattern.as_ref(), guess_rows)?;
                let texts = Schema::new(
                    types
                        .fields()
                        .iter()
                        .map(|f| Field::new(f.name(), DataType::Utf8, true))
                        .collect::<Vec<_>>(),
                );
                let options = CsvReadOptions::new()
                    .delimiter(delimiter)
                    .file_extension(&ending)
                    .file_compression_type(compression)
                    .newlines_in_values(true)
                    .null_regex(nulls)
                    .schema(if self.careful { &texts } else { &types });
                let frame = context.read_csv(paths, options).await?;
                without_nulls(frame, self.careful.then_some(&types), self.nulls)
            }
            Format::JsonLines => {
                let options = JsonReadOptions::default()
                    .file_extension(&ending)
                    .file_compression_type(compression)
                    .schema_infer_max_records(guess_rows);
                context.read_json(paths, options).await
            }
            Format::Parquet => {
                let options = ParquetReadOptions::default().file_extension(&ending);
                context.read_parquet(paths, options).await
            }
        }
    }

    /// Says a parser's complaint with its row; anything else as it is.
    pub fn explain(&self, error: &DataFusionError) -> Error {
        let path = self.label.to_owned();
        let root = error.find_root();
        let text = first_line(&root.strip_backtrace());
        let why = text.rsplit_once("error: ").map_or(text.as_str(), |(_, why)| why).to_owned();
        let is_parse = matches!(root, DataFusionError::ArrowError(..))
            || text.contains("infer") && text.contains("record");
        if !is_parse {
            return Error::Engine { path, why: text };
        }
        // arrow-csv counts lines from 1 with the header first.
        let row = number_after(&text, "line ")
            .map(|line| line.saturating_sub(1))
            .or_else(|| number_after(&text, "record "))
            .map_or(String::new(), |row| format!("row {row}: "));
        Error::Row { path, row, why }
    }
}

/// Texts that mean "missing" become null, then the columns take their `types`, if given.
/// `DataFusion` knows such texts when it guesses types, but not when it reads.
fn without_nulls(
    frame: DataFrame,
    types: Option<&Schema>,
    nulls: &[String],
) -> Result<DataFrame, DataFusionError> {
    let fields = frame.schema().fields().clone();
    let texts: Vec<Expr> = nulls.iter().map(lit).collect();
    let each = fields.iter().map(|field| {
        let name = field.name();
        let column = ident(name);
        if !field.data_type().is_string() {
            return Ok(column);
        }
        let mut value = when(column.clone().in_list(texts.clone(), true), column).end()?;
        if let Some(types) = types {
            value = cast(value, types.field_with_name(name)?.data_type().clone());
        }
        Ok(value.alias(name))
    });
    let columns: Vec<Expr> = each.collect::<Result<_, DataFusionError>>()?;
    if nulls.is_empty() && types.is_none() { Ok(frame) } else { frame.select(columns) }
}

fn null_regex(nulls: &[String]) -> Option<String> {
    let escaped: Vec<String> = nulls.iter().map(|text| escape_regex(text)).collect();
    (!escaped.is_empty()).then(|| format!("^({})$", escaped.join("|")))
}

fn escape_regex(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if !c.is_alphanumeric() && !c.is_whitespace() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().trim_end_matches(['.', ';']).to_owned()
}

fn number_after(text: &str, word: &str) -> Option<usize> {
    let tail = &text[text.find(word)? + word.len()..];
    tail.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests;
