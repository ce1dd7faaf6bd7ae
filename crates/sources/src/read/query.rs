//! `data.query`: `DataFusion` reads the files and runs the SQL.

use std::path::Path;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
#[cfg(feature = "avro")]
use datafusion::datasource::file_format::options::AvroReadOptions;
use datafusion::datasource::file_format::options::JsonReadOptions;
use datafusion::error::DataFusionError;
use datafusion::execution::options::ArrowReadOptions;
use datafusion::prelude::{
    CsvReadOptions, DataFrame, Expr, ParquetReadOptions, SessionConfig, SessionContext, cast, ident, lit,
    when,
};
use futures::StreamExt;
use tokio::runtime::Runtime;

use super::csv::schemas;
use super::{INFERENCE_ROWS, Scan, SourceBatch, SourceRows, first_line, row_error};
use crate::error::Error;
use crate::file::{Compression, FileFormat};

/// Rows of the result, which is computed while it is read.
pub(super) fn rows<'a>(scan: Scan<'a>, runtime: &'a Runtime) -> Result<SourceRows<'a>, Error> {
    let opened = runtime.block_on(async {
        let frame = scan.frame().await?;
        let schema: SchemaRef = Arc::new(frame.schema().as_arrow().clone());
        let stream = frame.execute_stream().await.map_err(|error| scan.explain(&error))?;
        Ok::<_, Error>((schema, stream))
    });
    let (schema, mut stream) = opened?;
    let batches = std::iter::from_fn(move || runtime.block_on(stream.next())).map(move |batch| match batch {
        Ok(rows) => Ok(SourceBatch { rows, origin: None, rejected: Vec::new() }),
        Err(error) => Err(scan.explain(&error)),
    });
    Ok(SourceRows { schema, batches: Box::new(batches), notes: Vec::new() })
}

impl Scan<'_> {
    /// Plan of this process for the rows: one partition keeps their order.
    async fn frame(&self) -> Result<DataFrame, Error> {
        let config = SessionConfig::new()
            .with_target_partitions(1)
            .with_repartition_file_scans(false)
            .with_collect_statistics(false);
        self.frame_in(&SessionContext::new_with_config(keeping_case(config))).await
    }

    /// Plan of a session for the rows.
    pub(crate) async fn frame_in(&self, context: &SessionContext) -> Result<DataFrame, Error> {
        let frame = match self.files[0].format {
            FileFormat::Csv { delimiter } => self.csv_frame(context, delimiter).await?,
            _ => self.open(context).await.map_err(|error| self.explain(&error))?,
        };
        let Some(query) = self.query else { return Ok(frame) };
        let columns: Vec<String> = frame.schema().fields().iter().map(|field| field.name().clone()).collect();
        let wrong = |error: DataFusionError| Error::Query {
            why: first_line(&error.strip_backtrace()),
            columns: columns.join(", "),
        };
        context.register_table("data", frame.into_view()).map_err(wrong)?;
        context.sql(query).await.map_err(wrong)
    }

    async fn csv_frame(&self, context: &SessionContext, delimiter: u8) -> Result<DataFrame, Error> {
        let (schema, read_as) = schemas(self, delimiter)?;
        let ending = self.files[0].extension();
        let options = CsvReadOptions::new()
            .delimiter(delimiter)
            .file_extension(&ending)
            .file_compression_type(compression_type(self.files[0].compression))
            .newlines_in_values(true)
            .schema(&read_as);
        let frame = context.read_csv(self.paths(), options).await;
        frame
            .and_then(|frame| without_nulls(frame, self.infer_from_all.then_some(&*schema), self.nulls))
            .map_err(|error| self.explain(&error))
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
            // CSV is read by `csv_frame`; collection converts workbooks and refuses formats without a reader.
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

/// Makes null markers null and casts the columns to `types`. `DataFusion` considers null markers when it infers
/// types, but not when it reads.
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
