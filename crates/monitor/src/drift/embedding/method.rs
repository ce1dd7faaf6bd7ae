//! Methods that compare embeddings.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Method that compares two sets of vectors. Names, thresholds and, in [`Self::Model`], the classifier are those of Evidently 0.7.23.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EmbeddingMethod {
    /// Area under the ROC curve of a classifier that tells both sets.
    Model,
    /// Share of drifted components.
    Ratio,
    /// Euclidean distance of the mean vectors.
    Distance,
    /// Cosine distance of the mean vectors.
    Cosine,
    /// Sum of the absolute differences of the mean vectors.
    Cityblock,
    /// Largest absolute difference of the mean vectors.
    Chebyshev,
    /// Maximum mean discrepancy.
    Mmd,
}

impl EmbeddingMethod {
    /// All methods.
    pub const ALL: [Self; 7] =
        [Self::Model, Self::Ratio, Self::Distance, Self::Cosine, Self::Cityblock, Self::Chebyshev, Self::Mmd];

    /// Name in arguments and documents.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Ratio => "ratio",
            Self::Distance => "distance",
            Self::Cosine => "cosine",
            Self::Cityblock => "cityblock",
            Self::Chebyshev => "chebyshev",
            Self::Mmd => "mmd",
        }
    }

    /// Method with this name.
    ///
    /// # Errors
    /// [`Error::Method`] with all names.
    pub fn parse(name: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|method| method.name() == name).ok_or_else(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|method| method.name()).collect();
            Error::Method { name: name.to_owned(), names: names.join(", ") }
        })
    }

    /// Threshold unless another one is given.
    pub fn threshold(self) -> f64 {
        match self {
            Self::Model => 0.55,
            Self::Mmd => 0.015,
            _ => 0.2,
        }
    }

    /// Distance of two mean vectors; `None` for a method that compares no means.
    pub(super) fn distance(self, a: &[f64], b: &[f64]) -> Option<f64> {
        let differences = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        match self {
            Self::Distance => Some(differences.map(|own| own * own).sum::<f64>().sqrt()),
            Self::Cosine => Some(1.0 - product(a, b) / (product(a, a) * product(b, b)).sqrt()),
            Self::Cityblock => Some(differences.sum()),
            Self::Chebyshev => Some(differences.fold(0.0, f64::max)),
            Self::Model | Self::Ratio | Self::Mmd => None,
        }
    }
}
