//! Sums over classified rows, from which all metrics follow that need no order of the rows.

use super::super::NamedValues;
use super::super::float::FloatValue;
use super::super::undefined::Undefined;
use super::counts::ClassCounts;

/// Bins of the expected calibration error.
pub(crate) const BINS: usize = 15;
/// Most classes for which a confusion matrix is kept.
const CONFUSED: usize = 2000;

/// Contributions of one row to the sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ClassifiedRow {
    pub target: u32,
    /// Most probable class, the first of equals.
    pub predicted: u32,
    /// Classes that are ranked before the target.
    pub rank: u32,
    /// Probability of the predicted class; NaN if a probability is not finite.
    pub confidence: f64,
    pub log_loss: f64,
    pub brier: f64,
}

#[allow(clippy::cast_possible_truncation, reason = "a list of classes is far shorter than u32")]
impl ClassifiedRow {
    pub fn new<P: FloatValue>(target: usize, probabilities: &[P]) -> Self {
        let own = probabilities[target];
        let (mut predicted, mut rank, mut brier, mut finite) = (0, 0, 0.0, true);
        for (class, &p) in probabilities.iter().enumerate() {
            finite &= p.double().is_finite();
            if p > probabilities[predicted] {
                predicted = class;
            }
            // scikit-learn ranks the last of equals first.
            rank += u32::from(p > own || (p == own && class > target));
            brier += (p.double() - f64::from(u8::from(class == target))).powi(2);
        }
        if let [_, positive] = probabilities {
            brier = (positive.double() - f64::from(u8::from(target == 1))).powi(2);
        }
        let confidence = if finite { probabilities[predicted].double() } else { f64::NAN };
        let log_loss = -own.double().clamp(P::EPSILON, 1.0 - P::EPSILON).ln();
        Self { target: target as u32, predicted: predicted as u32, rank, confidence, log_loss, brier }
    }
}

/// Sums over classified rows: the streaming form of all metrics that need no order of the rows. Parts are summed apart
/// and merged.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClassificationSums {
    counts: ClassCounts,
    /// Numbers of rows `[target, predicted]`; empty if it is not kept.
    confusion: Vec<u64>,
    log_loss: f64,
    brier: f64,
    /// Weights of rows whose target is among the first 3 and 5 classes.
    top: [f64; 2],
    /// Weight, confidence and hits of each bin of confidence.
    bins: [[f64; 3]; BINS],
    not_finite: bool,
}

impl ClassificationSums {
    /// No rows of `classes` classes. A confusion matrix is kept for up to 2,000 classes.
    pub fn new(classes: usize) -> Self {
        let cells = if classes <= CONFUSED { classes * classes } else { 0 };
        Self { confusion: vec![0; cells], ..Self::without_confusion(classes) }
    }

    pub(super) fn without_confusion(classes: usize) -> Self {
        Self { counts: ClassCounts::new(classes), ..Self::default() }
    }

    /// Adds a row with the index of its class and the probability of each class. A row of weight 0 changes nothing.
    ///
    /// # Panics
    /// If `target` is not the index of one of the classes.
    pub fn add<P: FloatValue>(&mut self, target: usize, probabilities: &[P], weight: f64) {
        self.add_row(&ClassifiedRow::new(target, probabilities), weight);
    }

    pub(super) fn add_row(&mut self, row: &ClassifiedRow, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let (target, predicted) = (row.target as usize, row.predicted as usize);
        self.counts.add(target, predicted, weight);
        let classes = self.counts.actual.len();
        if let Some(count) = self.confusion.get_mut(target * classes + predicted) {
            *count += 1;
        }
        self.log_loss += weight * row.log_loss;
        self.brier += weight * row.brier;
        for (top, k) in self.top.iter_mut().zip([3, 5]) {
            *top += if row.rank < k { weight } else { 0.0 };
        }
        if row.confidence.is_nan() {
            self.not_finite = true;
            return;
        }
        let bin = &mut self.bins[bin_of(row.confidence, BINS)];
        bin[0] += weight;
        bin[1] += weight * row.confidence;
        bin[2] += if target == predicted { weight } else { 0.0 };
    }

