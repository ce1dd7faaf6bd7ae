//! The best split of a node on one column (Chen and Guestrin 2016, section 3): thresholds of numbers, and sets of
//! categories that are sorted by gradient over Hessian, which finds the best set of all (Fisher 1958).

use super::bins::{BinSet, ColumnBins};
use super::histogram::{ColumnHistogram, gradient, hessian};
use super::options::BoostOptions;

/// Categories up to which each is tried alone instead of sets.
const ONE_AGAINST_REST: usize = 4;
/// Gains below this are rounding errors, relative to that of the parent.
const ROUNDING: f64 = 1e-10;

/// Split of a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct SplitCandidate {
    /// Loss that the split saves, times two.
    pub gain: f64,
    pub column: usize,
    pub rule: BinRuleSplit,
    /// `true` if missing values go left.
    pub missing_left: bool,
    /// Packed sum of the rows that go left.
    pub left: i64,
    /// Further penalty on the squares of the children's values.
    pub l2: f64,
}

/// Bins that go left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum BinRuleSplit {
    /// Bins up to this one.
    UpTo(u8),
    /// Bins of a set.
    Set(BinSet),
}

/// A node in which splits are looked for. Gradients and Hessians are in quanta.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SplitNode<'a> {
    pub options: &'a BoostOptions,
    /// Packed sum of all rows.
    pub sum: i64,
    /// Range of the values of the node's leaves in quanta of gradients over quanta of Hessians.
    pub bounds: [f64; 2],
    /// Gradient and Hessian of one quantum.
    pub quanta: [f64; 2],
    /// Training rows of the node for one quantum of the Hessian, from which the rows of a bin are estimated.
    pub rows: f64,
}

/// Penalties in quanta.
#[derive(Debug, Clone, Copy)]
struct Penalties {
    l1: f64,
    l2: f64,
    bounds: [f64; 2],
    bounded: bool,
    /// Direction in which the values of the children may differ.
    monotone: i8,
    /// Smallest Hessian of a child.
    least: f64,
}

impl SplitNode<'_> {
    fn penalties(&self, column: usize, more_l2: f64) -> Penalties {
        let [by_gradient, by_hessian] = self.quanta;
        let monotone = self.options.monotone.get(column).copied().unwrap_or(0);
        let least_rows = self.options.leaf_rows.max(1) as f64 / self.rows;
        Penalties {
            l1: self.options.l1 / by_gradient,
            l2: (self.options.l2 + more_l2) / by_hessian,
            bounds: self.bounds,
            bounded: monotone != 0 || self.bounds[0].is_finite() || self.bounds[1].is_finite(),
            monotone,
            // Rows are whole, quanta of them are not.
            least: (self.options.leaf_weight / by_hessian).max(least_rows - 0.5 / self.rows),
        }
    }

    /// Gain in quanta that a split must exceed.
    fn threshold(&self, penalties: &Penalties) -> f64 {
        let parent = penalties.score(gradient(self.sum), hessian(self.sum));
        let [by_gradient, by_hessian] = self.quanta;
        parent * (1.0 + ROUNDING) + self.options.gain * by_hessian / (by_gradient * by_gradient)
    }

    /// Best split on a column; `None` if none gains anything.
    pub fn best(
        &self,
        column: usize,
        bins: &ColumnBins,
        histogram: &ColumnHistogram,
    ) -> Option<SplitCandidate> {
        match bins.categories() {
            None => self.best_threshold(column, bins, histogram),
            Some(categories) if categories <= ONE_AGAINST_REST => {
                self.best_category(column, categories, histogram)
            }
            Some(categories) => self.best_set(column, categories, histogram),
        }
    }

    fn candidate(&self, column: usize, best: Best, rule: BinRuleSplit, l2: f64) -> Option<SplitCandidate> {
        let penalties = self.penalties(column, 0.0);
        let parent = penalties.score(gradient(self.sum), hessian(self.sum));
        let [by_gradient, by_hessian] = self.quanta;
        (best.left != 0).then(|| SplitCandidate {
            gain: (best.score - parent) * by_gradient * by_gradient / by_hessian,
            column,
            rule,
            missing_left: best.missing_left,
            left: best.left,
            l2,
        })
    }

    fn best_threshold(
        &self,
        column: usize,
        bins: &ColumnBins,
        histogram: &ColumnHistogram,
    ) -> Option<SplitCandidate> {
        let penalties = self.penalties(column, 0.0);
        let missing = histogram[usize::from(bins.missing())];
        // With missing values, "all others" against them is a split as well.
        let values = bins.values() - usize::from(missing == 0);
        let mut best = Best { score: self.threshold(&penalties), ..Best::default() };
        let mut left = 0_i64;
        for (bin, &sum) in histogram[..values].iter().enumerate() {
            // Without rows in it, the bin's split is the one before it.
            if sum == 0 {
                continue;
            }
            left = left.wrapping_add(sum);
            best.try_left(self.sum, left, bin, false, &penalties);
            if missing != 0 {
                best.try_left(self.sum, left.wrapping_add(missing), bin, true, &penalties);
            }
        }
        if missing == 0 {
            // No row says where missing values belong: they follow the larger child.
            best.missing_left = hessian(best.left) * 2.0 >= hessian(self.sum);
        }
        let rule = BinRuleSplit::UpTo(u8::try_from(best.at).unwrap_or(u8::MAX));
        self.candidate(column, best, rule, 0.0)
    }

    /// Best split of one category from all others.
    fn best_category(
        &self,
        column: usize,
        categories: usize,
        histogram: &ColumnHistogram,
    ) -> Option<SplitCandidate> {
        let penalties = self.penalties(column, 0.0);
        let mut best = Best { score: self.threshold(&penalties), ..Best::default() };
        for (bin, &sum) in histogram[..categories].iter().enumerate() {
            best.try_left(self.sum, sum, bin, false, &penalties);
        }
        let mut set = BinSet::default();
        set.insert(u8::try_from(best.at).unwrap_or(u8::MAX));
        self.candidate(column, best, BinRuleSplit::Set(set), 0.0)
    }

    /// Best split of the categories with the least or the largest gradients per Hessian from all others.
    fn best_set(
        &self,
        column: usize,
        categories: usize,
        histogram: &ColumnHistogram,
    ) -> Option<SplitCandidate> {
        let options = self.options;
        let penalties = self.penalties(column, options.category_l2);
        // Penalised by more than the node's own value, few sets would gain anything.
        let threshold = self.threshold(&self.penalties(column, 0.0));
        let smoothing = options.category_smoothing / self.quanta[1];
        let mut order: Vec<(f64, usize)> = Vec::new();
        for (bin, &sum) in histogram[..categories].iter().enumerate() {
            if hessian(sum) * self.rows >= options.category_smoothing {
                order.push((gradient(sum) / (hessian(sum) + smoothing), bin));
            }
        }
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let most = options.category_limit.min(order.len().div_ceil(2));
        let mut best = Best { score: threshold, ..Best::default() };
        let mut from_end = false;
        for reversed in [false, true] {
            let (mut left, mut group) = (0_i64, 0.0);
            for index in 0..most {
                let place = if reversed { order.len() - 1 - index } else { index };
                let sum = histogram[order[place].1];
                left = left.wrapping_add(sum);
                group += hessian(sum) * self.rows;
                let right = hessian(self.sum) - hessian(left);
                if right * self.rows < options.category_rows as f64 {
                    break;
                }
                if group >= options.category_rows as f64 {
                    group = 0.0;
                    let before = best.score;
                    best.try_left(self.sum, left, index, false, &penalties);
                    if best.score > before {
                        from_end = reversed;
                    }
                }
            }
        }
        let mut set = BinSet::default();
        for index in 0..=best.at.min(order.len().saturating_sub(1)) {
            if let Some(&(_, bin)) = order.get(if from_end { order.len() - 1 - index } else { index }) {
                set.insert(u8::try_from(bin).unwrap_or(u8::MAX));
            }
        }
        self.candidate(column, best, BinRuleSplit::Set(set), options.category_l2)
    }

    /// Value of a leaf with the sum, in quanta of gradients over quanta of Hessians.
    pub fn quantum_value(&self, sum: i64, more_l2: f64) -> f64 {
        self.penalties(usize::MAX, more_l2).value(gradient(sum), hessian(sum))
    }

    /// Value of a leaf with the sum, before the learning rate.
    pub fn value(&self, sum: i64, more_l2: f64) -> f64 {
        self.quantum_value(sum, more_l2) * self.quanta[0] / self.quanta[1]
    }
}

