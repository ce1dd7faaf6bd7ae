//! Stochastic gradient descent of a linear classifier, as `SGDClassifier` of scikit-learn 1.9 does it with the learning rate
//! `optimal`, a tolerance of 0.001 and five epochs of patience.

use super::halves::SEED;
use crate::twister::MersenneTwister;

/// Strength of the penalty.
const ALPHA: f64 = 1e-4;
/// Improvement of the objective below which an epoch counts as none.
const TOLERANCE: f64 = 1e-3;
/// Epochs without improvement that end the training.
const PATIENCE: u32 = 5;
/// Scale of the weights below which they are multiplied out.
const LEAST_SCALE: f64 = 1e-9;

/// Values of a row that are not zero, by feature.
pub(crate) type SparseRow = Vec<(usize, f64)>;

/// Loss, penalty and limits of a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum DescentSettings {
    /// Modified Huber loss with the L1 penalty for sparse rows (Tsuruoka et al. 2009), at most 50 epochs.
    SparseHuber,
    /// Logistic loss with the L2 penalty, at most 1,000 epochs.
    Logistic,
}

/// Trained linear classifier.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinearClassifier {
    weights: Vec<f64>,
    intercept: f64,
}

/// State of a training.
struct Descent {
    settings: DescentSettings,
    weights: Vec<f64>,
    /// Factor of all weights.
    scale: f64,
    intercept: f64,
    /// Norms of the weights that the last row has changed, with the penalties since: scikit-learn's terms of the objective.
    norms: [f64; 2],
    /// Penalty that each weight could have had, and that it has had.
    penalty: f64,
    paid: Vec<f64>,
    /// Steps taken.
    steps: f64,
}

impl LinearClassifier {
    /// Trains with rows and their classes.
    pub fn train(settings: DescentSettings, features: usize, rows: &[SparseRow], positive: &[bool]) -> Self {
        let mut descent = Descent {
            settings,
            weights: vec![0.0; features],
            scale: 1.0,
            intercept: 0.0,
            norms: [0.0; 2],
            penalty: 0.0,
            paid: vec![0.0; features],
            steps: 0.0,
        };
        let mut draws = MersenneTwister::of_numpy(SEED);
        draws.numpy_up_to(i32::MAX.unsigned_abs() - 2);
        let seed = draws.numpy_up_to(i32::MAX.unsigned_abs() - 1);
        let mut order: Vec<usize> = (0..rows.len()).collect();
        let (mut best, mut idle) = (f64::INFINITY, 0);
        for _ in 0..settings.most_epochs() {
            shuffle(&mut order, seed);
            let sum: f64 = order.iter().map(|row| descent.step(&rows[*row], positive[*row])).sum();
            #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
            let objective = sum / rows.len().max(1) as f64;
            idle = if objective > best - TOLERANCE { idle + 1 } else { 0 };
            best = best.min(objective);
            if idle >= PATIENCE || !objective.is_finite() {
                break;
            }
        }
        descent.multiply_out();
        Self { weights: descent.weights, intercept: descent.intercept }
    }

    /// Distance of a row from the border, positive on the side of the second class.
    pub fn decision(&self, row: &SparseRow) -> f64 {
        row.iter().map(|(feature, value)| self.weights[*feature] * value).sum::<f64>() + self.intercept
    }
}

impl DescentSettings {
    fn most_epochs(self) -> u32 {
        match self {
            Self::SparseHuber => 50,
            Self::Logistic => 1000,
        }
    }

    /// Loss of a decision, and its derivative.
    fn loss(self, decision: f64, positive: bool) -> (f64, f64) {
        match self {
            Self::SparseHuber => {
                let side = if positive { 1.0 } else { -1.0 };
                let margin = decision * side;
                if margin >= 1.0 {
                    (0.0, 0.0)
                } else if margin >= -1.0 {
                    ((1.0 - margin) * (1.0 - margin), 2.0 * (1.0 - margin) * -side)
                } else {
                    (-4.0 * margin, -4.0 * side)
                }
            }
            Self::Logistic => {
                let target = f64::from(positive);
                (softplus(decision) - target * decision, 1.0 / (1.0 + (-decision).exp()) - target)
            }
        }
    }

    /// Factor of the updates of the intercept, which rows of few values would move too fast.
    fn intercept_decay(self) -> f64 {
        match self {
            Self::SparseHuber => 0.01,
            Self::Logistic => 1.0,
        }
    }
}

impl Descent {
    /// Moves the weights by a row, and returns its term of the objective before that.
    fn step(&mut self, row: &SparseRow, positive: bool) -> f64 {
        let product: f64 = row.iter().map(|(feature, value)| self.weights[*feature] * value).sum();
        let decision = product * self.scale + self.intercept;
        // The first rate is that of a typical weight of 10.
        let rate = 1.0 / (ALPHA * (1000.0 + self.steps));
        let (loss, slope) = self.settings.loss(decision, positive);
        let [l1, l2] = self.norms;
        let penalty = match self.settings {
            DescentSettings::SparseHuber => l1,
            DescentSettings::Logistic => 0.5 * l2,
        };
        let update = -rate * slope.clamp(-1e12, 1e12);
        if self.settings == DescentSettings::Logistic {
            self.shrink((1.0 - rate * ALPHA).max(0.0));
        }
        if update != 0.0 {
            self.add(row, update);
            self.intercept += update * self.settings.intercept_decay();
        }
        if self.settings == DescentSettings::SparseHuber {
            self.penalty += rate * ALPHA;
            self.truncate(row);
        }
        self.steps += 1.0;
        loss + ALPHA * penalty
    }

    fn add(&mut self, row: &SparseRow, update: f64) {
        let (mut l1, mut l2) = (0.0, 0.0);
        for (feature, value) in row {
            let weight = &mut self.weights[*feature];
            *weight += value * (update / self.scale);
            l1 += weight.abs();
            l2 += *weight * *weight;
        }
        self.norms = [l1 * self.scale, l2 * (self.scale * self.scale)];
    }

    fn shrink(&mut self, factor: f64) {
        self.scale *= factor;
        self.norms = [self.norms[0] * factor, self.norms[1] * factor * factor];
        if self.scale < LEAST_SCALE {
            self.multiply_out();
        }
    }

    fn multiply_out(&mut self) {
        self.weights.iter_mut().for_each(|weight| *weight *= self.scale);
        self.scale = 1.0;
    }

    /// Pays the penalties that the weights of a row owe, at most to zero.
    fn truncate(&mut self, row: &SparseRow) {
        for (feature, _) in row {
            let (weight, paid) = (&mut self.weights[*feature], &mut self.paid[*feature]);
            let before = *weight;
            if before > 0.0 {
                *weight = (before - (self.penalty + *paid)).max(0.0);
            } else if before < 0.0 {
                *weight = (before + (self.penalty - *paid)).min(0.0);
            }
            *paid += *weight - before;
        }
    }
}

/// `ln(1 + exp(x))` without overflow.
fn softplus(x: f64) -> f64 {
    if x > 18.0 { x + (-x).exp() } else { x.exp().ln_1p() }
}

/// Fisher-Yates shuffle with a 32-bit xorshift generator (Marsaglia 2003).
fn shuffle(order: &mut [usize], seed: u32) {
    let mut state = seed.max(1);
    let count = order.len();
    for at in 0..count.saturating_sub(1) {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let draw = (state % (1 << 31)) as usize;
        order.swap(at, at + draw % (count - at));
    }
}
