//! Objectives: what the sum of the trees means.

use cupola_trees::TreeScore;

use super::{invalid, unsupported};
use crate::error::Error;

/// Meaning of the sum of the trees.
pub(super) struct Objective {
    pub score: TreeScore,
    /// Factor of the sum.
    pub factor: f64,
}

impl Objective {
    /// Parses a name with its parameters, such as `binary sigmoid:1`.
    pub fn parse(text: &str, groups: usize) -> Result<Self, Error> {
        let mut words = text.split_ascii_whitespace();
        let name = words.next().unwrap_or_default();
        let mut factor = 1.0;
        let (mut root, mut sigmoid) = (false, None);
        for word in words {
            match word.split_once(':') {
                Some(("sigmoid", number)) => sigmoid = number.parse::<f64>().ok().filter(|x| x.is_finite()),
                None if word == "sqrt" => root = true,
                _ => {}
            }
        }
        let score = match name {
            "binary" => {
                factor = sigmoid.ok_or_else(|| invalid("its objective has no `sigmoid`"))?;
                TreeScore::LogOdds
            }
            "multiclass" | "softmax" if groups > 2 => TreeScore::Margin,
            "cross_entropy" | "xentropy" => TreeScore::LogOddsOfShare,
            "poisson" | "gamma" | "tweedie" => TreeScore::LogOfNumber,
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" if root => {
                TreeScore::RootOfNumber
            }
            "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank"
            | "rank_xendcg" => TreeScore::Number,
            other => {
                let found = if other.is_empty() { "none".to_owned() } else { format!("`{text}`") };
                let remedy = "train with an objective for numbers, counts, two classes, or `multiclass` of three or more";
                return Err(unsupported("objective", &found, remedy));
            }
        };
        if score == TreeScore::Margin || groups == 1 {
            return Ok(Self { score, factor });
        }
        Err(unsupported("objective", &format!("`{name}` with {groups} outputs"), "train a model for each"))
    }
}
