//! Trees in place of a network: `gbdt` and `random_forest`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of gradient boosting. The step size and the number of trees are found from the budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Boosting {
    /// Effort: 0.5 for a quick look, 1 for regular use, 2 for the best result.
    #[schemars(range(min = 0.0, max = 4.0))]
    pub budget: f64,
    /// Number of histogram bins of each column.
    #[schemars(range(min = 2, max = 65_535))]
    pub bins: u16,
    /// Largest number of trees. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trees: Option<usize>,
}

impl Default for Boosting {
    fn default() -> Self {
        Self { budget: 1.0, bins: 256, trees: None }
    }
}

/// Settings of a random forest (Breiman 2001).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bagging {
    /// Number of trees for each output. A number and two classes have one output, more classes have one
    /// each.
    #[schemars(range(min = 1, max = 10_000))]
    pub trees: usize,
    /// Smallest number of rows in a leaf.
    #[schemars(range(min = 1))]
    pub leaf: usize,
    /// Largest number of splits from the root to a leaf. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<u16>,
    /// Share of the columns that each split considers. Default: the square root of their number for a
    /// category, a third of them for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub features: Option<f64>,
}

impl Default for Bagging {
    fn default() -> Self {
        Self { trees: 100, leaf: 5, depth: None, features: None }
    }
}

/// Trees in place of a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TreesSpec {
    /// Boosted trees, each of which corrects those before it.
    Boosted(Boosting),
    /// A forest of independent trees.
    Forest(Bagging),
}
