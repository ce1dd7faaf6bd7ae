//! Verdict on the embeddings of a version, as reports and metrics have it.

use cupola_monitor::embedding::EmbeddingDrift;
use cupola_monitor::sketch::LiveVerdict;
use serde::Serialize;

/// Latest comparison of embeddings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(in crate::telemetry::monitoring) struct EmbeddingState {
    /// `true`: the embeddings are watched.
    pub enabled: bool,
    /// Verdict.
    pub verdict: LiveVerdict,
    /// Method.
    pub method: &'static str,
    /// Area under the ROC curve of a classifier that tells the rows from the reference; `None` without enough rows.
    pub score: Option<f64>,
    /// Area above which the embeddings have drifted.
    pub threshold: Option<f64>,
    /// Vectors of the sampled rows that were compared.
    pub rows: usize,
    /// Windows that they are of.
    pub windows: usize,
    /// Vectors of the reference.
    pub reference_rows: usize,
    /// Values of a vector.
    pub width: usize,
    /// Sampled rows of the open window without a vector yet.
    pub waiting: usize,
    /// Reason why rows could not be embedded, if so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl EmbeddingState {
    /// State without a sampled row.
    pub fn without_rows(reference_rows: usize, width: usize) -> Self {
        Self {
            enabled: true,
            verdict: LiveVerdict::FewRows,
            method: "model",
            score: None,
            threshold: None,
            rows: 0,
            windows: 0,
            reference_rows,
            width,
            waiting: 0,
            why: None,
        }
    }

    /// State after a comparison.
    pub fn judged(self, found: &EmbeddingDrift) -> Self {
        let verdict = match (found.score, found.drifted) {
            (None, _) => LiveVerdict::FewRows,
            (Some(_), true) => LiveVerdict::Drift,
            (Some(_), false) => LiveVerdict::Stable,
        };
        Self {
            verdict,
            method: found.method.name(),
            score: found.score,
            threshold: Some(found.threshold),
            ..self
        }
    }
}
