//! Requests that are written down with their rows and answers, a share of them.

use std::sync::Arc;

use cupola_prep::{Answer, Frame, Signature};
use cupola_runtime::Input;
use serde_json::{Map, Value};

use crate::ask::{Answered, Asked};
use crate::catalog::share;

/// What keeps them. It may not block.
pub trait Recorder: Send + Sync {
    /// Takes one row with its answer, both as JSON.
    fn record(&self, told: Recorded);
}

/// One row with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The request's id.
    pub request: String,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: u64,
    /// JSON of the row.
    pub row: String,
    /// JSON of the answer.
    pub answer: String,
}

/// Which requests are kept, and by whom.
pub(crate) struct Sampling {
    pub share: f64,
    pub recorder: Arc<dyn Recorder>,
}

impl Sampling {
    /// Keeps a request, if it is one that is kept.
    pub fn record(&self, asked: &Asked<'_>, answered: &Answered, predictions: &[Answer]) {
        // Not the hash that shares requests out: a canary's are kept as often as the others.
        if share(format!("record {}", asked.id).as_bytes()) >= self.share {
            return;
        }
        let signature = &answered.model.sealed.signature;
        let width = signature.inputs.len();
        // With a window a prediction is made of several rows; the last of them is its row.
        let skipped = answered.input.rows(width).saturating_sub(predictions.len());
        for (place, prediction) in predictions.iter().enumerate() {
            let place = place + skipped;
            let row = match &answered.input {
                Input::Frame(frame) => row(signature, frame, place),
                Input::Floats(values) => {
                    let own = values[place * width..].iter().map(|value| Value::from(*value));
                    signature.inputs.iter().map(|input| input.name.clone()).zip(own).collect()
                }
            };
            self.recorder.record(Recorded {
                request: asked.id.to_owned(),
                model: answered.model.manifest.name.clone(),
                version: answered.model.manifest.version,
                row: Value::Object(row).to_string(),
                answer: serde_json::to_string(prediction).unwrap_or_default(),
            });
        }
    }
}

fn row(signature: &Signature, frame: &Frame, place: usize) -> Map<String, Value> {
    let each = signature.inputs.iter().filter_map(|input| {
        let column = frame.get(&input.name)?;
        let value = match column.number(place) {
            Ok(number) => number.map_or(Value::Null, Value::from),
            Err(_) => column.text(place).map_or(Value::Null, |text| Value::from(text.into_owned())),
        };
        Some((input.name.clone(), value))
    });
    each.collect()
}
