//! The document that a page is made from.

use serde::{Deserialize, Serialize};

/// Everything that is known about how good a model is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Evaluation {
    /// The model.
    pub model: ModelSection,
    /// The data; `None` where only predictions are at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataSection>,
    /// Values during training, one curve for each metric and split.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub learning: Vec<LearningCurve>,
    /// Results on each split or source, such as `valid`, `test` or a file.
    pub splits: Vec<SplitEvaluation>,
    /// Comparison with another model on the same rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
}

/// Section about the model.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelSection {
    /// Name and version, such as `digits:3`.
    pub package: String,
    /// Family, such as `mlp` or `gbdt`.
    pub family: String,
    /// Number of trained parameters; `None` for trees.
    pub parameters: Option<u64>,
    /// Size of the weights in bytes.
    pub bytes: u64,
    /// Engine and device that made the predictions.
    pub engine: String,
    /// Measured time per row; `None` where it was not measured.
    pub latency: Option<Latency>,
    /// Id of the run that trained it.
    pub run: Option<String>,
    /// Time of publication, as in the manifest.
    pub created: Option<String>,
    /// Metric that chose the weights.
    pub goal: Option<String>,
    /// Further facts, such as the calibration in use; name and value.
    pub facts: Vec<(String, String)>,
}

/// Time of a forward pass of one row.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Median in microseconds.
    pub p50_us: f64,
    /// 99th percentile in microseconds.
    pub p99_us: f64,
    /// Number of measured passes.
    pub passes: u64,
}

/// Section about the rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DataSection {
    /// Source of the rows.
    pub source: String,
    /// Rows of each split.
    pub splits: Vec<(String, u64)>,
    /// Profiles of the columns, in their order.
    pub columns: Vec<ColumnSummary>,
}

/// Profile of one column, by split in the order of [`DataSection::splits`].
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ColumnSummary {
    /// Name of the column.
    pub name: String,
    /// Kind, such as `number`, `category`, `text` or `date`.
    pub kind: String,
    /// Role: `input` or `target`.
    pub role: String,
    /// Share of missing values in each split, from 0 to 1.
    pub missing: Vec<f64>,
    /// Distribution in each split.
    pub distributions: Vec<Distribution>,
}

/// Distribution of a column's values.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Counts of a number's values.
    Numbers(Histogram),
    /// The most frequent values with their counts, and the count of all others.
    Values {
        /// Values and counts, the most frequent first.
        top: Vec<Bar>,
        /// Count of all other values.
        other: f64,
    },
}

/// Counts over intervals of equal or unequal width.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Histogram {
    /// Borders, one more than counts, ascending.
    pub edges: Vec<f64>,
    /// Counts, or sums of weights.
    pub counts: Vec<f64>,
}

/// Labelled value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Bar {
    /// Label.
    pub label: String,
    /// Value.
    pub value: f64,
}

/// Values of one metric during training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LearningCurve {
    /// Name of the metric.
    pub metric: String,
    /// `train`, `valid` or another split.
    pub split: String,
    /// Steps and values.
    pub points: Vec<(f64, f64)>,
}

/// Points of a plot, and what they belong to.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Line {
    /// Class, quantile or series that the line is of.
    pub label: String,
    /// Coordinates of the points. Lines of more than 500 points are thinned before they come here.
    pub points: Vec<(f64, f64)>,
}

/// Results on one split or source.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SplitEvaluation {
    /// Name of the split or source.
    pub split: String,
    /// Number of rows.
    pub rows: u64,
    /// Results of each target.
    pub targets: Vec<TargetEvaluation>,
}

/// Results of one target on one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TargetEvaluation {
    /// Name of the target.
    pub target: String,
    /// Metrics, the goal first.
    pub metrics: Vec<Metric>,
    /// Plots and tables of the kind of target.
    pub detail: Detail,
    /// Metrics by group of each subgroup column and crossing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subgroups: Vec<SubgroupTable>,
    /// Conditions on columns under which errors are larger, the worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slices: Vec<ErrorSlice>,
    /// Rows with the largest errors.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub worst: Vec<WorstError>,
    /// Importance of columns, the largest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub importance: Vec<Importance>,
    /// Partial dependence and accumulated local effects of the most important columns.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependence: Vec<Dependence>,
}

/// One metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metric {
    /// Name, such as `accuracy`.
    pub name: String,
    /// Value; `None` where it is undefined.
    pub value: Option<f64>,
    /// Reason for which it is undefined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undefined: Option<String>,
    /// Bounds of the 95 % confidence interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// Value of a trivial model on the same rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<f64>,
    /// `true` if a larger value is better; `None` for a metric without direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub larger_is_better: Option<bool>,
}

/// Plots and tables of one kind of target.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Detail {
    /// Nothing beside the metrics.
    #[default]
    None,
    /// A target with classes.
    Classification(Box<ClassificationDetail>),
    /// A number.
    Regression(Box<RegressionDetail>),
    /// Values at several steps ahead.
    Forecast(Box<ForecastDetail>),
    /// An anomaly score.
    Score(Box<ScoreDetail>),
}

/// Plots and tables of a classifier. Curves have a line for each class, or only for the positive of two.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ClassificationDetail {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Precision, recall, F1 and rows of each class.
    pub reports: Vec<(f64, f64, f64, u64)>,
    /// Counts `confusion[target][predicted]`.
    pub confusion: Vec<Vec<u64>>,
    /// False positive rate and recall.
    pub roc: Vec<Line>,
    /// Recall and precision.
    pub precision_recall: Vec<Line>,
    /// Mean predicted probability and observed share.
    pub calibration: Vec<Line>,
    /// Counts of the predicted probabilities, of rows of the class and of all others.
    pub scores: Vec<(String, Histogram, Histogram)>,
    /// Share of the rows taken, most probable first, and share of the class found.
    pub gain: Vec<Line>,
    /// Share of the rows taken and multiple of the class's share in all rows.
    pub lift: Vec<Line>,
    /// Threshold in use, for two classes.
    pub operating_point: Option<OperatingPoint>,
}

