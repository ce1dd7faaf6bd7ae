//! Settings of boosting as plain numbers.

/// Settings of one fit.
#[derive(Debug, Clone, PartialEq)]
pub struct BoostOptions {
    /// Largest number of rounds; a round grows one tree for each output of the objective.
    pub rounds: usize,
    /// Rounds without a better loss on the validation rows after which boosting ends; 0 for all rounds.
    pub patience: usize,
    /// Factor of each tree.
    pub learning_rate: f64,
    /// Most leaves of a tree.
    pub leaves: usize,
    /// Most splits on a path; 0 for any number.
    pub depth: usize,
    /// Bins of a column.
    pub bins: usize,
    /// Fewest training rows of a leaf.
    pub leaf_rows: usize,
    /// Smallest sum of Hessians of a leaf.
    pub leaf_weight: f64,
    /// Penalty on the absolute values of leaves.
    pub l1: f64,
    /// Penalty on the squares of the values of leaves.
    pub l2: f64,
    /// Smallest gain of a split.
    pub gain: f64,
    /// Share of the rows that each tree is grown on.
    pub rows: f64,
    /// Share of the columns that each tree considers.
    pub columns: f64,
    /// Hessian that is added to those of a category when categories are sorted.
    pub category_smoothing: f64,
    /// Penalty on the squares of the values of leaves below a split by a set of several categories.
    pub category_l2: f64,
    /// Most categories on the smaller side of a split by a set.
    pub category_limit: usize,
    /// Fewest rows that a further category of a set must bring.
    pub category_rows: usize,
    /// For each column 1 if the score may only rise with it, -1 if it may only fall, else 0; columns beyond the end
    /// are free.
    pub monotone: Vec<i8>,
    /// Seed of the shares of rows and columns.
    pub seed: u64,
}

impl Default for BoostOptions {
    fn default() -> Self {
        Self {
            rounds: 2_000,
            patience: 50,
            learning_rate: 0.1,
            leaves: 31,
            depth: 0,
            bins: 255,
            leaf_rows: 20,
            leaf_weight: 1e-3,
            l1: 0.0,
            l2: 0.0,
            gain: 0.0,
            rows: 1.0,
            columns: 1.0,
            category_smoothing: 10.0,
            category_l2: 10.0,
            category_limit: 32,
            category_rows: 100,
            monotone: Vec::new(),
            seed: 0,
        }
    }
}
