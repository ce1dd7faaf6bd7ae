//! Sums over predicted numbers, from which all metrics follow that need no order of the rows.

use super::super::NamedValues;
use super::super::undefined::Undefined;

/// Mean and sum of squared deviations, updated one value at a time (West 1979) and merged (Chan et al. 1979).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
struct Moments {
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Adds a value; `total` is the sum of the weights with this one.
    fn add(&mut self, value: f64, weight: f64, total: f64) {
        let off = value - self.mean;
        self.mean += off * weight / total;
        self.squares += weight * off * (value - self.mean);
    }

    fn merge(&mut self, own: f64, other: &Self, weight: f64) {
        let off = other.mean - self.mean;
        self.mean += off * weight / (own + weight);
        self.squares += other.squares + off * off * own * weight / (own + weight);
    }
}

/// Sums over predicted numbers: the streaming form of all metrics that need no order of the rows. Parts are summed
/// apart and merged.
#[derive(Debug, Clone, PartialEq)]
pub struct RegressionSums {
    total: f64,
    absolute: f64,
    squared: f64,
    relative: f64,
    largest: f64,
    targets: Moments,
    errors: Moments,
    /// Least and largest target.
    range: [f64; 2],
    zero_target: bool,
}

impl Default for RegressionSums {
    fn default() -> Self {
        Self {
            total: 0.0,
            absolute: 0.0,
            squared: 0.0,
            relative: 0.0,
            largest: 0.0,
            targets: Moments::default(),
            errors: Moments::default(),
            range: [f64::INFINITY, f64::NEG_INFINITY],
            zero_target: false,
        }
    }
}

impl RegressionSums {
    /// Adds a row. A row of weight 0 changes nothing.
    pub fn add(&mut self, target: f64, predicted: f64, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        let error = predicted - target;
        self.total += weight;
        self.absolute += weight * error.abs();
        self.squared += weight * error * error;
        self.largest = self.largest.max(error.abs());
        if target == 0.0 {
            self.zero_target = true;
        } else {
            self.relative += weight * (error / target).abs();
        }
        self.targets.add(target, weight, self.total);
        self.errors.add(error, weight, self.total);
        self.range = [self.range[0].min(target), self.range[1].max(target)];
    }

    /// Adds the rows of another part.
    pub fn merge(&mut self, other: &Self) {
        if other.total == 0.0 {
            return;
        }
        self.targets.merge(self.total, &other.targets, other.total);
        self.errors.merge(self.total, &other.errors, other.total);
        self.total += other.total;
        self.absolute += other.absolute;
        self.squared += other.squared;
        self.relative += other.relative;
        self.largest = self.largest.max(other.largest);
        self.range = [self.range[0].min(other.range[0]), self.range[1].max(other.range[1])];
        self.zero_target |= other.zero_target;
    }

    /// Sum of all weights.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// Metrics that are followed during training: `rmse`, `mae` and `r2`.
    pub(super) fn training_values(&self) -> NamedValues {
        vec![
            ("rmse", self.mean(self.squared).map(f64::sqrt)),
            ("mae", self.mean(self.absolute)),
            ("r2", self.explained(self.squared)),
        ]
    }

    /// Metrics: `rmse`, `mae`, `r2`, `mape`, `explained_variance` and `max_error`. The median error needs an order: see
    /// [`super::RegressionRows`].
    pub fn values(&self) -> NamedValues {
        let mut values = self.training_values();
        let mape = if self.zero_target { Err(Undefined::ZeroTarget) } else { self.mean(self.relative) };
        values.extend([
            ("mape", self.mean(self.absolute).and(mape)),
            ("explained_variance", self.explained(self.errors.squares)),
            ("max_error", self.mean(self.absolute).map(|_| self.largest)),
        ]);
        values
    }

    fn mean(&self, sum: f64) -> Result<f64, Undefined> {
        match self.total {
            0.0 => Err(Undefined::NoRows),
            // Every error that is not finite is in this sum.
            _ if !self.absolute.is_finite() => Err(Undefined::NotFinite),
            total => Ok(sum / total),
        }
    }

    /// 1 less the share of the variance of the targets that is left.
    fn explained(&self, left: f64) -> Result<f64, Undefined> {
        self.mean(left)?;
        let constant = self.range[0] >= self.range[1] || self.targets.squares <= 0.0;
        if constant { Err(Undefined::ConstantTarget) } else { Ok(1.0 - left / self.targets.squares) }
    }
}
