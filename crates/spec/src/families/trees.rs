//! Trees in place of a network: `gbdt` and `random_forest`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Loss of a number that boosted trees learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NumberLoss {
    /// Squared error, which learns the mean.
    #[default]
    Squared,
    /// Absolute error, which learns the median.
    Absolute,
    /// Squared error up to one standard deviation of the target, absolute error beyond it (Huber 1964).
    Huber,
    /// Poisson deviance, for counts of at least 0. The trees sum to the logarithm of the mean.
    Poisson,
}

/// Loss of a ranking that boosted trees learn, from pairs of rows of one group with different relevance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RankLoss {
    /// Logistic loss of each pair, weighted by the change of the NDCG if the two rows change places (`LambdaMART`, Burges
    /// 2010).
    #[default]
    Ndcg,
    /// Logistic loss of each pair, all alike (`RankNet`, Burges et al. 2005).
    Pairwise,
}

impl RankLoss {
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Rows at the top of a group whose pairs are learned by default, as in `LightGBM`.
const TRUNCATION: usize = 30;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_default_truncation(rows: &usize) -> bool {
    *rows == TRUNCATION
}

/// Direction in which a prediction may change with a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    /// A larger value never lowers the prediction, or the log odds of the second class.
    Rising,
    /// A larger value never raises it.
    Falling,
}

/// Settings of gradient boosting on histograms, with trees that grow leaf by leaf (Ke et al. 2017).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Boosting {
    /// Largest number of rounds. A round grows one tree for a number and for two classes, and one for each of more
    /// classes. Default: 2,000, and 200 without a validation split.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub rounds: Option<usize>,
    /// Rounds without a lower loss on the validation split after which boosting ends; the best round is what is left.
    /// 0 for all rounds.
    pub patience: usize,
    /// Factor of each tree. A smaller one needs more rounds, and may be more accurate.
    #[schemars(range(min = 0.0001, max = 1.0))]
    pub learning_rate: f64,
    /// Largest number of leaves of a tree.
    #[schemars(range(min = 2, max = 65_536))]
    pub leaves: usize,
    /// Largest number of splits from the root to a leaf. Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub depth: Option<u16>,
    /// Smallest number of rows in a leaf.
    #[schemars(range(min = 1))]
    pub leaf: usize,
    /// Smallest sum of second derivatives of the loss in a leaf.
    #[schemars(range(min = 0.0))]
    pub leaf_weight: f64,
    /// Penalty on the absolute values of leaves.
    #[schemars(range(min = 0.0))]
    pub l1: f64,
    /// Penalty on the squares of the values of leaves.
    #[schemars(range(min = 0.0))]
    pub l2: f64,
    /// Smallest gain of a split.
    #[schemars(range(min = 0.0))]
    pub gain: f64,
    /// Share of the rows that each round is grown on.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub sample: f64,
    /// Share of the columns that each round considers.
    #[schemars(range(min = 0.01, max = 1.0))]
    pub features: f64,
    /// Number of histogram bins of each column.
    #[schemars(range(min = 2, max = 255))]
    pub bins: usize,
    /// Loss of a number.
    pub loss: NumberLoss,
    /// Loss of a ranking.
    #[serde(skip_serializing_if = "RankLoss::is_default")]
    pub rank_loss: RankLoss,
    /// Rows at the top of each group of a ranking, in the order of the scores so far, of which a pair must have at least
    /// one to be learned. A little above the number of rows that count in the end is a good value.
    #[serde(skip_serializing_if = "is_default_truncation")]
    #[schemars(range(min = 1))]
    pub truncation: usize,
    /// `true` to weight rows so that all classes of a target count alike. Probabilities are then those of equally
    /// frequent classes.
    pub balanced: bool,
    /// Columns of numbers that predictions may only rise or fall with, such as `{ carat = "rising" }`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub monotone: BTreeMap<String, Trend>,
}

impl Default for Boosting {
    fn default() -> Self {
        Self {
            rounds: None,
            patience: 50,
            learning_rate: 0.1,
            leaves: 31,
            depth: None,
            leaf: 20,
            leaf_weight: 1e-3,
            l1: 0.0,
            l2: 0.0,
            gain: 0.0,
            sample: 1.0,
            features: 1.0,
            bins: 255,
            loss: NumberLoss::Squared,
            rank_loss: RankLoss::Ndcg,
            truncation: TRUNCATION,
            balanced: false,
            monotone: BTreeMap::new(),
        }
    }
}

/// Settings of a random forest (Breiman 2001).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Bagging {
    /// Number of trees of each target.
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
    /// category, all of them for a number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub features: Option<f64>,
}

impl Default for Bagging {
    fn default() -> Self {
        Self { trees: 100, leaf: 1, depth: None, features: None }
    }
}

/// Trees in place of a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TreesSpec {
    /// Boosted trees, each of which corrects those before it.
    Boosted(Boosting),
    /// A forest of independent trees.
    Forest(Bagging),
}
