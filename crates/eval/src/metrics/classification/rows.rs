//! Classified rows, whose metrics are computed for any weights.

use rayon::prelude::*;

use super::super::float::FloatValue;
use super::super::scores::ScoreRanking;
use super::super::undefined::Undefined;
use super::super::weights::RowWeights;
use super::super::{MetricSet, NamedValues};
use super::areas::{RankedRows, ranked_classes};
use super::named;
use super::sums::{ClassificationSums, ClassifiedRow};

/// Targets and probabilities of a classifier, prepared so that its metrics take a pass over the rows for each set of
/// weights.
#[derive(Debug, Clone)]
pub struct ClassifiedRows<'a, P> {
    ranked: RankedRows<'a, P>,
    rows: Vec<ClassifiedRow>,
    /// Order of the rows by each ranked class; empty if it is found anew each time.
    rankings: Vec<Result<ScoreRanking, Undefined>>,
}

impl<'a, P: FloatValue> ClassifiedRows<'a, P> {
    /// Rows of `classes` classes. `targets` holds class indices, `probabilities` is `[rows, classes]`, row-major.
    ///
    /// # Panics
    /// If a target is not the index of a class.
    pub fn new(classes: usize, targets: &'a [usize], probabilities: &'a [P]) -> Self {
        let rows = targets.iter().zip(probabilities.chunks_exact(classes.max(1)));
        let rows: Vec<ClassifiedRow> = rows.map(|(&target, own)| ClassifiedRow::new(target, own)).collect();
        let targets = &targets[..rows.len()];
        Self { ranked: RankedRows { classes, targets, probabilities }, rows, rankings: Vec::new() }
    }

    /// Sorts the rows by each class (only the positive one of two) once, for repeated calls of [`Self::metrics`]. Takes 5
    /// bytes for each row and class, and 16 for each distinct probability of a class.
    #[must_use]
    pub fn ranked(self) -> Self {
        let classes = ranked_classes(self.ranked.classes).into_par_iter();
        let rankings = classes.map(|class| self.ranked.sort(class)).collect();
        Self { rankings, ..self }
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// `true` without rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// All metrics of [`super::classification`], with a weight for each row or 1 for all.
    pub fn metrics(&self, weights: Option<&[f64]>) -> NamedValues {
        let areas = self.ranked.areas(&self.rankings, weights, MetricSet::All);
        named(&self.sums(weights), &areas, self.ranked.classes, MetricSet::All)
    }

    /// Metrics that need no order of the rows, those of [`ClassificationSums::values`]: O(rows), for a bootstrap with many
    /// classes.
    pub fn sum_metrics(&self, weights: Option<&[f64]>) -> NamedValues {
        self.sums(weights).values()
    }

    fn sums(&self, weights: Option<&[f64]>) -> ClassificationSums {
        let mut sums = ClassificationSums::without_confusion(self.ranked.classes);
        for (index, row) in self.rows.iter().enumerate() {
            sums.add_row(row, RowWeights(weights).of(index));
        }
        sums
    }
}
