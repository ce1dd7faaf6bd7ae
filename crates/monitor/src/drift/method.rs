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
    /// Total variation distance: half the sum of the differences of shares. Evidently has its p-value only.
    TotalVariation,
    /// p-value of the total variation distance by permutations.
    #[serde(rename = "TVD")]
    PermutedVariation,
    /// p-value of the Cramér-von Mises test.
    CramerVonMises,
    /// p-value of the Mann-Whitney U test, one-sided: larger values in the current data.
    #[serde(rename = "mannw")]
    MannWhitney,
    /// p-value of the Anderson-Darling test, between 0.001 and 0.25.
    Anderson,
    /// p-value of the Epps-Singleton test.
    #[serde(rename = "es")]
    EppsSingleton,
    /// p-value of the G-test.
    GTest,
    /// p-value of Fisher's exact test of two values.
    FisherExact,
    /// Area under the ROC curve of a classifier that tells current texts from those of the reference.
    #[serde(rename = "abs_text_content_drift")]
    TextContent,
    /// The same, compared with the areas of random guesses.
    #[serde(rename = "perc_text_content_drift")]
    TextContentPercentile,
    /// Jensen-Shannon distance of the words of texts, for references without texts.
    Words,
}

impl DriftMethod {
    /// All statistics.
    pub const ALL: [Self; 21] = [
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
        Self::PermutedVariation,
        Self::CramerVonMises,
        Self::MannWhitney,
        Self::Anderson,
        Self::EppsSingleton,
        Self::GTest,
        Self::FisherExact,
        Self::TextContent,
        Self::TextContentPercentile,
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
            Self::PermutedVariation => "TVD",
            Self::CramerVonMises => "cramer_von_mises",
            Self::MannWhitney => "mannw",
            Self::Anderson => "anderson",
            Self::EppsSingleton => "es",
            Self::GTest => "g_test",
            Self::FisherExact => "fisher_exact",
            Self::TextContent => "abs_text_content_drift",
            Self::TextContentPercentile => "perc_text_content_drift",
            Self::Words => "words",
        }
    }

    /// Statistic with this name, in any case.
    ///
    /// # Errors
    /// [`Error::Method`] with all names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|method| method.name().eq_ignore_ascii_case(name)).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|method| method.name()).collect();
            Error::Method { name: name.to_owned(), names: names.join(", ") }
        })
    }

    /// `true` if a small score means drift.
    pub fn is_p_value(self) -> bool {
        matches!(
            self,
            Self::Ks
                | Self::TTest
                | Self::ChiSquare
                | Self::Z
                | Self::PermutedVariation
                | Self::CramerVonMises
                | Self::MannWhitney
                | Self::Anderson
                | Self::EppsSingleton
                | Self::GTest
                | Self::FisherExact
        )
    }

    /// `true` if the score is the area under a ROC curve, 0.5 without any drift.
    pub fn is_area(self) -> bool {
        matches!(self, Self::TextContent | Self::TextContentPercentile)
    }

    /// Threshold unless another one is given; of [`Self::TextContentPercentile`] the level of the random areas to exceed.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Ks | Self::TTest | Self::ChiSquare | Self::Z | Self::MannWhitney | Self::EppsSingleton => {
                0.05
            }
            Self::TextContent => 0.55,
            Self::TextContentPercentile => 0.95,
            _ => 0.1,
        }
    }

    /// `true` if the statistic compares columns of this kind.
    pub fn takes(self, kind: ObservedKind) -> bool {
        match self {
            Self::Ks
            | Self::Wasserstein
            | Self::Energy
            | Self::TTest
            | Self::CramerVonMises
            | Self::MannWhitney
            | Self::Anderson
            | Self::EppsSingleton => kind == ObservedKind::Number,
            Self::Words | Self::TextContent | Self::TextContentPercentile => kind == ObservedKind::Text,
            // A number of few distinct values is compared as categories.
            _ => kind != ObservedKind::Text,
        }
    }

    /// Kind of the values that the statistic compares, in the plural.
    pub fn compares(self) -> &'static str {
        match self {
            _ if self.takes(ObservedKind::Text) => "texts",
            _ if self.takes(ObservedKind::Category) => "numbers and categories",
            _ => "numbers",
        }
    }

    /// Requirement that values without a score do not meet, as a clause.
    pub(super) fn requirement(self) -> &'static str {
        match self {
            Self::EppsSingleton => {
                "it requires five values on each side, of which the middle half differ from each other"
            }
            Self::TextContent | Self::TextContentPercentile => "it requires more texts on each side",
            Self::FisherExact => "it requires two distinct values",
            _ => "it requires more values, or values that differ from each other",
        }
    }

    /// `true` if a score means drift. A score that is not a number does not.
    pub fn is_drift(self, score: f64, threshold: f64) -> bool {
        match self {
            Self::Ks | Self::CramerVonMises => score <= threshold,
            Self::Energy | Self::TextContent | Self::TextContentPercentile => score > threshold,
            _ if self.is_p_value() => score < threshold,
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
        if self.is_area() {
            return (score - 0.5).max(0.0) / (threshold - 0.5).max(1e-3);
        }
        score / threshold.max(1e-300)
    }
}
