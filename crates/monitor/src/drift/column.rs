//! Comparison of one column.

use serde::Serialize;

use super::DriftMethod;
use super::bins::PairedCounts;
use super::distance::{
    energy, hellinger, hellinger_of_numbers, jensen_shannon, kullback_leibler, stability_index,
    total_variation, wasserstein,
};
use super::domain::{TextContent, percentile, random_areas};
use super::kolmogorov::kolmogorov_smirnov;
use super::picture::{DriftPicture, picture};
use super::significance::{
    anderson_darling, chi_square, cramer_von_mises, epps_singleton, fisher_exact, likelihood_ratio,
    mann_whitney, permuted_variation, student, two_shares,
};
use super::unseen::unseen;
use crate::profile::{
    ColumnRole, ContentSample, ObservedColumn, ObservedKind, ObservedValues, SortedNumbers,
};

/// Fewest texts of a side for a classifier.
const FEWEST_TEXTS: usize = 20;

/// Statistics and thresholds to use in place of the default ones.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DriftOptions {
    /// Statistics; each is used for the columns that it takes, an earlier one first.
    pub methods: Vec<DriftMethod>,
    /// Threshold of every column; `None` for that of its statistic.
    pub threshold: Option<f64>,
}

/// Name and use of a column to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DriftColumnKey {
    /// Name, of predictions that of the target.
    pub name: String,
    /// Use.
    pub role: ColumnRole,
    /// Class of a probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
}

/// Drift of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDrift {
    /// Name and use.
    #[serde(flatten)]
    pub key: DriftColumnKey,
    /// `number`, `category` or `text`.
    pub kind: &'static str,
    /// Statistic.
    pub method: DriftMethod,
    /// Its value; `None` if one side has no values, or if it cannot be computed for these values.
    pub score: Option<f64>,
    /// Reason for a missing score, as a clause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// Its threshold; of a percentile of random areas that area.
    pub threshold: f64,
    /// `true` if the column has drifted.
    pub drifted: bool,
    /// Score in units of the threshold, for the order of columns: 1 at the threshold, larger with more drift.
    pub severity: f64,
    /// Reference.
    pub reference: ColumnSide,
    /// Current data.
    pub current: ColumnSide,
    /// Share of current values that the reference lacks: outside of its range, or categories or words that it does not list.
    /// `None` if the reference does not tell.
    pub unseen: Option<f64>,
    /// Both distributions.
    pub picture: DriftPicture,
}

/// Numbers of one side of a comparison.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct ColumnSide {
    /// Rows.
    pub rows: u64,
    /// Share of rows with a missing value.
    pub missing: f64,
    /// Mean of numbers, or of the lengths of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mean: Option<f64>,
    /// Standard deviation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deviation: Option<f64>,
    /// Smallest and largest number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<(f64, f64)>,
}

impl DriftColumnKey {
    /// Name for people: of a probability with its class.
    pub fn label(&self) -> String {
        match &self.class {
            Some(class) => format!("{} = {class}", self.name),
            None => self.name.clone(),
        }
    }
}

