//! Metrics of predictions, computed from plain numbers without tensors.
//!
//! Definitions follow scikit-learn; `scripts/golden/metrics.py` writes the values that the tests
//! compare with. [`ClassifiedRows`], [`RegressionRows`], [`ForecastRows`] and [`ScoredRows`] hold what the metrics of
//! predictions need and compute them for any weights of the rows; [`ClassificationSums`] and [`RegressionSums`] are
//! filled row by row and merged. [`curves`] has the points of plots.

mod attribution;
mod bootstrap;
pub mod calibration;
mod compare;
pub mod conformal;
pub mod curves;
#[cfg(test)]
mod golden;
mod metrics;
mod slices;
mod subgroups;
mod threshold;

pub use attribution::{
    AdditiveTrees, AleCurve, DependenceCurve, FeatureImportance, IntegratedGradients, PathGradients,
    PermutationShapley, PlainTree, ShapleyBudget, TreeNode, ale, dependence_grid, integrated_gradients,
    partial_dependence, permutation_importance, permutation_shapley,
};
pub use bootstrap::draws::draw;
pub use bootstrap::{
    Bootstrap, BootstrapInterval, PairedDifference, RESAMPLED_ROWS, RESAMPLES, RowSums, UNITS,
};
pub use compare::{
    DeLongTest, FoldInterval, GreedyRound, GreedySelection, McNemarTest, ModelVerdict, delong, fold_interval,
    greedy_selection, mcnemar, shrink_weights, stack_by_log_loss, stack_by_squared_error,
};
pub use metrics::{
    ClassCounts, ClassReport, ClassificationSums, ClassifiedRows, FloatValue, ForecastRows, MetricSet,
    Metrics, NamedValues, RANKING_METRICS, RankedGroups, RegressionRows, RegressionSums, ScoreRanking,
    ScoredRows, Undefined, anomaly, bits_per_byte, classification, crps_of_ensemble, crps_of_quantiles,
    forecast, forecast_by_step, larger_is_better, metric_range, perplexity, pinball, ranking, regression,
    smape,
};
pub use slices::{LossSlice, SliceColumn, SliceOptions, error_slices};
pub use subgroups::{
    BinaryDecision, GroupColumn, GroupGap, GroupMetric, GroupedRows, MISSING, RowGroup, fairness, gap,
    group_metrics, group_rows, ratio,
};
pub use threshold::{threshold_of_labels, threshold_of_normal};

// The name under which other modules import it.
pub(crate) use metrics::series;
