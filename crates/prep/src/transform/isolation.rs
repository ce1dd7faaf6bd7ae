//! Rows that are far out as a whole: an isolation forest (Liu, Ting and Zhou, "Isolation Forest", 2008).
//!
//! A tree cuts its sample at random until rows stand alone; rows that are unlike the others do so after
//! few cuts. The forest grows on the first training rows, which are in the order of a hash, so it takes
//! one pass and bounded memory.

use serde::{Deserialize, Serialize};

use super::knn::table;
use crate::error::Error;
use crate::frame::Frame;
use crate::stats::{draw, unit};

/// Trees of a forest, and rows that one grows on (the paper's section 5.2).
const TREES: usize = 100;
const SAMPLE: usize = 256;
/// Rows that are kept to grow on and to place the threshold by.
const KEPT: usize = TREES * SAMPLE;
/// Share of training rows that is far out where none is given.
const SHARE: f64 = 0.01;
/// Euler and Mascheroni's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// A grown forest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Forest {
    /// Rows that each tree grew on.
    pub(crate) sample: usize,
    /// Rows with a higher score are far out.
    pub(crate) threshold: f64,
    pub(crate) trees: Vec<Tree>,
}

/// A tree as columns, one entry for each node; the first is the root.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub(crate) struct Tree {
    /// Place of the column that is cut; -1 for a leaf.
    pub column: Vec<i32>,
    /// Values up to it go left.
    pub cut: Vec<f64>,
    /// Node of those that go left; the right one comes right after it.
    pub left: Vec<u32>,
    /// Rows of the sample that came here.
    pub rows: Vec<u32>,
}

/// A forest that is going to grow: it has seen some rows.
#[derive(Debug, Default)]
pub(crate) struct ForestFit {
    rows: Vec<Vec<Option<f64>>>,
}

impl ForestFit {
    pub fn see(&mut self, columns: &[&str], frame: &Frame) -> Result<(), Error> {
        let wanted = KEPT.saturating_sub(self.rows.len()).min(frame.rows());
        if wanted > 0 {
            self.rows.extend(table(columns, &frame.slice(0, wanted))?);
        }
        Ok(())
    }

    /// Grows; `fills` stand for missing values, and `share` of the rows is to be far out.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the rows")]
    pub fn finish(self, fills: &[f64], share: Option<f64>) -> Forest {
        let rows: Vec<Vec<f64>> = self.rows.iter().map(|row| filled(row, fills)).collect();
        let sample = SAMPLE.min(rows.len());
        let trees = (0..TREES as u64).map(|tree| grown(&rows, sample, tree)).collect();
        let mut forest = Forest { sample, threshold: f64::MAX, trees };
        let mut scores: Vec<f64> = rows.iter().map(|row| forest.score(row)).collect();
        scores.sort_by(f64::total_cmp);
        let place = ((1.0 - share.unwrap_or(SHARE)) * scores.len() as f64) as usize;
        if let Some(score) = scores.get(place.min(scores.len().saturating_sub(1))) {
            forest.threshold = *score;
        }
        forest
    }
}

/// A row being cut off.
struct Growing<'a> {
    rows: &'a [Vec<f64>],
    tree: u64,
    draws: u64,
    depth: u32,
    out: Tree,
}

impl Growing<'_> {
    fn next(&mut self) -> f64 {
        self.draws += 1;
        unit(draw(0, "isolation", self.tree, self.draws))
    }

    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        clippy::cast_sign_loss,
        reason = "columns and nodes are few"
    )]
    fn cut(&mut self, node: usize, mut here: Vec<usize>, depth: u32) {
        self.out.rows[node] = here.len() as u32;
        // Columns that still tell the rows apart.
        let width = self.rows.first().map_or(0, Vec::len);
        let ranges = (0..width).filter_map(|column| {
            let values = here.iter().map(|row| self.rows[*row][column]);
            let (low, high) = values.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
            (low < high).then_some((column, low, high))
        });
        let ranges: Vec<(usize, f64, f64)> = ranges.collect();
        if depth == self.depth || here.len() < 2 || ranges.is_empty() {
            return;
        }
        let (column, low, high) = ranges[(self.next() * ranges.len() as f64) as usize];
        let at = low + self.next() * (high - low);
        let (left, right): (Vec<usize>, Vec<usize>) =
            here.drain(..).partition(|row| self.rows[*row][column] <= at);
        let first = self.out.column.len();
        (self.out.column[node], self.out.cut[node], self.out.left[node]) = (column as i32, at, first as u32);
        self.grow();
        self.grow();
        self.cut(first, left, depth + 1);
        self.cut(first + 1, right, depth + 1);
    }

    /// One more node.
    fn grow(&mut self) {
        self.out.column.push(-1);
        self.out.cut.push(0.0);
        self.out.left.push(0);
        self.out.rows.push(0);
    }
}

