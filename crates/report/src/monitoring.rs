//! Pages about a model in production: how far its data and predictions have moved, and how good its predictions are.

mod page;
mod performance;
mod relations;

pub use self::page::monitoring_html;
pub use self::performance::{
    ForecastPage, ForecastRow, PerformanceChange, PerformanceChunk, PerformanceMetric, PerformancePage,
    PerformanceValue, performance_html,
};

/// Drift of the data of a model.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoringPage {
    /// `NAME:VERSION` of the model.
    pub package: String,
    /// Source of the current data.
    pub data: String,
    /// Rows of it.
    pub rows: u64,
    /// Origin of the reference in words, such as the training data.
    pub reference: String,
    /// Number of columns that were compared.
    pub compared: usize,
    /// Number of these that have drifted.
    pub drifted: usize,
    /// Share of drifted columns from which the data set has drifted.
    pub max_share: f64,
    /// Verdict as a sentence, with what has drifted.
    pub verdict: String,
    /// Columns, those that drifted most first.
    pub columns: Vec<MonitoredColumn>,
    /// Drift of the relations between the inputs; `None` if they were not compared.
    pub relations: Option<MonitoredRelations>,
    /// Drift of the embeddings; `None` if they were not compared.
    pub embeddings: Option<MonitoredEmbeddings>,
    /// Sentences about what was not compared.
    pub notes: Vec<String>,
}

/// Drift of one column.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoredColumn {
    /// Name, with the class of a probability.
    pub name: String,
    /// Use in words: input, prediction, probability, target.
    pub role: String,
    /// Kind in words: number, category, text.
    pub kind: String,
    /// Statistic.
    pub method: String,
    /// `true` for a p-value, of which a small one means drift.
    pub is_p_value: bool,
    /// Value of the statistic; `None` if it has none.
    pub score: Option<f64>,
    /// Words in place of a score, such as "no values".
    pub no_score: String,
    /// `true` if it is not known whether the column has drifted.
    pub unknown: bool,
    /// Threshold.
    pub threshold: f64,
    /// `true` if the column has drifted.
    pub drifted: bool,
    /// Share of missing values in the reference and in the current data.
    pub missing: [f64; 2],
    /// Mean of numbers, in the reference and in the current data.
    pub mean: [Option<f64>; 2],
    /// Share of current values that the reference lacks.
    pub unseen: Option<f64>,
    /// Distributions.
    pub shape: MonitoredShape,
}

/// Drift of the relations between columns, by chunks of rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoredRelations {
    /// Number of columns that count.
    pub columns: usize,
    /// Number of principal components.
    pub components: usize,
    /// Share of the variance of the reference that they explain.
    pub explained: f64,
    /// Range of chunks without an alert.
    pub thresholds: [Option<f64>; 2],
    /// Chunks of the reference.
    pub reference: Vec<MonitoredChunk>,
    /// Chunks of the current data.
    pub current: Vec<MonitoredChunk>,
}

/// Drift of the vectors that a model makes of its rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoredEmbeddings {
    /// Values of a vector.
    pub width: usize,
    /// Vectors of the reference and of the current data.
    pub vectors: [usize; 2],
    /// Methods with their scores.
    pub methods: Vec<MonitoredMethod>,
}

/// Score of a method that compares embeddings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoredMethod {
    /// Name.
    pub name: String,
    /// Score; `None` for vectors without one.
    pub score: Option<f64>,
    /// Threshold.
    pub threshold: f64,
    /// `true` above the threshold.
    pub drifted: bool,
}

/// A chunk of rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MonitoredChunk {
    /// Name.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// Mean reconstruction error.
    pub error: f64,
    /// Bounds of its confidence; `None` for a single row.
    pub confidence: Option<(f64, f64)>,
    /// `true` outside of the thresholds.
    pub alert: bool,
}

/// Shares of values in the reference and in current data.
#[derive(Debug, Clone, PartialEq)]
pub enum MonitoredShape {
    /// Borders of bins, and the share of each in both.
    Bins(Vec<f64>, [Vec<f64>; 2]),
    /// Labels, and the share of each in both.
    Values(Vec<String>, [Vec<f64>; 2]),
}

impl Default for MonitoredShape {
    fn default() -> Self {
        Self::Bins(Vec::new(), [Vec::new(), Vec::new()])
    }
}
