//! Outlier rows: an isolation forest (Liu, Ting and Zhou, "Isolation Forest", 2008).
//!
//! A tree splits its sample at random until rows are alone; rows that differ from the others are alone after few
//! splits. The forest grows on the first training rows, which the split orders by a hash, so fitting takes one pass
//! and bounded memory.

mod fit;

use cupola_spec::OutlierAction;
use serde::{Deserialize, Serialize};

use super::knn::rows_of;
use crate::error::Error;
use crate::frame::Frame;

pub(super) use self::fit::IsolationFit;

/// Euler–Mascheroni constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Detection of outlier rows and their treatment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationOutliers {
    /// Forest that rates rows.
    pub forest: IsolationForest,
    /// Treatment: drop or flag.
    pub action: OutlierAction,
}

/// Fitted isolation forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct IsolationForest {
    /// Number of rows that each tree grew on.
    pub(super) sample: usize,
    /// Score above which a row is an outlier.
    pub(super) threshold: f64,
    /// Trees.
    pub(super) trees: Vec<IsolationTree>,
}

/// Tree as columns with one entry per node. The first node is the root.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct IsolationTree {
    /// Index of the column that is split; -1 for a leaf.
    pub column: Vec<i32>,
    /// Largest value of the left child.
    pub cut: Vec<f64>,
    /// Left child; the right child follows it.
    pub left: Vec<u32>,
    /// Number of rows of the sample in the node.
    pub rows: Vec<u32>,
}

impl IsolationTree {
    /// Path length of a row: its depth, plus the expected depth below a leaf with several rows.
    fn path_length(&self, row: &[f64]) -> f64 {
        let (mut node, mut depth) = (0, 0.0);
        // A package may have been tampered with: each step leads to a later node or ends.
        while let Some(column) = self.column.get(node).and_then(|column| usize::try_from(*column).ok())
            && let (Some(cut), Some(left), Some(value)) =
                (self.cut.get(node), self.left.get(node), row.get(column))
            && *left as usize > node
        {
            node = *left as usize + usize::from(value > cut);
            depth += 1.0;
        }
        depth + average_path_length(self.rows.get(node).map_or(0, |rows| *rows as usize))
    }
}

/// Average path length of an unsuccessful search in a binary tree of `n` rows (equation 1 of the paper).
fn average_path_length(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

impl IsolationForest {
    /// Anomaly score: near 1 for an isolated row, near 0.5 for a normal one (equation 2 of the paper).
    fn score(&self, row: &[f64]) -> f64 {
        let lengths: f64 = self.trees.iter().map(|tree| tree.path_length(row)).sum();
        let mean = lengths / self.trees.len().max(1) as f64;
        2.0_f64.powf(-mean / average_path_length(self.sample).max(f64::MIN_POSITIVE))
    }

    /// `true` if a row is an outlier. `fills` replace missing values.
    fn is_outlier(&self, row: &[Option<f64>], fills: &[f64]) -> bool {
        self.score(&filled(row, fills)) > self.threshold
    }

    /// `true` for each row that is an outlier.
    pub(super) fn outliers(
        &self,
        columns: &[&str],
        frame: &Frame,
        fills: &[f64],
    ) -> Result<Vec<bool>, Error> {
        Ok(rows_of(columns, frame)?.iter().map(|row| self.is_outlier(row, fills)).collect())
    }
}

fn filled(row: &[Option<f64>], fills: &[f64]) -> Vec<f64> {
    row.iter().zip(fills).map(|(value, fill)| value.unwrap_or(*fill)).collect()
}

#[cfg(test)]
mod tests {
    use super::fit::IsolationFit;
    use super::*;
    use crate::stats::{draw, unit};

    #[derive(Deserialize)]
    struct Golden {
        sample: usize,
        trees: Vec<IsolationTree>,
        rows: Vec<Vec<f64>>,
        scores: Vec<f64>,
    }

    #[test]
    fn scores_are_those_of_scikit_learn_for_its_trees() {
        let golden: Golden = serde_json::from_str(include_str!("golden/isolation.json")).unwrap();
        let forest = IsolationForest { sample: golden.sample, threshold: 0.0, trees: golden.trees };
        for (row, expected) in golden.rows.iter().zip(&golden.scores) {
            let score = forest.score(row);
            assert!((score - expected).abs() < 1e-9, "{score} {expected}");
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn isolated_rows_score_highest() {
        // A round cloud and ten rows in its corners, whose single columns are inconspicuous.
        let normal = |index: u64, which: &str| {
            (0..12).map(|part| unit(draw(5, which, index, part))).sum::<f64>() - 6.0
        };
        let mut rows: Vec<Vec<Option<f64>>> =
            (0..1000).map(|i| vec![Some(normal(i, "x")), Some(normal(i, "y"))]).collect();
        for index in 0..10 {
            let side = if index % 2 == 0 { 3.4 } else { -3.4 };
            rows.push(vec![Some(side), Some(-side)]);
        }
        let fit = IsolationFit { rows: rows.clone() };
        let forest = fit.finish(&[0.0, 0.0], Some(0.02));
        let far: Vec<usize> =
            (0..rows.len()).filter(|row| forest.is_outlier(&rows[*row], &[0.0, 0.0])).collect();
        assert!((15..=21).contains(&far.len()), "{far:?}");
        assert!((1000..1010).all(|row| far.contains(&row)), "{far:?}");
        assert!(!forest.is_outlier(&[None, None], &[0.0, 0.0]));
        let text = serde_json::to_string(&forest).unwrap();
        assert_eq!(serde_json::from_str::<IsolationForest>(&text).unwrap(), forest);
    }
}
