//! Posterior of the function, and the expected improvement of a point.

use super::kernel::MaternKernel;
use crate::numeric::linear::{Cholesky, dot};
use crate::numeric::normal::{cdf, ln_cdf, ln_pdf};

/// Gaussian process given observations, for losses that are standardised.
pub(super) struct Posterior<'a> {
    pub kernel: &'a MaternKernel,
    pub points: &'a [Vec<f64>],
    factor: &'a Cholesky,
    /// Product of the inverse covariance and the losses.
    alpha: Vec<f64>,
    /// Smallest loss, below which a point improves.
    best: f64,
}

impl<'a> Posterior<'a> {
    /// Posterior with a factor of all points.
    pub fn new(
        kernel: &'a MaternKernel,
        points: &'a [Vec<f64>],
        factor: &'a Cholesky,
        losses: &[f64],
    ) -> Self {
        let mut alpha = losses.to_vec();
        factor.solve_lower(&mut alpha);
        factor.solve_upper(&mut alpha);
        let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
        Self { kernel, points, factor, alpha, best }
    }

    /// Mean at a point.
    pub fn mean(&self, x: &[f64]) -> f64 {
        self.points.iter().zip(&self.alpha).map(|(point, a)| a * self.kernel.covariance(x, point).0).sum()
    }

    /// Upper bound of the logarithm of the expected improvement, in time linear in the number of points: the variance
    /// given the nearest point alone is no smaller than that given all.
    pub fn ln_improvement_bound(&self, x: &[f64]) -> f64 {
        let mut mean = 0.0;
        let mut nearest = 0.0_f64;
        for (point, a) in self.points.iter().zip(&self.alpha) {
            let (covariance, _) = self.kernel.covariance(x, point);
            mean += a * covariance;
            nearest = nearest.max(covariance);
        }
        let scale = self.kernel.scale;
        let variance = scale - nearest * nearest / (scale + self.kernel.noise);
        ln_improvement(mean, self.deviation(variance), self.best)
    }

    /// Logarithm of the expected improvement (Ament et al. 2023).
    pub fn ln_improvement(&self, x: &[f64]) -> f64 {
        let mut covariances: Vec<f64> =
            self.points.iter().map(|point| self.kernel.covariance(x, point).0).collect();
        let mean = dot(&covariances, &self.alpha);
        self.factor.solve_lower(&mut covariances);
        let variance = self.kernel.scale - dot(&covariances, &covariances);
        ln_improvement(mean, self.deviation(variance), self.best)
    }

    /// Logarithm of the expected improvement, with its gradient by the parameters that are not categorical.
    pub fn ln_improvement_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let (mut covariances, slopes): (Vec<f64>, Vec<f64>) =
            self.points.iter().map(|point| self.kernel.covariance(x, point)).unzip();
        let mean = dot(&covariances, &self.alpha);
        self.factor.solve_lower(&mut covariances);
        let deviation = self.deviation(self.kernel.scale - dot(&covariances, &covariances));
        self.factor.solve_upper(&mut covariances);
        let value = ln_improvement(mean, deviation, self.best);
        let z = (self.best - mean) / deviation;
        let by_mean = -(ln_cdf(z) - value).exp();
        let by_deviation = (ln_pdf(z) - value).exp();
        gradient.fill(0.0);
        for (((point, slope), weight), a) in
            self.points.iter().zip(&slopes).zip(&covariances).zip(&self.alpha)
        {
            // The variance changes by minus twice the weight, the deviation by that over twice the deviation.
            let factor = 2.0 * slope * (by_mean * a - by_deviation * weight / deviation);
            for (place, sum) in gradient.iter_mut().enumerate() {
                *sum += factor * self.kernel.rates[place] * (x[place] - point[place]);
            }
        }
        for (sum, categorical) in gradient.iter_mut().zip(&self.kernel.categorical) {
            if *categorical {
                *sum = 0.0;
            }
        }
        value
    }

    fn deviation(&self, variance: f64) -> f64 {
        variance.max(1e-12 * self.kernel.scale).sqrt()
    }
}

/// Logarithm of the expectation of `max(best - loss, 0)` for a normal loss.
fn ln_improvement(mean: f64, deviation: f64, best: f64) -> f64 {
    let z = (best - mean) / deviation;
    let ratio = if z > -1.0 {
        (ln_pdf(z).exp() + z * cdf(z)).ln()
    } else if z > -30.0 {
        ln_pdf(z) + (z * (ln_cdf(z) - ln_pdf(z)).exp()).ln_1p()
    } else {
        ln_pdf(z) - 2.0 * (-z).ln()
    };
    ratio + deviation.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gradient_equals_differences_and_the_bound_holds() {
        let points: Vec<Vec<f64>> =
            (0..15).map(|k| vec![(f64::from(k) * 0.37).fract(), (f64::from(k) * 0.61).fract()]).collect();
        let losses: Vec<f64> = points.iter().map(|p| (5.0 * p[0]).sin() + p[1] * p[1]).collect();
        let kernel =
            MaternKernel { rates: vec![6.0, 2.0], scale: 1.3, noise: 1e-3, categorical: vec![false, false] };
        let mut factor = Cholesky::default();
        kernel.extend(&mut factor, &points);
        let posterior = Posterior::new(&kernel, &points, &factor, &losses);
        for x in [[0.9, 0.1], [0.5, 0.5], [0.05, 0.8]] {
            let mut gradient = [0.0; 2];
            let value = posterior.ln_improvement_gradient(&x, &mut gradient);
            assert!((value - posterior.ln_improvement(&x)).abs() < 1e-9);
            assert!(posterior.ln_improvement_bound(&x) >= value - 1e-9);
            for place in 0..2 {
                let mut moved = x;
                moved[place] += 1e-6;
                let above = posterior.ln_improvement(&moved);
                moved[place] -= 2e-6;
                let difference = (above - posterior.ln_improvement(&moved)) / 2e-6;
                assert!((difference - gradient[place]).abs() < 1e-4 * difference.abs().max(1.0));
            }
        }
    }
}