/// Best split so far.
#[derive(Debug, Clone, Copy, Default)]
struct Best {
    score: f64,
    left: i64,
    at: usize,
    missing_left: bool,
}

impl Best {
    #[inline]
    fn try_left(&mut self, all: i64, left: i64, at: usize, missing_left: bool, penalties: &Penalties) {
        let right = all.wrapping_sub(left);
        let (left_hessian, right_hessian) = (hessian(left), hessian(right));
        if left_hessian < penalties.least || right_hessian < penalties.least {
            return;
        }
        let (left_gradient, right_gradient) = (gradient(left), gradient(right));
        let score = if penalties.bounded || penalties.l1 > 0.0 {
            if !penalties.allows(left_gradient, left_hessian, right_gradient, right_hessian) {
                return;
            }
            penalties.score(left_gradient, left_hessian) + penalties.score(right_gradient, right_hessian)
        } else {
            let (a, b) = (left_hessian + penalties.l2, right_hessian + penalties.l2);
            (left_gradient * left_gradient * b + right_gradient * right_gradient * a) / (a * b)
        };
        if score > self.score {
            *self = Self { score, left, at, missing_left };
        }
    }
}

impl Penalties {
    fn shrunk(&self, gradient: f64) -> f64 {
        gradient.signum() * (gradient.abs() - self.l1).max(0.0)
    }

    /// Value of a leaf, in quanta of gradients over quanta of Hessians.
    fn value(&self, gradient: f64, hessian: f64) -> f64 {
        let value = -self.shrunk(gradient) / (hessian + self.l2).max(f64::MIN_POSITIVE);
        value.clamp(self.bounds[0], self.bounds[1])
    }

    /// Twice the loss that a leaf saves.
    fn score(&self, gradient: f64, hessian: f64) -> f64 {
        let shrunk = self.shrunk(gradient);
        if !self.bounded {
            return shrunk * shrunk / (hessian + self.l2).max(f64::MIN_POSITIVE);
        }
        let value = self.value(gradient, hessian);
        -(2.0 * shrunk * value + (hessian + self.l2) * value * value)
    }

    /// `true` if the children's values are in the order of the constraint.
    fn allows(&self, left: f64, left_hessian: f64, right: f64, right_hessian: f64) -> bool {
        if self.monotone == 0 {
            return true;
        }
        let (left, right) = (self.value(left, left_hessian), self.value(right, right_hessian));
        if self.monotone > 0 { left <= right } else { left >= right }
    }
}
