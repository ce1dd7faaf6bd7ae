//! Comparison of a shadow version's predictions with those that were sent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cupola_budget::Budget;
use cupola_prep::{PredictedValue, Predictions};
use cupola_runtime::PredictInput;

use crate::catalog::ModelVersion;
use crate::processors::{Processors, WorkSize};
use crate::telemetry::Telemetry;

/// Largest relative difference of equal numbers.
const TOLERANCE: f64 = 1e-3;

/// Rows of a request with the predictions that were sent.
pub(super) struct Expected {
    pub input: PredictInput,
    pub predictions: Vec<Predictions>,
}

/// Comparison in the background, within the memory and time of the request.
pub(super) struct Comparison {
    pub telemetry: Arc<Telemetry>,
    pub processors: Processors,
    pub budget: Budget,
    pub timeout: Duration,
}

impl Comparison {
    /// Runs the shadow and counts whether it agrees. A shadow that is overloaded or fails is not counted, nor is one
    /// for which the request has no memory left.
    pub fn start(self, shadow: Arc<ModelVersion>, expected: Expected) {
        tokio::spawn(async move {
            if let Some(same) = self.compare(&shadow, &expected).await {
                self.telemetry.count_shadow(&shadow.manifest.name, shadow.manifest.version, same);
            }
        });
    }

    async fn compare(&self, shadow: &ModelVersion, expected: &Expected) -> Option<bool> {
        let rows = expected.predictions.len();
        self.budget.charge_each(rows, shadow.model.answer_bytes()).ok()?;
        let size = if rows <= 1 { WorkSize::Quick } else { WorkSize::Long };
        let prepare = || shadow.model.examples_of_input(&expected.input, &self.budget);
        let examples = match self.processors.run(size, &self.budget, prepare).await.ok()? {
            Ok(examples) => examples,
            Err(error) if error.exceeded().is_some() => return None,
            Err(_) => return Some(false),
        };
        let references = shadow.model.inputs_to_compare(&examples);
        let deadline = Instant::now() + self.timeout;
        let pass = shadow.scheduler.enqueue(examples, deadline)?.await.ok()?.ok()?;
        let agrees = || {
            let found = shadow.model.predictions(&pass.logits, &references);
            found.is_ok_and(|found| agree(&expected.predictions, &found))
        };
        self.processors.run(size, &self.budget, agrees).await.ok()
    }
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
