//! Evaluation of a model on rows: metrics with intervals, plots, subgroups, error slices and the worst errors, as one
//! document.
//!
//! [`SplitToEvaluate`](target::SplitToEvaluate) holds the logits of a split, its encoded targets and a sample of its raw rows. Its logits are decoded
//! once into [`TargetOutputs`](target::TargetOutputs), plain numbers for each target, which all further parts take. The
//! end of a run, `cupola evaluate` and the comparison of two models share it.

pub(crate) mod compare;
pub(crate) mod coverage;
mod data_section;
mod dependence;
mod facts;
pub(crate) mod gate;
mod learning;
pub(crate) mod model_section;
mod package;
mod run;
mod target;
mod write;

use cupola_spec::Evaluate;

pub(crate) use self::compare::EarlierComparison;
pub use self::compare::{CompareRequest, ComparedModels};
pub use self::package::{EvaluatedModel, PublishedMetrics};
pub(crate) use self::run::{OUT_OF_BAG, RunEvaluation, valid_latency};
pub use self::write::{evaluation_json, explanation_json, sealed_document, write_page};

/// Settings of an evaluation.
#[derive(Debug, Clone, PartialEq)]
pub struct EvaluationOptions {
    /// Columns whose groups get metrics of their own.
    pub subgroups: Vec<String>,
    /// Rows that a group needs to be reported.
    pub min_support: usize,
    /// Resamples of the bootstrap; 0 for no intervals.
    pub resamples: usize,
    /// Seed of the resamples.
    pub seed: u64,
}

impl EvaluationOptions {
    /// Settings of `[evaluate]`.
    pub fn of(evaluate: &Evaluate, seed: u64) -> Self {
        let Evaluate { subgroups, min_support, resamples, .. } = evaluate.clone();
        Self { subgroups, min_support, resamples, seed }
    }
}
