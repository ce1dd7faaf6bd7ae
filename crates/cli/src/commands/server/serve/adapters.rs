//! Adapters from the server's traits to datasets and Parquet files.

use cupola_datasets::{IngestError, IngestLog, JournalEntry, PredictionJournal};
use cupola_serving::{PredictionRecord, PredictionRecorder, PushError, RowSink};
use serde_json::{Map, Value};

/// Row sink that appends pushed rows to the datasets of the home folder.
pub struct DatasetSink(pub IngestLog);

impl RowSink for DatasetSink {
    fn push(&self, dataset: &str, rows: &[Map<String, Value>]) -> Result<usize, PushError> {
        self.0.push(dataset, rows).map_err(|error| match error {
            IngestError::Unknown(error) => PushError::UnknownDataset(error.to_string()),
            IngestError::Row { row, column, why } => PushError::Row { row, column, why },
            IngestError::Failed(error) => PushError::Failed(error.to_string()),
        })
    }
}

/// Recorder that writes predictions to Parquet files.
pub struct JournalRecorder(pub PredictionJournal);

impl PredictionRecorder for JournalRecorder {
    fn record(&self, record: PredictionRecord) {
        let time = jiff::Timestamp::now().as_millisecond();
        let PredictionRecord { request, model, version, row, prediction } = record;
        self.0.push(JournalEntry { time, request, model, version, row, answer: prediction });
    }
}
