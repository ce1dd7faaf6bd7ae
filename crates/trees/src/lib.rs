//! Trees: gradient boosting and random forests as baselines, fitted on the same examples as a network.
//!
//! [`Trees`] answer logits as a network does, so evaluation, packages and the server take them
//! without knowing. The algorithms are those of two crates: `perpetual`, which finds step size and number of
//! trees itself from one `budget`, and `smartcore`.

mod boosted;
mod columns;
mod error;
mod file;
mod forest;

use cupola_prep::{Examples, Targets};
use cupola_spec::TreesSpec;

pub use boosted::Boosted;
pub use error::Error;
pub use forest::Forest;

/// Fitted trees of either kind.
#[allow(clippy::large_enum_variant, reason = "there is one of them")]
pub enum Trees {
    /// Each corrects those before it.
    Boosted(Boosted),
    /// Each for itself.
    Forest(Forest),
}

impl Trees {
    /// Grows trees on training examples. Each target comes with its width: 1 for a number and for two
    /// classes. `told` hears how many outputs are done.
    ///
    /// # Errors
    /// [`Error::Block`] for texts, [`Error::Grow`] for what a library refuses.
    pub fn fit(
        spec: &TreesSpec,
        examples: &Examples,
        targets: &[(&Targets, usize)],
        seed: u64,
        told: &mut dyn FnMut(usize),
    ) -> Result<Self, Error> {
        match spec {
            TreesSpec::Boosted(spec) => Boosted::fit(spec, examples, targets, seed, told).map(Self::Boosted),
            TreesSpec::Forest(spec) => Forest::fit(spec, examples, targets, seed, told).map(Self::Forest),
        }
    }

    /// Number of trees in all.
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

    /// Logits `[rows, width]` in row-major order, or standardised numbers.
    ///
    /// # Errors
    /// [`Error::Columns`] when the examples are not those of the fit.
    pub fn logits(&self, examples: &Examples) -> Result<Vec<f32>, Error> {
        match self {
            Self::Boosted(trees) => trees.logits(examples),
            Self::Forest(trees) => trees.logits(examples),
        }
    }
}
