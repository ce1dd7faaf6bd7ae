//! Recording of a sample of the predictions, with their rows.

use std::sync::Arc;

use cupola_prep::{Frame, Predictions, Signature};
use cupola_runtime::PredictInput;
use serde_json::{Map, Value};

use crate::catalog::{ModelVersion, share};

/// Store of recorded predictions. Its method must not block.
pub trait PredictionRecorder: Send + Sync {
    /// Stores a row with its prediction.
    fn record(&self, record: PredictionRecord);
}

/// A row with its prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionRecord {
    /// Id of the request.
    pub request: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// The row as JSON.
    pub row: String,
    /// The prediction as JSON.
    pub prediction: String,
}

/// Samples requests by their id and records them.
pub struct RecordSampler {
    share: f64,
    recorder: Arc<dyn PredictionRecorder>,
}

impl RecordSampler {
    /// Records a share of the requests, between 0 and 1.
    pub fn new(share: f64, recorder: Arc<dyn PredictionRecorder>) -> Self {
        Self { share, recorder }
    }

    /// Records the rows of a request if it belongs to the sample.
    pub fn record(
        &self,
        request_id: &str,
        version: &ModelVersion,
        input: &PredictInput,
        predictions: &[Predictions],
    ) {
        // The prefix makes the sample independent of the canary's share.
        if share(format!("record {request_id}").as_bytes()) >= self.share {
            return;
        }
        let signature = &version.model.signature;
        let width = signature.inputs.len();
        // A windowed prediction is made of several rows; it belongs to the last of them.
        let skipped = input.rows(width).saturating_sub(predictions.len());
        for (index, prediction) in predictions.iter().enumerate() {
            let index = index + skipped;
            let row = match input {
                PredictInput::Frame(frame) => frame_row(signature, frame, index),
                PredictInput::Floats(values) => {
                    let values = values[index * width..].iter().map(|value| Value::from(*value));
                    signature.inputs.iter().map(|input| input.name.clone()).zip(values).collect()
                }
                PredictInput::Tokens(texts) => {
                    let tokens =
                        texts.get(index).map_or(Value::Null, |tokens| Value::from(tokens.as_slice()));
                    signature
                        .inputs
                        .iter()
                        .take(1)
                        .map(|input| (input.name.clone(), tokens.clone()))
                        .collect()
                }
            };
            self.recorder.record(PredictionRecord {
                request: request_id.to_owned(),
                model: version.manifest.name.clone(),
                version: version.manifest.version,
                row: Value::Object(row).to_string(),
                prediction: serde_json::to_string(prediction).unwrap_or_default(),
            });
        }
    }
}

fn frame_row(signature: &Signature, frame: &Frame, index: usize) -> Map<String, Value> {
    let values = signature.inputs.iter().filter_map(|input| {
        let column = frame.get(&input.name)?;
        let value = match column.number(index) {
            Ok(number) => number.map_or(Value::Null, Value::from),
            Err(_) => column.text(index).map_or(Value::Null, |text| Value::from(text.into_owned())),
        };
        Some((input.name.clone(), value))
    });
    values.collect()
}