/// Threshold of a binary classifier and the rates there.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct OperatingPoint {
    /// Probability from which a row counts as positive.
    pub threshold: f64,
    /// Share of negatives that are above it.
    pub false_positive_rate: f64,
    /// Share of positives that are above it.
    pub recall: f64,
    /// Share of positives among the rows above it.
    pub precision: f64,
}

/// Plots of a regression. At most 2,000 evenly chosen rows are kept.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RegressionDetail {
    /// Unit or name of the target's values.
    pub unit: String,
    /// Target and prediction.
    pub predicted: Vec<(f64, f64)>,
    /// Prediction and residual (target - prediction).
    pub residuals: Vec<(f64, f64)>,
    /// Counts of the residuals.
    pub residual_histogram: Histogram,
    /// Quantiles of the normal distribution and of the standardised residuals.
    pub qq: Vec<(f64, f64)>,
}

/// Plots of a forecast.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ForecastDetail {
    /// Each metric by step ahead, from 1.
    pub by_step: Vec<Line>,
    /// Examples: expected and forecast values of a few windows, as lines `WINDOW expected` and `WINDOW forecast`.
    pub windows: Vec<(String, Line, Line)>,
    /// Intervals of each window in `windows` as step, lower and upper bound; empty for a model without intervals.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bands: Vec<Vec<(f64, f64, f64)>>,
    /// Probability with which these intervals hold a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<f64>,
}

/// Plots of an anomaly score.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ScoreDetail {
    /// Counts of the scores of normal rows, or of all rows without labels.
    pub normal: Histogram,
    /// Counts of the scores of anomalies, with the same borders.
    pub anomalies: Option<Histogram>,
    /// Score from which a row counts as an anomaly.
    pub threshold: Option<f64>,
    /// Recall and precision.
    pub precision_recall: Vec<Line>,
}

/// Metrics by group of one or more columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct SubgroupTable {
    /// Columns: one, or those that are crossed.
    pub columns: Vec<String>,
    /// Groups, the largest first.
    pub groups: Vec<Subgroup>,
    /// Groups with fewer rows than the minimum support, which are not reported.
    pub left_out: u64,
    /// Differences and ratios between groups, such as `demographic_parity_difference`.
    pub gaps: Vec<Metric>,
}

/// Metrics of one group.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Subgroup {
    /// Values of the columns.
    pub values: Vec<String>,
    /// Number of rows.
    pub rows: u64,
    /// Metrics.
    pub metrics: Vec<Metric>,
}

/// Condition under which errors are larger.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ErrorSlice {
    /// Condition, such as `carat > 2.1 and cut = Fair`.
    pub condition: String,
    /// Number of rows.
    pub rows: u64,
    /// Mean error of these rows.
    pub error: f64,
    /// Mean error of all rows.
    pub overall: f64,
    /// Bounds of the 95 % confidence interval of the mean error of these rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// Row with a large error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorstError {
    /// Number of the row in its source, from 1.
    pub row: u64,
    /// Target as text.
    pub target: String,
    /// Prediction as text.
    pub predicted: String,
    /// Loss or absolute error.
    pub error: f64,
    /// Inputs of the row.
    pub content: WorstContent,
}

/// Inputs of a row as they are shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WorstContent {
    /// Columns and values.
    Columns(Vec<(String, String)>),
    /// Beginning of a text.
    Text(String),
    /// PNG in Base64.
    Picture(String),
}

/// Importance of one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Importance {
    /// Name of the column.
    pub column: String,
    /// Increase of the loss when its values are permuted.
    pub increase: f64,
    /// Bounds of the 95 % confidence interval of the mean increase over shuffles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
}

/// Mean prediction as a function of one column.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Dependence {
    /// Name of the column.
    pub column: String,
    /// Class whose probability is meant; `None` for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// Rows whose predictions the means are over.
    pub rows: u64,
    /// Mean prediction of these rows as they are, to which accumulated effects are added in a plot.
    pub mean: Option<f64>,
    /// Values of a number, or indices into `categories`, and the partial dependence there.
    pub partial: Vec<(f64, f64)>,
    /// Values and accumulated local effects, whose mean over the rows is 0; empty for a category.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub accumulated: Vec<(f64, f64)>,
    /// Values of a category, the most frequent first; empty for a number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub categories: Vec<String>,
}

/// Two models on the same rows.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Comparison {
    /// First model.
    pub first: String,
    /// Second model.
    pub second: String,
    /// Number of rows.
    pub rows: u64,
    /// Metrics of both.
    pub metrics: Vec<ComparedMetric>,
    /// Verdict in a sentence.
    pub verdict: String,
}

/// One metric of two models.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ComparedMetric {
    /// Name.
    pub name: String,
    /// Value of the first model.
    pub first: Option<f64>,
    /// Value of the second model.
    pub second: Option<f64>,
    /// Second less first.
    pub difference: Option<f64>,
    /// Bounds of the 95 % confidence interval of the difference (paired bootstrap).
    pub interval: Option<(f64, f64)>,
    /// Probability of a difference as large as this without any; of the test named in `test`.
    pub p_value: Option<f64>,
    /// `bootstrap`, `McNemar` or `DeLong`.
    pub test: Option<String>,
}
