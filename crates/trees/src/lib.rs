//! Gradient boosting and random forests, baselines that are fitted on the same examples as a network.
//!
//! [`Trees`] return logits like a network, so evaluation, packages and the server treat both alike.
//! [`TreeEnsemble`] is the plain format, [`Trees::plain_outputs`] gives it to explanations.

mod boosted;
mod boosting;
mod columns;
mod ensemble;
mod error;
mod file;
mod forest;
mod plain;

use std::ops::ControlFlow;

use cupola_prep::{Examples, Targets};
use cupola_spec::TreesSpec;

pub use boosted::TreesRows;
pub use ensemble::{EnsembleOutput, FlatNode, FlatTree, SplitRule, TreeEnsemble};
pub use error::Error;
pub use forest::OutOfBag;
pub use plain::{PlainOutput, TreeScore};

/// Receiver of the number of fitted outputs, called after each round of boosting, and before the first and after each batch of
/// a forest's trees. A break ends the growing.
pub type Progress<'a> = dyn FnMut(usize) -> ControlFlow<()> + 'a;

/// Target that trees are fitted to.
#[derive(Debug, Clone, Copy)]
pub struct TreesTarget<'a> {
    /// Encoded targets of the training rows.
    pub targets: &'a Targets,
    /// Encoded targets of the validation rows; `None` without any.
    pub valid: Option<&'a Targets>,
    /// Number of outputs: 1 for a number and for two classes.
    pub width: usize,
    /// Level of the quantile that boosted trees predict; `None` for the number itself and for classes.
    pub quantile: Option<f64>,
    /// Shift and factor by which a number was standardised: `(number - shift) * factor`.
    pub scaling: [f64; 2],
}

impl<'a> From<(&'a Targets, usize)> for TreesTarget<'a> {
    fn from((targets, width): (&'a Targets, usize)) -> Self {
        Self { targets, valid: None, width, quantile: None, scaling: [0.0, 1.0] }
    }
}

/// Fitted trees of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Trees(TreeEnsemble);

impl From<TreeEnsemble> for Trees {
    fn from(trees: TreeEnsemble) -> Self {
        Self(trees)
    }
}

impl Trees {
    /// Fits trees. `progress` receives the number of fitted outputs, also several times for the same number while the
    /// trees of one output grow; growing ends where it breaks. Boosting ends on its own if the loss on the validation rows
    /// does not fall any more; forests ignore these rows.
    ///
    /// # Errors
    /// [`Error::Block`] for text inputs, [`Error::Fit`] for an error of the library, [`Error::Stopped`] if `progress`
    /// breaks before the last tree.
    pub fn fit(
        spec: &TreesSpec,
        rows: TreesRows<'_>,
        targets: &[TreesTarget<'_>],
        seed: u64,
        progress: &mut Progress<'_>,
    ) -> Result<Self, Error> {
        match spec {
            TreesSpec::Boosted(spec) => boosted::fit(spec, rows, targets, seed, progress).map(Self),
            TreesSpec::Forest(spec) => forest::fit(spec, rows.train, targets, seed, progress).map(Self),
        }
    }

    /// Predictions of the training rows of a forest by the trees that have not drawn them; `examples`, `targets` and `seed`
    /// are those of the fit.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit, [`Error::Block`] for texts.
    pub fn out_of_bag(
        &self,
        examples: &Examples,
        targets: &[TreesTarget<'_>],
        seed: u64,
    ) -> Result<OutOfBag, Error> {
        forest::out_of_bag(&self.0, examples, targets, seed)
    }

    /// Number of trees in all outputs.
    pub fn trees(&self) -> usize {
        self.0.trees().len()
    }

    /// Number of outputs.
    pub fn width(&self) -> usize {
        self.0.outputs().len()
    }

    /// Logits, or standardised numbers for a regression: `[rows, width]`, row-major.
    ///
    /// # Errors
    /// [`Error::Columns`] if the examples have other columns than those of the fit.
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        self.0.logits(examples)
    }
}