/// A tree on `sample` of the rows, drawn without replacement.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the rows")]
fn grown(rows: &[Vec<f64>], sample: usize, tree: u64) -> Tree {
    let depth = usize::BITS - sample.max(2).saturating_sub(1).leading_zeros();
    let mut growing = Growing { rows, tree, draws: 0, depth, out: Tree::default() };
    let mut places: Vec<usize> = (0..rows.len()).collect();
    for index in 0..sample {
        let other = index + (growing.next() * (rows.len() - index) as f64) as usize;
        places.swap(index, other);
    }
    places.truncate(sample);
    growing.grow();
    growing.cut(0, places, 0);
    growing.out
}

impl Tree {
    /// Cuts until a row stands alone; where a leaf holds more, as many more as they would take on average.
    fn path(&self, row: &[f64]) -> f64 {
        let (mut node, mut depth) = (0, 0.0);
        // A file may have been tampered with: every step leads further down, or ends.
        while let Some(column) = self.column.get(node).and_then(|column| usize::try_from(*column).ok())
            && let (Some(cut), Some(left), Some(value)) =
                (self.cut.get(node), self.left.get(node), row.get(column))
            && *left as usize > node
        {
            node = *left as usize + usize::from(value > cut);
            depth += 1.0;
        }
        depth + average(self.rows.get(node).map_or(0, |rows| *rows as usize))
    }
}

/// Average path of an unsuccessful search in a binary tree of `n` rows (the paper's equation 1).
fn average(n: usize) -> f64 {
    match n {
        0 | 1 => 0.0,
        2 => 1.0,
        n => {
            let n = n as f64;
            2.0 * ((n - 1.0).ln() + EULER) - 2.0 * (n - 1.0) / n
        }
    }
}

impl Forest {
    /// Near 1 for a row that stands alone at once, near 0.5 for one like the others (equation 2).
    pub(crate) fn score(&self, row: &[f64]) -> f64 {
        let paths: f64 = self.trees.iter().map(|tree| tree.path(row)).sum();
        let mean = paths / self.trees.len().max(1) as f64;
        2.0_f64.powf(-mean / average(self.sample).max(f64::MIN_POSITIVE))
    }

    /// Whether a row with these values, missing ones filled, is far out.
    pub(crate) fn is_far(&self, row: &[Option<f64>], fills: &[f64]) -> bool {
        self.score(&filled(row, fills)) > self.threshold
    }

    /// Which rows are far out.
    pub(crate) fn far(&self, columns: &[&str], frame: &Frame, fills: &[f64]) -> Result<Vec<bool>, Error> {
        Ok(table(columns, frame)?.iter().map(|row| self.is_far(row, fills)).collect())
    }
}

fn filled(row: &[Option<f64>], fills: &[f64]) -> Vec<f64> {
    row.iter().zip(fills).map(|(value, fill)| value.unwrap_or(*fill)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct Golden {
        sample: usize,
        trees: Vec<Tree>,
        rows: Vec<Vec<f64>>,
        scores: Vec<f64>,
    }

    #[test]
    fn scores_are_those_of_scikit_learn_for_its_trees() {
        let golden: Golden = serde_json::from_str(include_str!("golden/isolation.json")).unwrap();
        let forest = Forest { sample: golden.sample, threshold: 0.0, trees: golden.trees };
        for (row, expected) in golden.rows.iter().zip(&golden.scores) {
            let score = forest.score(row);
            assert!((score - expected).abs() < 1e-9, "{score} {expected}");
        }
    }

    #[test]
    #[allow(clippy::cast_possible_truncation)]
    fn rows_apart_from_the_others_score_highest() {
        // A round cloud, and ten rows in its corners, which no single column gives away.
        let normal = |index: u64, which: &str| {
            (0..12).map(|part| unit(draw(5, which, index, part))).sum::<f64>() - 6.0
        };
        let mut rows: Vec<Vec<Option<f64>>> =
            (0..1000).map(|i| vec![Some(normal(i, "x")), Some(normal(i, "y"))]).collect();
        for index in 0..10 {
            let side = if index % 2 == 0 { 3.4 } else { -3.4 };
            rows.push(vec![Some(side), Some(-side)]);
        }
        let fit = ForestFit { rows: rows.clone() };
        let forest = fit.finish(&[0.0, 0.0], Some(0.02));
        let far: Vec<usize> = (0..rows.len()).filter(|row| forest.is_far(&rows[*row], &[0.0, 0.0])).collect();
        assert!((15..=21).contains(&far.len()), "{far:?}");
        assert!((1000..1010).all(|row| far.contains(&row)), "{far:?}");
        assert!(!forest.is_far(&[None, None], &[0.0, 0.0]));
        let text = serde_json::to_string(&forest).unwrap();
        assert_eq!(serde_json::from_str::<Forest>(&text).unwrap(), forest);
    }
}
