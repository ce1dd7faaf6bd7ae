//! Adapters from the server's traits to datasets and Parquet files.

use std::path::Path;
use std::time::Duration;

use cupola_datasets::{
    IngestError, IngestLog, JournalColumn, JournalEntry, JournalSettings, JournalValues, PredictionJournal,
};
use cupola_serving::{
    PredictionRecord, PredictionRecorder, PushError, RecordedColumn, RecordedValues, RowSink,
};
use cupola_spec::RequestLog;
use serde_json::{Map, Value};

use crate::draw::Ui;

/// Bytes of a MiB.
const MIB: usize = 1 << 20;

/// Row sink that appends pushed rows to the datasets of the home folder.
pub struct DatasetSink(pub IngestLog);

impl RowSink for DatasetSink {
    fn push(&self, dataset: &str, rows: &[Map<String, Value>]) -> Result<usize, PushError> {
        self.0.push(dataset, rows).map_err(|error| match error {
            IngestError::Unknown(error) => PushError::UnknownDataset(error.to_string()),
            IngestError::Row { row, column, why } => PushError::Row { row, column, why },
            IngestError::Failed(error) if matches!(*error, cupola_datasets::Error::SpoolFull { .. }) => {
                PushError::Full(error.to_string())
            }
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
        cupola_datasets::Error::Source(_) => "the store of the home refuses them".to_owned(),
        _ => "the files of the dataset are damaged".to_owned(),
    };
    format!("failed to store the rows: {why}; try again")
}

/// Recorder that writes predictions to Parquet files.
pub struct JournalRecorder(PredictionJournal);

impl JournalRecorder {
    /// Recorder for the log of a config; what goes wrong is shown as lines.
    pub fn new(home: &Path, log: &RequestLog, ui: Ui) -> Result<Self, cupola_datasets::Error> {
        let settings = JournalSettings {
            rotate_after: Duration::from_secs(u64::from(log.rotate_seconds)),
            rotate_bytes: log.rotate_mib as usize * MIB,
            keep_days: log.keep_days,
            keep_bytes: log.keep_mib.map(|mib| u64::from(mib) * MIB as u64),
        };
        let warning = Box::new(move |text: &str| ui.line(format!("warning {text}")));
        Ok(Self(PredictionJournal::new(&home.join(&log.folder), settings, warning)?))
    }
}

impl PredictionRecorder for JournalRecorder {
    fn record(&self, record: PredictionRecord) {
        let PredictionRecord { request, model, version, time, latency_ms, rows, columns } = record;
        let column = |RecordedColumn { name, values }| {
            let values = match values {
                RecordedValues::Numbers(values) => JournalValues::Numbers(values),
                RecordedValues::Texts(values) => JournalValues::Texts(values),
                RecordedValues::Lists(values) => JournalValues::Lists(values),
            };
            JournalColumn { name, values }
        };
        let columns = columns.into_iter().map(column).collect();
        self.0.push(JournalEntry { time, request, model, version, latency_ms, rows, columns });
    }
}
