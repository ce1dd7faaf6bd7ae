//! Recording of a sample of the predictions, with their rows, typed by columns.

mod columns;
mod pseudonym;

use std::sync::Arc;
use std::time::Instant;

use cupola_prep::Predictions;
use cupola_runtime::{IntervalRequest, LoadedPackage, PredictInput};

pub use self::columns::{RecordedColumn, RecordedValues};
pub use self::pseudonym::Pseudonyms;
use crate::catalog::{ModelVersion, share};

/// Store of recorded predictions. Its method must not block.
pub trait PredictionRecorder: Send + Sync {
    /// Stores the rows of a request with their predictions.
    fn record(&self, record: PredictionRecord);
}

/// Rows of a request with their predictions, as columns.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionRecord {
    /// Id of the request.
    pub request: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// Time of the prediction in milliseconds since 1970.
    pub time: i64,
    /// Milliseconds from the arrival of the request to its predictions.
    pub latency_ms: f64,
    /// Number of predictions. Feedback names them by their number within the request, from 1.
    pub rows: usize,
    /// Inputs by the signature, predictions and probabilities; one value for each prediction.
    pub columns: Vec<RecordedColumn>,
}

/// Columns that are not recorded as they are.
#[derive(Debug, Clone, Default)]
pub struct RecordPrivacy {
    /// Columns that are left out.
    pub drop: Vec<String>,
    /// Columns whose values are replaced by pseudonyms.
    pub hash: Vec<String>,
    /// Source of the pseudonyms; without it the columns of `hash` are left out.
    pub pseudonyms: Option<Pseudonyms>,
}

/// Samples requests by their id and records them.
pub struct RecordSampler {
    share: f64,
    privacy: RecordPrivacy,
    recorder: Arc<dyn PredictionRecorder>,
}

impl RecordSampler {
    /// Records a share of the requests, between 0 and 1.
    pub fn new(share: f64, privacy: RecordPrivacy, recorder: Arc<dyn PredictionRecorder>) -> Self {
        Self { share, privacy, recorder }
    }

    /// `true` if a request belongs to the sample.
    pub fn includes(&self, request_id: &str) -> bool {
        // The prefix makes the sample independent of the canary's share.
        share(format!("record {request_id}").as_bytes()) < self.share
    }

    /// Records the rows of a request that arrived at `began` if it belongs to the sample.
    pub fn record(
        &self,
        request_id: &str,
        began: Instant,
        version: &ModelVersion,
        input: &PredictInput,
        predictions: &[Predictions],
    ) {
        if predictions.is_empty() || !self.includes(request_id) {
            return;
        }
        let model = &version.model;
        let signature = &model.signature;
        let rows = recorded_rows(model, input, predictions.len());
        let mut columns = columns::of_inputs(signature, input, &rows, &self.privacy);
        columns.extend(columns::of_predictions(signature, predictions, &self.privacy));
        columns.extend(columns::of_bounds(
            &with_intervals(model, input, predictions),
            signature,
            &self.privacy,
        ));
        self.recorder.record(PredictionRecord {
            request: request_id.to_owned(),
            model: version.manifest.name.clone(),
            version: version.manifest.version,
            time: jiff::Timestamp::now().as_millisecond(),
            latency_ms: began.elapsed().as_secs_f64() * 1e3,
            rows: predictions.len(),
            columns,
        });
    }
}

/// Row of the input that each prediction belongs to: a windowed prediction is made of several rows of a series, and belongs
/// to the last of them.
fn recorded_rows(model: &LoadedPackage, input: &PredictInput, predictions: usize) -> Vec<usize> {
    let ends = match input {
        PredictInput::Frame(frame) => model.plan.window_ends(frame).ok().flatten(),
        _ => None,
    };
    ends.filter(|ends| ends.len() == predictions).unwrap_or_else(|| {
        let rows = input.rows(model.signature.inputs.len());
        (rows.saturating_sub(predictions)..rows).collect()
    })
}

/// Forecasts with intervals of the coverage that the model was trained with; empty for a model without them.
fn with_intervals(
    model: &LoadedPackage,
    input: &PredictInput,
    predictions: &[Predictions],
) -> Vec<Predictions> {
    let Some(coverage) = model.horizon().and_then(|_| model.interval_coverage(IntervalRequest::Sealed).ok())
    else {
        return Vec::new();
    };
    let mut own = predictions.to_vec();
    match model.add_intervals(coverage, input, &mut own) {
        Ok(()) => own,
        Err(_) => Vec::new(),
    }
}