impl ObservedColumn {
    /// Kind of the values.
    pub fn kind(&self) -> ObservedKind {
        match &self.values {
            ObservedValues::Number(_) => ObservedKind::Number,
            ObservedValues::Category(_) => ObservedKind::Category,
            ObservedValues::Text { .. } => ObservedKind::Text,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    fn side(&self) -> ColumnSide {
        let missing = if self.rows == 0 { 0.0 } else { self.missing as f64 / self.rows as f64 };
        let numbers = match &self.values {
            ObservedValues::Number(numbers) | ObservedValues::Text { length: numbers, .. } => Some(numbers),
            ObservedValues::Category(_) => None,
        };
        let numbers = numbers.filter(|numbers| numbers.count > 0);
        ColumnSide {
            rows: self.rows,
            missing,
            mean: numbers.map(|numbers| numbers.mean),
            deviation: numbers.map(|numbers| numbers.deviation),
            range: numbers.and_then(|numbers| numbers.range),
        }
    }
}

impl ColumnDrift {
    /// `true` if both sides have values, and their statistic still has none: nothing is known about drift.
    pub fn is_not_computable(&self) -> bool {
        let has_values = |side: &ColumnSide| side.rows > 0 && side.missing < 1.0;
        self.score.is_none() && has_values(&self.reference) && has_values(&self.current)
    }

    /// Compares current values with those of the reference, which are of the same kind. A side without values has no score: it
    /// is drift if only the current data has none.
    pub fn between(
        key: DriftColumnKey,
        reference: &ObservedColumn,
        current: &ObservedColumn,
        options: &DriftOptions,
    ) -> Self {
        let kind = reference.kind();
        let wanted = options.methods.iter().copied().find(|method| method.takes(kind));
        let method = wanted.unwrap_or_else(|| default_method(reference, current));
        let level = options.threshold.unwrap_or_else(|| method.threshold());
        let both = reference.count() > 0 && current.count() > 0;
        let (score, threshold) =
            if both { score_and_threshold(method, reference, current, level) } else { (None, level) };
        let emptied = reference.count() > 0 && current.count() == 0;
        Self {
            key,
            kind: match kind {
                ObservedKind::Number => "number",
                ObservedKind::Category => "category",
                ObservedKind::Text => "text",
            },
            method,
            score,
            reason: match score {
                Some(_) => None,
                None if both => Some(method.requirement()),
                None if emptied => Some("the current data has no values"),
                None => Some("the reference has no values"),
            },
            threshold,
            drifted: score.map_or(emptied, |score| method.is_drift(score, threshold)),
            severity: match score {
                Some(score) => method.severity(score, threshold),
                None if emptied => f64::MAX,
                None => 0.0,
            },
            reference: reference.side(),
            current: current.side(),
            unseen: unseen(&reference.values, &current.values),
            picture: picture(&reference.values, &current.values),
        }
    }
}

/// Statistic by kind, size of the reference and number of distinct values.
fn default_method(reference: &ObservedColumn, current: &ObservedColumn) -> DriftMethod {
    if let Some((reference, current)) = contents(reference, current) {
        return match reference.len().min(current.len()) {
            ..FEWEST_TEXTS => DriftMethod::Words,
            _ if reference.len() > 1000 => DriftMethod::TextContent,
            _ => DriftMethod::TextContentPercentile,
        };
    }
    let distinct = match (&reference.values, &current.values) {
        (ObservedValues::Number(a), ObservedValues::Number(b)) if a.distinct.max(b.distinct) <= 5 => {
            PairedCounts::of_values(a, b).current.len()
        }
        (ObservedValues::Category(a), ObservedValues::Category(b)) => {
            PairedCounts::of_categories(a, b).current.len()
        }
        _ => usize::MAX,
    };
    DriftMethod::of(reference.kind(), reference.count(), distinct as u64)
}

/// Samples of texts of both sides.
fn contents<'a>(
    reference: &'a ObservedColumn,
    current: &'a ObservedColumn,
) -> Option<(&'a ContentSample, &'a ContentSample)> {
    match (&reference.values, &current.values) {
        (ObservedValues::Text { contents: a, .. }, ObservedValues::Text { contents: b, .. }) => Some((a, b)),
        _ => None,
    }
}

/// Value of a statistic, unless there is none, and the threshold that it is compared with.
fn score_and_threshold(
    method: DriftMethod,
    reference: &ObservedColumn,
    current: &ObservedColumn,
    level: f64,
) -> (Option<f64>, f64) {
    if !method.is_area() {
        let found = score(method, reference, current);
        return ((!found.is_nan()).then_some(found), level);
    }
    let texts = contents(reference, current);
    let content = texts.and_then(|(a, b)| TextContent::of(&a.comparable(b), &b.comparable(a)));
    match content {
        Some(content) if method == DriftMethod::TextContentPercentile => {
            let limit = percentile(random_areas(&content.current), level);
            (Some(content.area), limit.unwrap_or(level))
        }
        found => (found.map(|content| content.area), level),
    }
}

/// Value of a statistic; not a number for sides of different kinds.
fn score(method: DriftMethod, reference: &ObservedColumn, current: &ObservedColumn) -> f64 {
    match (&reference.values, &current.values) {
        (ObservedValues::Number(a), ObservedValues::Number(b)) => of_numbers(method, a, b),
        (ObservedValues::Category(a), ObservedValues::Category(b)) => {
            of_counts(method, &PairedCounts::of_categories(a, b))
        }
        (ObservedValues::Text { words: a, .. }, ObservedValues::Text { words: b, .. }) => {
            jensen_shannon(&PairedCounts::of_categories(a, b))
        }
        _ => f64::NAN,
    }
}

fn of_numbers(method: DriftMethod, a: &SortedNumbers, b: &SortedNumbers) -> f64 {
    match method {
        DriftMethod::Ks => kolmogorov_smirnov(a, b),
        DriftMethod::Wasserstein => wasserstein(a, b),
        DriftMethod::Energy => energy(a, b),
        DriftMethod::TTest => student(a, b),
        DriftMethod::Hellinger => hellinger_of_numbers(a, b),
        DriftMethod::EppsSingleton => epps_singleton(a, b),
        DriftMethod::CramerVonMises => cramer_von_mises(&PairedCounts::of_values(a, b)),
        DriftMethod::MannWhitney => mann_whitney(&PairedCounts::of_values(a, b)),
        DriftMethod::Anderson => anderson_darling(&PairedCounts::of_values(a, b)),
        DriftMethod::ChiSquare
        | DriftMethod::Z
        | DriftMethod::TotalVariation
        | DriftMethod::PermutedVariation
        | DriftMethod::GTest
        | DriftMethod::FisherExact => of_counts(method, &PairedCounts::of_values(a, b)),
        _ => of_counts(method, &PairedCounts::of_numbers(a, b)),
    }
}

/// Value of a statistic of the same cells in two data sets; not a number for one that requires the values.
pub(crate) fn score_of_counts(method: DriftMethod, reference: &[u64], current: &[u64]) -> f64 {
    let cells = reference.iter().zip(current).filter(|(before, now)| **before > 0 || **now > 0);
    let (reference, current) = cells.map(|(before, now)| (*before as f64, *now as f64)).unzip();
    of_counts(method, &PairedCounts { reference, current })
}

fn of_counts(method: DriftMethod, counts: &PairedCounts) -> f64 {
    match method {
        DriftMethod::JensenShannon | DriftMethod::Words => jensen_shannon(counts),
        DriftMethod::Psi => stability_index(counts),
        DriftMethod::KlDiv => kullback_leibler(counts),
        DriftMethod::Hellinger => hellinger(counts),
        DriftMethod::ChiSquare => chi_square(counts),
        DriftMethod::Z => two_shares(counts),
        DriftMethod::TotalVariation => total_variation(counts),
        DriftMethod::PermutedVariation => permuted_variation(counts),
        DriftMethod::GTest => likelihood_ratio(counts),
        DriftMethod::FisherExact => fisher_exact(counts),
        _ => f64::NAN,
    }
}
