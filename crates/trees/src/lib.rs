//! Gradient boosting and random forests, baselines that are fitted on the same examples as a network.
//!
//! [`Trees`] return logits like a network, so evaluation, packages and the server treat both alike.
//! [`TreeEnsemble`] is the plain format, [`Trees::plain_outputs`] gives it to explanations.

mod columns;
mod ensemble;
mod error;
mod file;
mod forest;
mod plain;

use std::ops::ControlFlow;

use cupola_prep::{Examples, Targets};
use cupola_spec::TreesSpec;

pub use ensemble::{EnsembleOutput, FlatNode, FlatTree, SplitRule, TreeEnsemble};
pub use error::Error;
pub use forest::Forest;
pub use plain::{PlainOutput, TreeScore};

/// Fitted trees of either kind.
#[allow(clippy::large_enum_variant, reason = "one value exists per model")]
pub enum Trees {
    /// Boosted trees.
    Ensemble(TreeEnsemble),
    /// A random forest.
    Forest(Forest),
}

impl Trees {
    /// Number of trees in all outputs.
    pub fn trees(&self) -> usize {
        match self {
            Self::Ensemble(trees) => trees.trees().len(),
            Self::Forest(trees) => trees.trees(),
        }
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        match self {
            Self::Ensemble(trees) => trees.outputs().len(),
            Self::Forest(trees) => trees.width(),
        }
    }

    /// Logits, or standardised numbers for a regression: `[rows, width]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        match self {
            Self::Ensemble(trees) => trees.logits(examples),
            Self::Forest(trees) => trees.logits(examples),
        }
    }
}
