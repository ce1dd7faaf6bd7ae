//! Choice of a statistic, and its threshold.

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::profile::ObservedKind;

/// Statistic that compares the values of a column. Names, defaults and thresholds are those of Evidently 0.7.23.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftMethod {
    /// p-value of the two-sample Kolmogorov-Smirnov test.
    Ks,
    /// Wasserstein distance in standard deviations of the reference.
    Wasserstein,
    /// Jensen-Shannon distance, natural logarithm.
    #[serde(rename = "jensenshannon")]
    JensenShannon,
    /// Population stability index.
    Psi,
    /// Kullback-Leibler divergence of the current data from the reference.
    KlDiv,
    /// Hellinger distance.
    Hellinger,
    /// Energy distance (Székely and Rizzo 2013).
    #[serde(rename = "ed")]
    Energy,
    /// p-value of Student's t-test.
    TTest,
    /// p-value of Pearson's chi-square test.
    #[serde(rename = "chisquare")]
    ChiSquare,
    /// p-value of the z-test of two shares.
    Z,
    /// Total variation distance: half the sum of the differences of shares. Evidently tests it by permutation.
    TotalVariation,
    /// Jensen-Shannon distance of the words of texts. Evidently trains a classifier on texts, which a profile does not have.
    Words,
}

impl DriftMethod {
    /// All statistics.
    pub const ALL: [Self; 12] = [
        Self::Ks,
        Self::Wasserstein,
        Self::JensenShannon,
        Self::Psi,
        Self::KlDiv,
        Self::Hellinger,
        Self::Energy,
        Self::TTest,
        Self::ChiSquare,
        Self::Z,
        Self::TotalVariation,
        Self::Words,
    ];

    /// Statistic for a column of this kind, by the number of values of the reference and the number of distinct values in both.
    pub fn of(kind: ObservedKind, reference: u64, distinct: u64) -> Self {
        match kind {
            ObservedKind::Text => Self::Words,
            ObservedKind::Number if distinct > 5 && reference <= 1000 => Self::Ks,
            ObservedKind::Number if distinct > 5 => Self::Wasserstein,
            _ if reference > 1000 => Self::JensenShannon,
            _ if distinct > 2 => Self::ChiSquare,
            _ => Self::Z,
        }
    }

    /// Name in configs and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ks => "ks",
            Self::Wasserstein => "wasserstein",
            Self::JensenShannon => "jensenshannon",
            Self::Psi => "psi",
            Self::KlDiv => "kl_div",
            Self::Hellinger => "hellinger",
            Self::Energy => "ed",
            Self::TTest => "t_test",
            Self::ChiSquare => "chisquare",
            Self::Z => "z",
            Self::TotalVariation => "total_variation",
            Self::Words => "words",
        }
    }

    /// Statistic with this name.
    ///
    /// # Errors
    /// [`Error::Method`] with all names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|method| method.name()).collect();
            Error::Method { name: name.to_owned(), names: names.join(", ") }
        })
    }

    /// `true` if a small score means drift.
    pub fn is_p_value(self) -> bool {
        matches!(self, Self::Ks | Self::TTest | Self::ChiSquare | Self::Z)
    }

    /// Threshold unless another one is given.
    pub fn threshold(self) -> f64 {
        if self.is_p_value() { 0.05 } else { 0.1 }
    }

    /// `true` if the statistic compares columns of this kind.
    pub fn takes(self, kind: ObservedKind) -> bool {
        match self {
            Self::Ks | Self::Wasserstein | Self::Energy | Self::TTest => kind == ObservedKind::Number,
            Self::Words => kind == ObservedKind::Text,
            // A number of few distinct values is compared as categories.
            _ => kind != ObservedKind::Text,
        }
    }

    /// `true` if a score means drift. A score that is not a number does not.
    pub fn is_drift(self, score: f64, threshold: f64) -> bool {
        match self {
            Self::Ks => score <= threshold,
            Self::TTest | Self::ChiSquare | Self::Z => score < threshold,
            Self::Energy => score > threshold,
            _ => score >= threshold,
        }
    }

    /// Distance from the threshold, comparable between statistics: 1 at the threshold, larger with more drift.
    pub fn severity(self, score: f64, threshold: f64) -> f64 {
        if score.is_nan() {
            return 0.0;
        }
        if self.is_p_value() {
            return (-score.max(1e-300).ln()) / (-threshold.clamp(1e-300, 0.999).ln());
        }
        score / threshold.max(1e-300)
    }
}
