//! `[split]`: how rows are divided into train, valid and test.

use jiff::{Span, SpanRelativeTo};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Division of the rows into train, valid and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Rule of the division. The default, `stratified`, keeps the shares of the classes in every split; for a
    /// number it is the same as `random`.
    pub by: SplitBy,
    /// Share of the rows that the best epoch is chosen on.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub valid: f64,
    /// Share of the rows for the final metrics.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub test: f64,
    /// Column of `group`, whose equal values stay together; of `predefined`, which holds `train`, `valid` or
    /// `test`; or of `time`, which holds the dates, times or numbers that rows are sorted by. It is not used as an
    /// input unless `[[inputs]]` names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Format of the times in `column` that are texts, as in strftime, such as `%d.%m.%Y`. Default: ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Rows that `time` leaves out before the valid and the test split, so that nothing that overlaps them is
    /// learned: a number of rows, or a time span such as `"7 days"` or `"12h"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
    /// Number of folds of a cross-validation by `k_fold`, `stratified`, `group` or `time`; one of them is the test split,
    /// and `valid` is a share of the rest. Each row is in one fold; of `time`, the rows before the first fold are only
    /// trained on. `cupola cv` sets it. Default of `k_fold`: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub folds: Option<usize>,
    /// Index of the fold that is the test split, counted from 0. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
    /// Folds of `time` train on as many rows as the first of them, the latest ones, instead of on all rows before the
    /// test split.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sliding: bool,
}

impl Split {
    /// Number of folds where neither the config nor a command names one.
    pub const FOLDS: usize = 5;

    /// Number of folds, one of which is the test split; `None` for a split without folds.
    pub fn fold_count(&self) -> Option<usize> {
        self.folds.or((self.by == SplitBy::KFold).then_some(Self::FOLDS))
    }

    /// The division that keeps the rows of each group of a ranking together. One by a column is a decision of its own.
    #[must_use]
    pub(crate) fn by_group(&self, column: &str) -> Self {
        match self.by {
            SplitBy::Random | SplitBy::Stratified | SplitBy::KFold => Self {
                folds: self.fold_count(),
                by: SplitBy::Group,
                column: Some(column.to_owned()),
                ..self.clone()
            },
            SplitBy::Time | SplitBy::Group | SplitBy::Predefined => self.clone(),
        }
    }
}

/// Rule by which rows are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Seeded hash of each row's content.
    Random,
    /// Seeded hash of each row's content, within each class of the target.
    Stratified,
    /// Order of time: the first rows for train, the last ones for test. Times are those of `column`, or the
    /// order of the rows without it. Rows of one time stay together. A forecast is always split in this way.
    Time,
    /// Seeded hash of the value in `column`, so that rows of equal value stay together.
    Group,
    /// Value of `column`: `train`, `valid` or `test`.
    Predefined,
    /// Cross-validation: the test split is part `fold` of `folds`, by a seeded hash of the row's content;
    /// `valid` is drawn from the rest. `folds` with `stratified`, `group` or `time` makes folds that keep the shares of the
    /// classes, the groups or the order of time.
    KFold,
}

/// Distance between two splits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Gap {
    /// Number of rows.
    Rows(usize),
    /// Time span, such as `7 days` or `12h`.
    Span(String),
}

impl Gap {
    /// Length of a time span in seconds, with days of 24 hours; `None` for a number of rows and for an invalid
    /// or negative span.
    pub fn seconds(&self) -> Option<f64> {
        let Self::Span(text) = self else { return None };
        let span: Span = text.parse().ok()?;
        let length = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        Some(length.as_secs_f64()).filter(|seconds| *seconds >= 0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_seconds() {
        let seconds = |text: &str| Gap::Span(text.to_owned()).seconds();
        assert_eq!(seconds("7d"), Some(604_800.0));
        assert_eq!(seconds("7 days"), Some(604_800.0));
        assert_eq!(seconds("12h"), Some(43_200.0));
        assert_eq!(seconds("2 weeks"), Some(1_209_600.0));
        for invalid in ["soon", "-3d", "1 month", ""] {
            assert_eq!(seconds(invalid), None, "{invalid}");
        }
        assert_eq!(Gap::Rows(3).seconds(), None);
    }
}
