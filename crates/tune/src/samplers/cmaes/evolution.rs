//! State of the covariance matrix adaptation evolution strategy.

use crate::numeric::DrawStream;
use crate::numeric::linear::{dot, symmetric_eigen};

/// Deviation along the longest axis below which a search has converged.
const CONVERGED: f64 = 1e-12;

/// Ratio of the longest to the shortest axis above which a search has degenerated.
const CONDITION: f64 = 1e14;

/// Distribution of the next generation, with the defaults of Hansen (2016, "The CMA Evolution Strategy: A Tutorial"),
/// equations 48 to 58; negative weights included.
#[derive(Debug, Clone)]
pub(super) struct Evolution {
    pub population: usize,
    mean: Vec<f64>,
    sigma: f64,
    covariance: Vec<f64>,
    /// Lengths of the principal axes, and the axes as columns.
    axes: (Vec<f64>, Vec<f64>),
    path_sigma: Vec<f64>,
    path_c: Vec<f64>,
    generation: i32,
    rates: LearningRates,
}

#[derive(Debug, Clone)]
struct LearningRates {
    weights: Vec<f64>,
    mu: usize,
    mu_eff: f64,
    c1: f64,
    c_mu: f64,
    c_sigma: f64,
    d_sigma: f64,
    cc: f64,
    chi: f64,
}

impl LearningRates {
    fn new(width: usize, population: usize) -> Self {
        let n = width as f64;
        let mu = population / 2;
        let raw: Vec<f64> = (1..=population)
            .map(|rank| f64::midpoint(population as f64, 1.0).ln() - (rank as f64).ln())
            .collect();
        let effective =
            |part: &[f64]| part.iter().sum::<f64>().powi(2) / part.iter().map(|w| w * w).sum::<f64>();
        let (mu_eff, mu_eff_minus) = (effective(&raw[..mu]), effective(&raw[mu..]));
        let c1 = 2.0 / ((n + 1.3).powi(2) + mu_eff);
        let c_mu = (2.0 * (mu_eff - 2.0 + 1.0 / mu_eff) / ((n + 2.0).powi(2) + mu_eff)).min(1.0 - c1 - 1e-8);
        let negative = (1.0 + c1 / c_mu)
            .min(1.0 + 2.0 * mu_eff_minus / (mu_eff + 2.0))
            .min((1.0 - c1 - c_mu) / (n * c_mu));
        let sum_positive: f64 = raw.iter().filter(|w| **w > 0.0).sum();
        let sum_negative: f64 = raw.iter().filter(|w| **w < 0.0).map(|w| -w).sum();
        let weigh = |w: &f64| if *w >= 0.0 { w / sum_positive } else { w * negative / sum_negative };
        let c_sigma = (mu_eff + 2.0) / (n + mu_eff + 5.0);
        Self {
            weights: raw.iter().map(weigh).collect(),
            mu,
            mu_eff,
            c1,
            c_mu,
            c_sigma,
            d_sigma: 1.0 + 2.0 * (((mu_eff - 1.0) / (n + 1.0)).sqrt() - 1.0).max(0.0) + c_sigma,
            cc: (4.0 + mu_eff / n) / (n + 4.0 + 2.0 * mu_eff / n),
            chi: n.sqrt() * (1.0 - 1.0 / (4.0 * n) + 1.0 / (21.0 * n * n)),
        }
    }
}

impl Evolution {
    /// Search from a mean with a standard deviation in all directions.
    pub fn new(mean: Vec<f64>, sigma: f64, population: usize) -> Self {
        let width = mean.len();
        let mut covariance = vec![0.0; width * width];
        for place in 0..width {
            covariance[place * width + place] = 1.0;
        }
        Self {
            population,
            sigma,
            axes: (vec![1.0; width], covariance.clone()),
            covariance,
            path_sigma: vec![0.0; width],
            path_c: vec![0.0; width],
            generation: 0,
            rates: LearningRates::new(width, population),
            mean,
        }
    }

