//! Metrics of predicted classes, from the counts of each class.

use super::super::undefined::Undefined;

/// Weights of rows by class: predicted rightly, predicted at all, and actual. Everything that precision, recall,
/// F-beta, accuracy, Matthews' and Cohen's coefficients need, in O(classes).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassCounts {
    /// Weight of the rows of each class that are predicted to have it.
    pub hits: Vec<f64>,
    /// Weight of the rows that are predicted to have each class.
    pub predicted: Vec<f64>,
    /// Weight of the rows that have each class.
    pub actual: Vec<f64>,
}

impl ClassCounts {
    /// No rows of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { hits: vec![0.0; classes], predicted: vec![0.0; classes], actual: vec![0.0; classes] }
    }

    /// Adds a row.
    pub fn add(&mut self, target: usize, predicted: usize, weight: f64) {
        self.actual[target] += weight;
        self.predicted[predicted] += weight;
        if target == predicted {
            self.hits[target] += weight;
        }
    }

    /// Adds the rows of another part.
    pub fn merge(&mut self, other: &Self) {
        let pairs = [
            (&mut self.hits, &other.hits),
            (&mut self.predicted, &other.predicted),
            (&mut self.actual, &other.actual),
        ];
        for (own, other) in pairs {
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }

    /// Sum of all weights.
    pub fn total(&self) -> f64 {
        self.actual.iter().sum()
    }

    /// Share of rows with the right class.
    ///
    /// # Errors
    /// [`Undefined::NoRows`].
    pub fn accuracy(&self) -> Result<f64, Undefined> {
        ratio(self.hits.iter().sum(), self.total(), Undefined::NoRows)
    }

    /// Mean recall over the classes that occur, as scikit-learn's `balanced_accuracy_score`.
    ///
    /// # Errors
    /// [`Undefined::NoRows`].
    pub fn balanced_accuracy(&self) -> Result<f64, Undefined> {
        let recalls: Vec<f64> = (0..self.actual.len()).filter_map(|class| self.recall(class).ok()).collect();
        ratio(recalls.iter().sum(), recalls.len() as f64, Undefined::NoRows)
    }

    /// Share of rows of a class among those that are predicted to have it.
    ///
    /// # Errors
    /// [`Undefined::NoPredictedPositives`], where scikit-learn gives 0.
    pub fn precision(&self, class: usize) -> Result<f64, Undefined> {
        ratio(self.hits[class], self.predicted[class], Undefined::NoPredictedPositives)
    }

    /// Share of rows that are predicted to have a class among those that have it.
    ///
    /// # Errors
    /// [`Undefined::NoPositives`], where scikit-learn gives 0.
    pub fn recall(&self, class: usize) -> Result<f64, Undefined> {
        ratio(self.hits[class], self.actual[class], Undefined::NoPositives)
    }

    /// Weighted harmonic mean of precision and recall; `beta` is the weight of recall (van Rijsbergen 1979).
    ///
    /// # Errors
    /// [`Undefined::NoPositivesAtAll`], where scikit-learn gives 0.
    pub fn f_beta(&self, class: usize, beta: f64) -> Result<f64, Undefined> {
        let square = beta * beta;
        let all = square * self.actual[class] + self.predicted[class];
        ratio((1.0 + square) * self.hits[class], all, Undefined::NoPositivesAtAll)
    }

    /// Mean of a metric over all classes. A class without the metric counts as 0, as with scikit-learn's
    /// `zero_division=0`.
    ///
    /// # Errors
    /// [`Undefined::NoRows`].
    pub fn macro_mean(
        &self,
        metric: impl Fn(&Self, usize) -> Result<f64, Undefined>,
    ) -> Result<f64, Undefined> {
        let classes = if self.total() > 0.0 { self.actual.len() } else { 0 };
        let sum: f64 = (0..classes).map(|class| metric(self, class).unwrap_or(0.0)).sum();
        ratio(sum, classes as f64, Undefined::NoRows)
    }

    /// Mean of a metric over the classes, weighted by their rows. A class without the metric counts as 0, as with
    /// scikit-learn's `zero_division=0`.
    ///
    /// # Errors
    /// [`Undefined::NoRows`].
    pub fn weighted_mean(
        &self,
        metric: impl Fn(&Self, usize) -> Result<f64, Undefined>,
    ) -> Result<f64, Undefined> {
        let each = self.actual.iter().enumerate();
        let sum = each.map(|(class, actual)| actual * metric(self, class).unwrap_or(0.0)).sum();
        ratio(sum, self.total(), Undefined::NoRows)
    }

    /// Counts of the given classes together, against the rest. Precision, recall and F-beta of its only class are the
    /// micro averages. Over all classes they equal the accuracy.
    #[must_use]
    pub fn micro(&self, classes: &[usize]) -> Self {
        let sum = |values: &[f64]| vec![classes.iter().map(|&class| values[class]).sum()];
        Self { hits: sum(&self.hits), predicted: sum(&self.predicted), actual: sum(&self.actual) }
    }

    /// Matthews' correlation coefficient, for any number of classes (Gorodkin 2004), as scikit-learn's
    /// `matthews_corrcoef`.
    ///
    /// # Errors
    /// [`Undefined::ConstantClass`], where scikit-learn gives 0.
    pub fn mcc(&self) -> Result<f64, Undefined> {
        if self.total() == 0.0 {
            return Err(Undefined::NoRows);
        }
        if [&self.actual, &self.predicted].into_iter().any(|values| occurring(values) < 2) {
            return Err(Undefined::ConstantClass);
        }
        let (total, hits) = (self.total(), self.hits.iter().sum::<f64>());
        let covariance = hits * total - product(&self.actual, &self.predicted);
        let actual = total * total - product(&self.actual, &self.actual);
        let predicted = total * total - product(&self.predicted, &self.predicted);
        Ok(covariance / (actual * predicted).sqrt())
    }

    /// Cohen's kappa: agreement beyond chance, as scikit-learn's `cohen_kappa_score`.
    ///
    /// # Errors
    /// [`Undefined::ConstantClass`] if all targets and predictions have the same class, where scikit-learn gives NaN.
    pub fn kappa(&self) -> Result<f64, Undefined> {
        let total = self.total();
        if total == 0.0 {
            return Err(Undefined::NoRows);
        }
        let hits: f64 = self.hits.iter().sum();
        if occurring(&self.actual) == 1 && occurring(&self.predicted) == 1 && hits > 0.0 {
            return Err(Undefined::ConstantClass);
        }
        let chance = product(&self.actual, &self.predicted) / total;
        Ok(1.0 - (total - hits) / (total - chance))
    }
}

fn ratio(part: f64, whole: f64, otherwise: Undefined) -> Result<f64, Undefined> {
    if whole > 0.0 { Ok(part / whole) } else { Err(otherwise) }
}

fn occurring(values: &[f64]) -> usize {
    values.iter().filter(|value| **value > 0.0).count()
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
