//! `data.query`: `DataFusion` runs the SQL.
//!
//! CSV and JSON are read as without a query and streamed to the engine, so that a text means the same in both cases.
//! The executors of a cluster read the files themselves.

mod stream;
mod table;

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
#[cfg(feature = "ballista")]
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
#[cfg(feature = "avro")]
use datafusion::datasource::file_format::options::AvroReadOptions;
use datafusion::datasource::file_format::options::JsonReadOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::options::ArrowReadOptions;
#[cfg(feature = "ballista")]
use datafusion::prelude::{CsvReadOptions, Expr, cast, ident, lit, when};
use datafusion::prelude::{DataFrame, ParquetReadOptions, SessionConfig, SessionContext};
#[cfg(feature = "ballista")]
use encoding_rs::UTF_8;
use futures::StreamExt;
use tokio::runtime::Runtime;

use self::stream::{FailureSlot, FileStream};
use self::table::FileTable;
#[cfg(feature = "ballista")]
use super::csv::CsvSource;
use super::{INFERENCE_ROWS, Scan, SourceBatch, SourceRows, first_line};
use crate::error::Error;
use crate::file::{Compression, FileFormat};

/// Rows of the result, which is computed while it is read.
pub(super) fn rows<'a>(scan: Scan<'a>, runtime: &'a Runtime) -> Result<SourceRows<'a>, Error> {
    let failure = FailureSlot::default();
    let (table, notes) = FileStream::open(scan, &failure)?;
    let slot = failure.clone();
    let opened = runtime.block_on(async {
        let frame = scan.frame(table).await?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let stream = frame.execute_stream().await;
        Ok::<_, Error>((schema, stream.map_err(|error| slot.take().unwrap_or_else(|| scan.explain(&error)))?))
    });
    let (schema, mut stream) = opened?;
    let batches = std::iter::from_fn(move || runtime.block_on(stream.next())).map(move |batch| match batch {
        Ok(rows) => Ok(SourceBatch { rows, origin: None, rejected: Vec::new() }),
        Err(error) => Err(failure.take().unwrap_or_else(|| scan.explain(&error))),
    });
    Ok(SourceRows { schema, batches: Box::new(batches), notes })
}

