//! Page about a study: how its trials went, which values are good, and which keys decide.

mod page;

pub use self::page::study_html;

/// Trials of a study.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyPage {
    /// Name of the study.
    pub name: String,
    /// Metrics that trials are compared by, the one that selects the best trial first.
    pub metrics: Vec<StudyMetric>,
    /// Keys that are searched.
    pub keys: Vec<StudyKey>,
    /// Trials in the order of their numbers.
    pub trials: Vec<StudyTrial>,
    /// Number of the best trial.
    pub best: Option<usize>,
    /// Numbers of the trials that no other one beats in all metrics.
    pub front: Vec<usize>,
    /// Package of the best trial.
    pub package: Option<String>,
}

/// Metric of a study.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyMetric {
    /// Name.
    pub name: String,
    /// `true` if a larger value is better.
    pub larger_is_better: bool,
}

/// Key that is searched.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyKey {
    /// Dotted name.
    pub name: String,
    /// `true` for a logarithmic range.
    pub log: bool,
    /// Share of the variance of the first metric that the key explains; `None` where it is unknown.
    pub importance: Option<f64>,
}

/// Trial of a study.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StudyTrial {
    /// Number from 0.
    pub number: usize,
    /// State in a word.
    pub state: String,
    /// `true` for a complete trial.
    pub complete: bool,
    /// Value of each metric; empty for a failed trial, the last value of the first metric for a pruned one.
    pub values: Vec<f64>,
    /// Value of each key; `None` where the trial does not have the key.
    pub params: Vec<Option<StudyValue>>,
    /// First metric by epoch.
    pub curve: Vec<(f64, f64)>,
    /// Seconds of training.
    pub seconds: Option<f64>,
    /// Reason of a failed trial.
    pub error: Option<String>,
}

/// Value of a key.
#[derive(Debug, Clone, PartialEq)]
pub enum StudyValue {
    /// A number.
    Number(f64),
    /// One of several choices.
    Choice(String),
}
