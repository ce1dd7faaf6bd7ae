//! Comparison of a shadow version's predictions with those that were sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cupola_prep::{PredictedValue, Predictions};
use cupola_runtime::PredictInput;

use crate::catalog::ModelVersion;
use crate::telemetry::Telemetry;

/// Largest relative difference of equal numbers.
const TOLERANCE: f64 = 1e-3;

/// Rows of a request with the predictions that were sent.
pub(super) struct Expected {
    pub input: PredictInput,
    pub predictions: Vec<Predictions>,
}

/// Runs the shadow in the background and counts whether it agrees. A shadow that is overloaded or fails is not
/// counted.
pub(super) fn compare(
    telemetry: Arc<Telemetry>,
    shadow: Arc<ModelVersion>,
    expected: Expected,
    timeout: Duration,
) {
    tokio::spawn(async move {
        let same = match shadow.model.examples_of_input(&expected.input) {
            Err(_) => false,
            Ok(examples) => {
                let references = shadow.model.inputs_to_compare(&examples);
                let deadline = Instant::now() + timeout;
                let Some(result) = shadow.scheduler.enqueue(examples, deadline) else { return };
                let Ok(Ok(pass)) = result.await else { return };
                let found = shadow.model.predictions(&pass.logits, &references);
                found.is_ok_and(|found| agree(&expected.predictions, &found))
            }
        };
        telemetry.count_shadow(&shadow.manifest.name, shadow.manifest.version, same);
    });
}

/// `true` if classes and texts are equal and numbers are within the tolerance.
fn agree(a: &[Predictions], b: &[Predictions]) -> bool {
    let near = |a: f64, b: f64| (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0);
    let same = |a: &PredictedValue, b: &PredictedValue| match (a, b) {
        (PredictedValue::Number(a), PredictedValue::Number(b)) => near(*a, *b),
        (PredictedValue::Numbers(a), PredictedValue::Numbers(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(*a, *b))
        }
        (a, b) => a == b,
    };
    a.len() == b.len()
        && a.iter().zip(b).all(|(a, b)| {
            a.iter().all(|(name, one)| b.get(name).is_some_and(|other| same(&one.value, &other.value)))
        })
}
