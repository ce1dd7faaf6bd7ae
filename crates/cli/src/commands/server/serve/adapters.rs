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
            IngestError::Failed(error) => {
                PushError::Failed { why: reason(&error), details: error.to_string() }
            }
        })
    }
}

/// Reason of a failed push without the names of files.
fn reason(error: &cupola_datasets::Error) -> String {
    let why = match error {
        cupola_datasets::Error::Source(cupola_sources::Error::Io { source, .. }) => source.to_string(),
        _ => "the files of the dataset are damaged".to_owned(),
    };
    format!("failed to store the rows: {why}; try again")
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