    /// Adds the rows of another part with the same classes.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.confusion.iter_mut().zip(&other.confusion).for_each(|(own, other)| *own += other);
        self.log_loss += other.log_loss;
        self.brier += other.brier;
        self.top.iter_mut().zip(other.top).for_each(|(own, other)| *own += other);
        for (own, other) in self.bins.iter_mut().flatten().zip(other.bins.iter().flatten()) {
            *own += other;
        }
        self.not_finite |= other.not_finite;
    }

    /// Weights of rows by class.
    pub fn counts(&self) -> &ClassCounts {
        &self.counts
    }

    /// Numbers of rows, `confusion[target][predicted]`, whatever their weights. Empty beyond 2,000 classes.
    pub fn confusion(&self) -> Vec<Vec<u64>> {
        let classes = self.counts.actual.len().max(1);
        self.confusion.chunks(classes).map(<[u64]>::to_vec).collect()
    }

    /// Expected calibration error (Guo et al. 2017): the mean over the rows of the difference between confidence and
    /// accuracy in 15 bins of equal width. The confidence is the probability of the predicted class, also of two
    /// classes; a bin includes its upper border.
    ///
    /// # Errors
    /// [`Undefined::NoRows`].
    pub fn ece(&self) -> Result<f64, Undefined> {
        self.mean(self.bins.iter().map(|[_, confidence, hits]| (confidence - hits).abs()).sum())
    }

    /// All metrics of these sums but those of [`Self::training_values`].
    pub(super) fn other_values(&self) -> NamedValues {
        let counts = &self.counts;
        let mut values = vec![
            ("balanced_accuracy", counts.balanced_accuracy()),
            ("weighted_precision", counts.weighted_mean(ClassCounts::precision)),
            ("weighted_f1", counts.weighted_mean(|counts, class| counts.f_beta(class, 1.0))),
            ("mcc", counts.mcc()),
            ("kappa", counts.kappa()),
            ("brier", self.mean(self.brier)),
            ("ece", self.ece()),
        ];
        for ((name, k), sum) in [("top_3_accuracy", 3), ("top_5_accuracy", 5)].into_iter().zip(self.top) {
            if counts.actual.len() > k {
                values.push((name, self.mean(sum)));
            }
        }
        self.checked(values)
    }

    /// Metrics that are followed during training.
    pub(super) fn training_values(&self) -> NamedValues {
        let counts = &self.counts;
        let f1 = |counts: &ClassCounts, class| counts.f_beta(class, 1.0);
        let mut values = vec![
            ("accuracy", counts.accuracy()),
            ("macro_precision", counts.macro_mean(ClassCounts::precision)),
            ("macro_recall", counts.macro_mean(ClassCounts::recall)),
            ("macro_f1", counts.macro_mean(f1)),
        ];
        if counts.actual.len() == 2 {
            values.extend([
                ("precision", counts.precision(1)),
                ("recall", counts.recall(1)),
                ("f1", f1(counts, 1)),
            ]);
        }
        values.push(("log_loss", self.mean(self.log_loss)));
        self.checked(values)
    }

    /// Metrics: accuracy, averages of precision, recall and F1, log loss, Brier score, calibration error, Matthews' and
    /// Cohen's coefficients, top-3 and top-5 accuracy of more classes. The areas under curves need an order: see
    /// [`super::ClassifiedRows`].
    pub fn values(&self) -> NamedValues {
        let mut values = self.training_values();
        values.extend(self.other_values());
        values
    }

    fn mean(&self, sum: f64) -> Result<f64, Undefined> {
        let total = self.counts.total();
        if total > 0.0 { Ok(sum / total) } else { Err(Undefined::NoRows) }
    }

    /// Without rows, or with one row without a prediction, all metrics are undefined.
    fn checked(&self, mut values: NamedValues) -> NamedValues {
        let why = match self.counts.total() {
            0.0 => Undefined::NoRows,
            _ if self.not_finite => Undefined::NotFinite,
            _ => return values,
        };
        for (_, value) in &mut values {
            *value = Err(why.clone());
        }
        values
    }
}

/// Bin of a probability among `bins` of equal width, which include their upper borders. The borders are those of
/// `numpy.linspace`.
pub(crate) fn bin_of(probability: f64, bins: usize) -> usize {
    let border = |index: usize| index as f64 * (1.0 / bins as f64);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let mut bin = ((probability * bins as f64) as usize).min(bins - 1);
    while bin > 0 && probability <= border(bin) {
        bin -= 1;
    }
    while bin + 1 < bins && probability > border(bin + 1) {
        bin += 1;
    }
    bin
}
