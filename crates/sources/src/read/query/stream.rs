//! Rows of CSV and JSON files as a table of `DataFusion`.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::SchemaRef;
use cupola_spec::{Decimal, RaggedRows};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchReceiverStream;
use datafusion::physical_plan::streaming::PartitionStream;

use crate::error::Error;
use crate::file::{DataFile, FileFormat};
use crate::read::batch::note::SourceNote;
use crate::read::csv::{self, CsvSource};
use crate::read::json::{self, JsonSource};
use crate::read::settings::{TextColumns, TextFormat};
use crate::read::{Scan, SourceRows};

/// Number of batches that wait for the engine.
const WAITING: usize = 2;

/// First failure of reading, which the engine would only pass on as text.
#[derive(Debug, Clone, Default)]
pub(super) struct FailureSlot(Arc<Mutex<Option<Error>>>);

impl FailureSlot {
    /// Takes the failure out.
    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, error: Error) -> DataFusionError {
        let text = error.to_string();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        DataFusionError::Execution(text)
    }
}

/// Layout of the files.
#[derive(Clone)]
enum TextSource {
    Csv(CsvSource),
    Json(JsonSource),
}

impl TextSource {
    fn rows<'a>(self, scan: &Scan<'a>) -> SourceRows<'a> {
        match self {
            Self::Csv(source) => csv::open(scan, source),
            Self::Json(source) => json::open(scan, source),
        }
    }
}

/// Files that are read each time the engine needs their rows.
#[derive(Clone)]
pub(super) struct FileStream {
    files: Arc<[DataFile]>,
    nulls: Arc<[String]>,
    source: TextSource,
    schema: SchemaRef,
    label: Arc<str>,
    ragged: RaggedRows,
    decimal: Option<Decimal>,
    failure: FailureSlot,
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStream").field("label", &self.label).finish_non_exhaustive()
    }
}

impl FileStream {
    /// Stream of the files of a scan, with the notes of their reader; `None` if the engine reads their format.
    pub fn open(scan: Scan<'_>, failure: &FailureSlot) -> Result<(Option<Self>, Vec<SourceNote>), Error> {
        let source = match scan.files[0].format {
            FileFormat::Csv { delimiter } => TextSource::Csv(csv::source(&scan, delimiter)?),
            FileFormat::Json => TextSource::Json(json::source(&scan)?),
            _ => return Ok((None, Vec::new())),
        };
        let rows = source.clone().rows(&scan);
        let stream = Self {
            files: scan.files.into(),
            nulls: scan.nulls.into(),
            source,
            schema: rows.schema,
            label: scan.label.into(),
            ragged: scan.format.ragged,
            decimal: scan.format.decimal,
            failure: failure.clone(),
        };
        Ok((Some(stream), rows.notes))
    }

    /// The stream with the columns at these indices; `None` if the reader needs all columns.
    pub fn select(&self, columns: &[usize]) -> Option<Self> {
        let TextSource::Csv(source) = &self.source else { return None };
        let source = source.select(columns)?;
        Some(Self { schema: Arc::clone(&source.schema), source: TextSource::Csv(source), ..self.clone() })
    }

    /// Schema of the rows.
    pub fn schema_ref(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    /// Visits the batches while `visit` returns `true`.
    fn read(&self, visit: &dyn Fn(arrow::record_batch::RecordBatch) -> bool) -> Result<(), Error> {
        // Everything else of the format is in the layouts.
        let format = TextFormat { ragged: self.ragged, decimal: self.decimal, ..TextFormat::default() };
        let scan = Scan {
            files: &self.files,
            query: None,
            nulls: &self.nulls,
            texts: TextColumns::None,
            format,
            label: &self.label,
            infer_from_all: false,
            keep_text_types: false,
        };
        for batch in self.source.clone().rows(&scan).batches {
            if !visit(batch?.rows) {
                break;
            }
        }
        Ok(())
    }
}

impl PartitionStream for FileStream {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _: Arc<TaskContext>) -> SendableRecordBatchStream {
        let mut builder = RecordBatchReceiverStream::builder(Arc::clone(&self.schema), WAITING);
        let (stream, sender) = (self.clone(), builder.tx());
        builder.spawn_blocking(move || {
            let read = stream.read(&|batch| sender.blocking_send(Ok(batch)).is_ok());
            read.map_err(|error| stream.failure.put(error))
        });
        builder.build()
    }
}
