//! Split of rows into halves for training and for evaluation.

use crate::twister::MersenneTwister;

/// Seed of the split and of the classifiers.
pub(super) const SEED: u32 = 42;

/// Indices of rows, in the order of `train_test_split` of scikit-learn with half of the rows and seed 42.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Halves {
    /// Rows to train with.
    pub train: Vec<usize>,
    /// Rows to evaluate, one more of an odd number.
    pub test: Vec<usize>,
}

impl Halves {
    /// Halves of this many rows.
    pub fn of(rows: usize) -> Self {
        let mut test: Vec<usize> = (0..rows).collect();
        MersenneTwister::of_numpy(SEED).numpy_shuffle(&mut test);
        let train = test.split_off(rows.div_ceil(2));
        Self { train, test }
    }
}
