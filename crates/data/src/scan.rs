//! `DataFusion` reads the files, optionally through SQL.

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::datasource::file_format::options::{AvroReadOptions, JsonReadOptions};
use datafusion::error::DataFusionError;
use datafusion::execution::options::ArrowReadOptions;
use datafusion::prelude::{
    CsvReadOptions, DataFrame, Expr, ParquetReadOptions, SessionConfig, SessionContext, cast, ident, lit,
    when,
};
use regex::Regex;

use crate::csv_schema::{csv_schema, same_headers};
use crate::error::Error;
use crate::files::{DataFile, Format};

/// Rows that CSV types are guessed from at first; when a later row does not fit, from all.
const GUESS_ROWS: usize = 10_000;

/// One way to read a source.
#[derive(Clone, Copy)]
pub(crate) struct Scan<'a> {
    pub files: &'a [DataFile],
    pub query: Option<&'a str>,
    pub nulls: &'a [String],
    pub label: &'a str,
    /// Types from all rows instead of the first ones; CSV fields are read as texts and cast.
    pub careful: bool,
    /// The files were written here: texts have the types that they were written with.
    pub ours: bool,
}

impl Scan<'_> {
    /// The rows as this process reads them.
    pub async fn frame(&self) -> Result<DataFrame, Error> {
        // One partition keeps the order of the rows.
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false)
            .set_bool("datafusion.execution.parquet.schema_force_view_types", !self.ours);
        self.frame_in(&SessionContext::new_with_config(keeping_case(config))).await
    }

    /// The rows as a session plans to read them.
    pub async fn frame_in(&self, context: &SessionContext) -> Result<DataFrame, Error> {
        if let Format::Csv { delimiter } = self.files[0].format {
            same_headers(self.files, delimiter)?;
        }
        let frame = self.open(context).await.map_err(|error| self.explain(&error))?;
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
        let compression = first.compression_type();
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
            Format::Json => {
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
            Format::Arrow => {
                let options = ArrowReadOptions { file_extension: &ending, ..ArrowReadOptions::default() };
                context.read_arrow(paths, options).await
            }
            Format::Avro => {
                let options = AvroReadOptions { file_extension: &ending, ..AvroReadOptions::default() };
                context.read_avro(paths, options).await
            }
            // Written as Parquet before.
            Format::Workbook => Err(DataFusionError::Internal("a workbook is read as Parquet".to_owned())),
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

/// Names in SQL keep their case.
pub(crate) fn keeping_case(mut config: SessionConfig) -> SessionConfig {
    config.options_mut().sql_parser.enable_ident_normalization = false;
    config
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
