//! Rows and metrics of a classifier.

use serde::{Deserialize, Serialize};

use crate::Error;

/// Predictions of a classifier, and their targets as far as they are known.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassifierRows {
    /// Number of classes, at least 2. Of two classes the second is the positive one.
    classes: usize,
    /// Probabilities `[rows, classes]`.
    probabilities: Vec<f64>,
    predicted: Vec<usize>,
    targets: Vec<Option<usize>>,
}

impl ClassifierRows {
    /// Rows with probabilities `[rows, classes]`, predicted classes and targets.
    ///
    /// # Errors
    /// [`Error::MismatchedRows`] if the lists do not fit each other; [`Error::ClassOutOfRange`].
    pub fn new(
        classes: usize,
        probabilities: Vec<f64>,
        predicted: Vec<usize>,
        targets: Vec<Option<usize>>,
    ) -> Result<Self, Error> {
        let rows = predicted.len();
        if targets.len() != rows {
            return Err(Error::MismatchedRows { expected: rows, found: targets.len() });
        }
        if probabilities.len() != rows * classes {
            return Err(Error::MismatchedRows { expected: rows * classes, found: probabilities.len() });
        }
        let known = predicted.iter().chain(targets.iter().flatten());
        if let Some(class) = known.copied().find(|class| *class >= classes) {
            return Err(Error::ClassOutOfRange { class, classes });
        }
        Ok(Self { classes, probabilities, predicted, targets })
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.predicted.len()
    }

    /// `true` without rows.
    pub fn is_empty(&self) -> bool {
        self.predicted.is_empty()
    }

    /// Classes that are taken one against the rest: the positive one of two, or all.
    pub(super) fn one_against_rest(&self) -> std::ops::Range<usize> {
        if self.classes == 2 { 1..2 } else { 0..self.classes }
    }

    /// Probabilities of a row.
    pub(super) fn probabilities(&self, row: usize) -> &[f64] {
        &self.probabilities[row * self.classes..(row + 1) * self.classes]
    }

    pub(super) fn predicted(&self, row: usize) -> usize {
        self.predicted[row]
    }

    /// `true` if all probabilities of a row are numbers.
    pub(super) fn is_complete(&self, row: usize) -> bool {
        self.probabilities(row).iter().all(|p| p.is_finite())
    }

    /// Rows of a chunk with a target and probabilities.
    pub(super) fn labelled<'a>(&'a self, rows: &'a [usize]) -> impl Iterator<Item = (usize, usize)> + 'a {
        rows.iter()
            .filter(|row| self.is_complete(**row))
            .filter_map(|row| self.targets[*row].map(|target| (*row, target)))
    }
}

/// Metric of a classifier; of more than two classes the mean over the classes, each against the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClassifierMetric {
    /// Area under the ROC curve.
    RocAuc,
    /// F1.
    F1,
    /// Precision.
    Precision,
    /// Recall.
    Recall,
    /// Specificity.
    Specificity,
    /// Accuracy.
    Accuracy,
    /// Average precision.
    AveragePrecision,
}

impl ClassifierMetric {
    /// All metrics.
    pub const ALL: [Self; 7] = [
        Self::RocAuc,
        Self::F1,
        Self::Precision,
        Self::Recall,
        Self::Specificity,
        Self::Accuracy,
        Self::AveragePrecision,
    ];

    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::RocAuc => "roc_auc",
            Self::F1 => "f1",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::Specificity => "specificity",
            Self::Accuracy => "accuracy",
            Self::AveragePrecision => "average_precision",
        }
    }
}
