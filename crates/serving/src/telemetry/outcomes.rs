//! Metrics of predictions whose targets became known.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    model: String,
    version: String,
    target: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ErrorLabels {
    model: String,
    version: String,
    target: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MatchLabels {
    model: String,
    outcome: &'static str,
}

/// Metrics of predictions whose targets became known.
#[derive(Clone, Default)]
pub struct OutcomeMetrics {
    outcomes: Family<OutcomeLabels, Counter>,
    errors: Family<ErrorLabels, Counter<f64, AtomicU64>>,
    matches: Family<MatchLabels, Counter>,
}

impl OutcomeMetrics {
    pub(super) fn register(&self, registry: &mut Registry) {
        let help = "Predictions whose target became known: correct, wrong, measured";
        registry.register("cupola_outcomes", help, self.outcomes.clone());
        let help = "Sum of the absolute errors of predicted numbers";
        registry.register("cupola_outcome_absolute_error", help, self.errors.clone());
        let help = "Rows of feedback: joined, unknown request, repeated, contradicting";
        registry.register("cupola_feedback_matches", help, self.matches.clone());
    }

    /// Counts a prediction of a class.
    pub fn count_class(&self, model: &str, version: u64, target: &str, correct: bool) {
        self.count(model, version, target, if correct { "correct" } else { "wrong" });
    }

    /// Counts a prediction of a number, with its absolute error.
    pub fn count_number(&self, model: &str, version: u64, target: &str, error: f64) {
        self.count(model, version, target, "measured");
        let (model, version, target) = (model.to_owned(), version.to_string(), target.to_owned());
        self.errors.get_or_create(&ErrorLabels { model, version, target }).inc_by(error);
    }

    fn count(&self, model: &str, version: u64, target: &str, outcome: &'static str) {
        let (model, version, target) = (model.to_owned(), version.to_string(), target.to_owned());
        self.outcomes.get_or_create(&OutcomeLabels { model, version, target, outcome }).inc();
    }

    /// Counts a row of feedback.
    pub fn count_match(&self, model: &str, outcome: &'static str) {
        self.matches.get_or_create(&MatchLabels { model: model.to_owned(), outcome }).inc();
    }
}