impl Scan<'_> {
    /// Plan of this process for the rows: one partition keeps their order. `table` streams what this crate reads.
    async fn frame(&self, table: Option<FileStream>) -> Result<DataFrame, Error> {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false);
        let context = SessionContext::new_with_config(keeping_case(config));
        let frame = match table {
            Some(stream) => context.read_table(Arc::new(FileTable(stream))),
            None => self.open(&context).await,
        };
        self.query_frame(&context, frame.map_err(|error| self.explain(&error))?).await
    }

    /// Plan of a cluster's session for the rows; its executors read the files.
    #[cfg(feature = "ballista")]
    pub(crate) async fn frame_in(&self, context: &SessionContext) -> Result<DataFrame, Error> {
        let frame = match self.files[0].format {
            FileFormat::Csv { delimiter } => self.csv_frame(context, delimiter).await?,
            _ => self.open(context).await.map_err(|error| self.explain(&error))?,
        };
        self.query_frame(context, frame).await
    }

    async fn query_frame(&self, context: &SessionContext, frame: DataFrame) -> Result<DataFrame, Error> {
        let Some(query) = self.query else { return Ok(frame) };
        let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wrong = |error: DataFusionError| Error::Query {
            why: first_line(&error.strip_backtrace()),
            columns: columns.join(", "),
        };
        context.register_table("data", frame.into_view()).map_err(wrong)?;
        // A query reads: it creates, writes and sets nothing.
        let options =
            SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
        context.sql_with_options(query, options).await.map_err(wrong)
    }

    /// CSV as the executors of a cluster read it: fields are texts, which are cast to the types of this process.
    #[cfg(feature = "ballista")]
    async fn csv_frame(&self, context: &SessionContext, delimiter: u8) -> Result<DataFrame, Error> {
        let source = super::csv::source(self, delimiter)?;
        let Some(layout) = self.same_layout(&source)? else {
            return context.read_empty().map_err(|error| self.explain(&error));
        };
        let read_as = texts(&layout, &source);
        let ending = self.files[0].extension();
        let options = CsvReadOptions::new()
            .delimiter(layout.dialect.delimiter)
            .has_header(layout.header)
            .file_extension(&ending)
            .file_compression_type(compression_type(self.files[0].compression))
            .newlines_in_values(true)
            .schema(&read_as);
        let options = match layout.dialect.comment {
            Some(mark) => options.comment(mark),
            None => options,
        };
        let frame = context.read_csv(self.paths(), options).await;
        frame.and_then(|frame| typed(frame, &source.schema, self.nulls)).map_err(|error| self.explain(&error))
    }

    /// Layout of all files; a cluster reads them alike.
    #[cfg(feature = "ballista")]
    fn same_layout(&self, source: &CsvSource) -> Result<Option<super::csv::Layout>, Error> {
        let mut layouts = source.layouts.iter().flatten();
        let Some(first) = layouts.next() else { return Ok(None) };
        let alike = layouts.all(|other| (other.dialect, other.header) == (first.dialect, first.header));
        let plain = |layout: &super::csv::Layout| layout.encoding == UTF_8 && !layout.dialect.blanks;
        if alike && source.layouts.iter().flatten().all(plain) {
            return Ok(Some(first.clone()));
        }
        let why = "a cluster reads CSV files in UTF-8 with one delimiter and without blanks around fields; convert them, or remove `data.engine`";
        Err(Error::Remote { location: self.label.to_owned(), why: why.to_owned() })
    }

    fn paths(&self) -> Vec<String> {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.files.iter().map(|file| absolute(&file.path).to_string_lossy().into_owned()).collect()
    }

    async fn open(&self, context: &SessionContext) -> Result<DataFrame, DataFusionError> {
        let paths = self.paths();
        let ending = self.files[0].extension();
        match self.files[0].format {
            FileFormat::Json => {
                let options = JsonReadOptions::default()
                    .file_extension(&ending)
                    .file_compression_type(compression_type(self.files[0].compression))
                    .schema_infer_max_records(if self.infer_from_all { usize::MAX } else { INFERENCE_ROWS });
                context.read_json(paths, options).await
            }
            FileFormat::Parquet => {
                let options = ParquetReadOptions::default().file_extension(&ending);
                context.read_parquet(paths, options).await
            }
            FileFormat::Arrow => {
                let options = ArrowReadOptions { file_extension: &ending, ..ArrowReadOptions::default() };
                context.read_arrow(paths, options).await
            }
            #[cfg(feature = "avro")]
            FileFormat::Avro => {
                let options = AvroReadOptions { file_extension: &ending, ..AvroReadOptions::default() };
                context.read_avro(paths, options).await
            }
            // CSV is read by this crate or by `csv_frame`; collection converts workbooks and refuses formats without a
            // reader.
            other => Err(DataFusionError::Internal(format!("{other:?} cannot be queried as it is"))),
        }
    }

    /// Converts an error of `DataFusion`; one of a parser names the row.
    pub(crate) fn explain(&self, error: &DataFusionError) -> Error {
        let root = error.find_root();
        let text = root.strip_backtrace();
        let is_parse = matches!(root, DataFusionError::ArrowError(..))
            || text.contains("infer") && text.contains("record");
        if is_parse { row_error(self.label, &text) } else { self.failure(text) }
    }
}

fn compression_type(compression: Compression) -> FileCompressionType {
    match compression {
        Compression::None => FileCompressionType::UNCOMPRESSED,
        Compression::Gzip => FileCompressionType::GZIP,
        Compression::Zstd => FileCompressionType::ZSTD,
    }
}

/// Turns off the conversion of names in SQL to lower case.
pub(crate) fn keeping_case(mut config: SessionConfig) -> SessionConfig {
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config
}

/// All fields of a file as texts.
#[cfg(feature = "ballista")]
fn texts(layout: &super::csv::Layout, source: &CsvSource) -> Schema {
    let name = |position: usize| {
        let column = layout.columns.iter().position(|column| column.position == position);
        column.map_or_else(|| format!("field {}", position + 1), |at| source.schema.field(at).name().clone())
    };
    let fields = (0..layout.fields).map(|position| Field::new(name(position), DataType::Utf8, true));
    Schema::new(fields.collect::<Vec<_>>())
}

/// Columns with their types: null markers become null, and texts are cast.
#[cfg(feature = "ballista")]
fn typed(frame: DataFrame, schema: &Schema, nulls: &[String]) -> Result<DataFrame, DataFusionError> {
    let markers: Vec<Expr> = nulls.iter().map(lit).collect();
    let columns = schema.fields().iter().map(|field| {
        let column = ident(field.name());
        let mut value = when(column.clone().in_list(markers.clone(), true), column).end()?;
        if field.data_type() != &DataType::Utf8 {
            value = cast(value, field.data_type().clone());
        }
        Ok(value.alias(field.name()))
    });
    frame.select(columns.collect::<Result<Vec<Expr>, DataFusionError>>()?)
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

fn number_after(text: &str, word: &str) -> Option<usize> {
    let tail = &text[text.find(word)? + word.len()..];
    tail.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}