    /// Size of a population for a number of parameters.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn default_population(width: usize) -> usize {
        4 + (3.0 * (width as f64).ln()).floor() as usize
    }

    /// Standard deviation of one coordinate.
    pub fn deviation(&self, place: usize) -> f64 {
        self.sigma * self.covariance[place * self.mean.len() + place].max(0.0).sqrt()
    }

    /// Draws a point.
    pub fn ask(&self, stream: &mut DrawStream) -> Vec<f64> {
        let (lengths, vectors) = &self.axes;
        let scaled: Vec<f64> = lengths.iter().map(|length| length * stream.normal()).collect();
        let rows = vectors.chunks(self.mean.len()).zip(&self.mean);
        rows.map(|(row, mean)| mean + self.sigma * dot(row, &scaled)).collect()
    }

    /// Adapts the distribution to a generation of [`Self::population`] points with their losses.
    pub fn tell(&mut self, mut points: Vec<(Vec<f64>, f64)>) {
        points.sort_by(|a, b| a.1.total_cmp(&b.1));
        self.generation += 1;
        let width = self.mean.len();
        let rates = &self.rates;
        let shape = |x: &[f64]| -> Vec<f64> {
            x.iter().zip(&self.mean).map(|(x, mean)| (x - mean) / self.sigma).collect()
        };
        let steps: Vec<Vec<f64>> = points.iter().map(|(x, _)| shape(x)).collect();
        let mut mean_step = vec![0.0; width];
        for (step, weight) in steps.iter().zip(&rates.weights).take(rates.mu) {
            mean_step.iter_mut().zip(step).for_each(|(sum, value)| *sum += weight * value);
        }
        let whitened_mean = self.whiten(&mean_step);
        let lengths: Vec<f64> =
            steps.iter().map(|step| self.whiten(step).iter().map(|v| v * v).sum()).collect();

        let gain = (rates.c_sigma * (2.0 - rates.c_sigma) * rates.mu_eff).sqrt();
        for (path, step) in self.path_sigma.iter_mut().zip(&whitened_mean) {
            *path = (1.0 - rates.c_sigma) * *path + gain * step;
        }
        let norm = dot(&self.path_sigma, &self.path_sigma).sqrt();
        let expected = (1.0 - (1.0 - rates.c_sigma).powi(2 * (self.generation + 1))).sqrt();
        let stalled = norm / expected < (1.4 + 2.0 / (width as f64 + 1.0)) * rates.chi;
        let h = f64::from(u8::from(stalled));
        let gain = h * (rates.cc * (2.0 - rates.cc) * rates.mu_eff).sqrt();
        for (path, step) in self.path_c.iter_mut().zip(&mean_step) {
            *path = (1.0 - rates.cc) * *path + gain * step;
        }
        let missing = (1.0 - h) * rates.cc * (2.0 - rates.cc);
        let keep = 1.0 + rates.c1 * missing - rates.c1 - rates.c_mu * rates.weights.iter().sum::<f64>();
        let weigh = |(weight, length): (&f64, &f64)| {
            if *weight >= 0.0 { *weight } else { weight * width as f64 / (length + 1e-8) }
        };
        let weights: Vec<f64> = rates.weights.iter().zip(&lengths).map(weigh).collect();
        for row in 0..width {
            for column in 0..=row {
                let rank_mu: f64 =
                    steps.iter().zip(&weights).map(|(step, weight)| weight * step[row] * step[column]).sum();
                let rank_one = self.path_c[row] * self.path_c[column];
                let value =
                    keep * self.covariance[row * width + column] + rates.c1 * rank_one + rates.c_mu * rank_mu;
                self.covariance[row * width + column] = value;
                self.covariance[column * width + row] = value;
            }
        }
        for (mean, step) in self.mean.iter_mut().zip(&mean_step) {
            *mean += self.sigma * step;
        }
        let change = rates.c_sigma / rates.d_sigma * (norm / rates.chi - 1.0);
        self.sigma = (self.sigma * change.exp()).min(1e4);
        let (values, vectors) = symmetric_eigen(self.covariance.clone(), width);
        self.axes = (values.iter().map(|value| value.max(1e-16).sqrt()).collect(), vectors);
    }

    /// Product with the inverse square root of the covariance.
    fn whiten(&self, step: &[f64]) -> Vec<f64> {
        let width = self.mean.len();
        let (lengths, vectors) = &self.axes;
        let along: Vec<f64> = (0..width)
            .map(|axis| {
                (0..width).map(|row| vectors[row * width + axis] * step[row]).sum::<f64>() / lengths[axis]
            })
            .collect();
        vectors.chunks(width).map(|row| dot(row, &along)).collect()
    }

    /// `true` if the distribution has shrunk to a point or degenerated, so that a new search should start.
    pub fn is_finished(&self) -> bool {
        let longest = self.axes.0.iter().copied().fold(0.0, f64::max);
        let shortest = self.axes.0.iter().copied().fold(f64::INFINITY, f64::min);
        !(self.sigma * longest > CONVERGED && longest / shortest < CONDITION)
    }
}
