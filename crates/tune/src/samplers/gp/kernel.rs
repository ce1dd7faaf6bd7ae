//! Matérn kernel with a length scale for each parameter, and the choice of its scales.

use crate::numeric::linear::{Cholesky, dot};
use crate::numeric::minimize;

/// Smallest variance of the noise, of losses with a variance of one.
const NOISE: f64 = 1e-6;

/// Steps of the search for the scales.
const ROUNDS: usize = 40;

/// Bounds of the logarithms of the scales.
const BOUNDS: (f64, f64) = (-14.0, 10.0);

/// Matérn kernel of smoothness 5/2 (Rasmussen and Williams 2006, equation 4.17). Points are rows of numbers between 0
/// and 1; the squared distance of two categories is one.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct MaternKernel {
    /// Inverse squared length scale of each parameter.
    pub rates: Vec<f64>,
    /// Variance of the function.
    pub scale: f64,
    /// Variance of the noise.
    pub noise: f64,
    /// `true` for categorical parameters.
    pub categorical: Vec<bool>,
}

impl MaternKernel {
    /// Covariance of two points without noise, and its derivative by the weighted squared distance.
    #[inline]
    pub fn covariance(&self, a: &[f64], b: &[f64]) -> (f64, f64) {
        let mut square = 0.0;
        for place in 0..self.rates.len() {
            square += self.rates[place] * self.distance(place, a[place], b[place]);
        }
        let root = (5.0 * square).sqrt();
        let decay = (-root).exp() * self.scale;
        (decay * (1.0 + root + 5.0 / 3.0 * square), -5.0 / 6.0 * (1.0 + root) * decay)
    }

    /// Squared distance along one parameter.
    #[inline]
    fn distance(&self, place: usize, a: f64, b: f64) -> f64 {
        if self.categorical[place] { f64::from(u8::from(a != b)) } else { (a - b) * (a - b) }
    }

    /// Factor of the covariance of noisy observations at points, to which more rows can be added.
    pub fn extend(&self, factor: &mut Cholesky, points: &[Vec<f64>]) {
        for row in factor.len()..points.len() {
            let mut entries: Vec<f64> =
                points[..row].iter().map(|point| self.covariance(&points[row], point).0).collect();
            entries.push(self.scale + self.noise);
            factor.push(entries, 1e-9 * self.scale);
        }
    }

    /// Kernel with the largest posterior density of its scales, under the priors of Optuna's sampler.
    pub fn fit(points: &[Vec<f64>], losses: &[f64], categorical: &[bool]) -> Self {
        let width = categorical.len();
        let objective = |raw: &[f64], gradient: &mut [f64]| {
            let kernel = Self::from_logarithms(raw, categorical);
            kernel.negative_log_posterior(points, losses, gradient)
        };
        let mut gradient = vec![0.0; width + 2];
        let mut start = (f64::INFINITY, vec![0.0; width + 2]);
        for rate in [0.0, 2.0] {
            for noise in [-8.0, -2.0] {
                let mut raw = vec![rate; width];
                raw.extend([0.0, noise]);
                let value = objective(&raw, &mut gradient);
                if value < start.0 {
                    start = (value, raw);
                }
            }
        }
        let (raw, _) = minimize(objective, &start.1, BOUNDS, ROUNDS, 1e-2);
        Self::from_logarithms(&raw, categorical)
    }

    fn from_logarithms(raw: &[f64], categorical: &[bool]) -> Self {
        let width = categorical.len();
        Self {
            rates: raw[..width].iter().map(|r| r.exp()).collect(),
            scale: raw[width].exp(),
            noise: NOISE + raw[width + 1].exp(),
            categorical: categorical.to_vec(),
        }
    }

    /// Negative logarithm of marginal likelihood times prior, with its gradient by the logarithms of the scales
    /// (Rasmussen and Williams 2006, equations 5.8 and 5.9).
    fn negative_log_posterior(&self, points: &[Vec<f64>], losses: &[f64], gradient: &mut [f64]) -> f64 {
        let width = self.rates.len();
        let mut factor = Cholesky::default();
        self.extend(&mut factor, points);
        let mut alpha = losses.to_vec();
        factor.solve_lower(&mut alpha);
        let mut value = 0.5 * dot(&alpha, &alpha) + factor.half_ln_det();
        factor.solve_upper(&mut alpha);
        let inverse = factor.inverse();

        gradient.fill(0.0);
        let mut noise_gradient = 0.0;
        for (row, entries) in inverse.iter().enumerate() {
            for (column, entry) in entries.iter().enumerate() {
                let weight = entry - alpha[row] * alpha[column];
                if row == column {
                    noise_gradient += 0.5 * weight;
                    gradient[width] += 0.5 * weight * self.scale;
                    continue;
                }
                let (covariance, slope) = self.covariance(&points[row], &points[column]);
                gradient[width] += weight * covariance;
                let slope = weight * slope;
                for (place, sum) in gradient[..width].iter_mut().enumerate() {
                    *sum += slope * self.distance(place, points[row][place], points[column][place]);
                }
            }
        }
        for (sum, rate) in gradient.iter_mut().zip(&self.rates) {
            value += 0.1 / rate + 0.1 * rate;
            *sum = *sum * rate - 0.1 / rate + 0.1 * rate;
        }
        value -= self.scale.ln() - self.scale;
        gradient[width] += self.scale - 1.0;
        value -= 0.1 * self.noise.ln() - 30.0 * self.noise;
        // The derivative by the logarithm of the part of the noise above its minimum.
        gradient[width + 1] = (self.noise - NOISE) * (noise_gradient - 0.1 / self.noise + 30.0);
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_equals_differences() {
        let points: Vec<Vec<f64>> = (0..12)
            .map(|k| vec![(f64::from(k) * 0.37).fract(), (f64::from(k) * 0.61).fract(), f64::from(k % 3)])
            .collect();
        let losses: Vec<f64> = points.iter().map(|p| (5.0 * p[0]).sin() + p[1] * p[1] - 0.3 * p[2]).collect();
        let categorical = [false, false, true];
        let value = |raw: &[f64]| {
            let mut gradient = vec![0.0; 5];
            let kernel = MaternKernel::from_logarithms(raw, &categorical);
            (kernel.negative_log_posterior(&points, &losses, &mut gradient), gradient)
        };
        let raw = [0.4, -0.3, 0.2, 0.1, -3.0];
        let (_, gradient) = value(&raw);
        for place in 0..raw.len() {
            let mut moved = raw;
            moved[place] += 1e-5;
            let above = value(&moved).0;
            moved[place] -= 2e-5;
            let difference = (above - value(&moved).0) / 2e-5;
            assert!((difference - gradient[place]).abs() < 1e-5, "{place}: {difference} {}", gradient[place]);
        }
    }
}
