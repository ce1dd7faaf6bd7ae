//! Gradient boosting and random forests, baselines that are fitted on the same examples as a network.
//!
//! [`Trees`] return logits like a network, so evaluation, packages and the server treat both alike.
//! The algorithms come from two crates: `perpetual`, which chooses step size and number of trees from
//! one `budget`, and `smartcore`. [`Trees::plain_outputs`] gives the trees of either as plain data, for
//! explanations.

mod boosted;
mod columns;
mod error;
mod file;
mod forest;
mod plain;

use std::ops::ControlFlow;

use cupola_prep::{Examples, Targets};
use cupola_spec::TreesSpec;

pub use boosted::Boosted;
pub use error::Error;
pub use forest::Forest;
pub use plain::{PlainOutput, TreeScore};

/// Receiver of the number of fitted outputs. A break ends the growing.
pub type Progress<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;
/// Target that trees are fitted to.
#[derive(Debug, Clone, Copy)]
pub struct TreesTarget<'a> {
    /// Encoded targets of the rows.
    pub targets: &'a Targets,
    /// Number of outputs: 1 for a number and for two classes.
    pub width: usize,
    /// Level of the quantile that boosted trees predict; `None` for the number itself and for classes.
    pub quantile: Option<f64>,
}

impl<'a> From<(&'a Targets, usize)> for TreesTarget<'a> {
    fn from((targets, width): (&'a Targets, usize)) -> Self {
        Self { targets, width, quantile: None }
    }
}

/// Fitted trees of either kind.
#[allow(clippy::large_enum_variant, reason = "one value exists per model")]
pub enum Trees {
    /// Gradient-boosted trees.
    Boosted(Boosted),
    /// A random forest.
    Forest(Forest),
}

impl Trees {
    /// Fits trees on training examples. Each target comes with its number of outputs: 1 for a number
    /// and for two classes. `progress` receives the number of fitted outputs, also several times for the same number
    /// while the trees of one output grow; growing ends where it breaks.
    ///
    /// # Errors
    /// [`Error::Block`] for text inputs, [`Error::Fit`] for an error of the library, [`Error::Stopped`] if `progress`
    /// breaks before the last tree.
    pub fn fit(
        spec: &TreesSpec,
        examples: &Examples,
        targets: &[TreesTarget<'_>],
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        match spec {
            TreesSpec::Boosted(spec) => {
                Boosted::fit(spec, examples, targets, seed, progress).map(Self::Boosted)
            }
            TreesSpec::Forest(spec) => {
                let targets: Vec<_> = targets.iter().map(|own| (own.targets, own.width)).collect();
                Forest::fit(spec, examples, &targets, seed, progress).map(Self::Forest)
            }
        }
    }

    /// Number of trees in all outputs.
    pub fn trees(&self) -> usize {
        match self {
            Self::Boosted(trees) => trees.trees(),
            Self::Forest(trees) => trees.trees(),
        }
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        match self {
            Self::Boosted(trees) => trees.width(),
            Self::Forest(trees) => trees.width(),
        }
    }

    /// Logits, or standardised numbers for a regression: `[rows, width]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        match self {
            Self::Boosted(trees) => trees.logits(examples),
            Self::Forest(trees) => trees.logits(examples),
        }
    }
}
