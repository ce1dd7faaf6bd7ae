//! Parzen estimators: mixtures of products of truncated normal and categorical distributions, one component per
//! observation and one for the prior.

use crate::ParamDistribution;
use crate::numeric::DrawStream;
use crate::numeric::normal::{ln_mass, ln_pdf, truncated_quantile};

/// Weight of the prior beside one for each observation.
const PRIOR_WEIGHT: f64 = 1.0;

/// Number of the latest observations that keep their full weight.
const FULL_WEIGHTS: usize = 25;

/// Mixture over the parameters of one group.
pub(super) struct ParzenMixture {
    weights: Vec<f64>,
    columns: Vec<ParzenColumn>,
}

/// One parameter of all components.
enum ParzenColumn {
    Category {
        observed: Vec<usize>,
        choices: usize,
        hit: f64,
        miss: f64,
    },
    Number {
        /// Mean of each component, after the logarithm.
        mus: Vec<f64>,
        sigmas: Vec<f64>,
        /// Logarithm of the mass within the bounds, for each component.
        masses: Vec<f64>,
        distribution: ParamDistribution,
    },
}

impl ParzenMixture {
    /// Mixture around observations, which are given as one list of internal values per parameter, in the order of the
    /// trials. `ramp` gives older observations less weight.
    pub fn new(distributions: &[&ParamDistribution], observations: &[Vec<f64>], ramp: bool) -> Self {
        let count = observations.first().map_or(0, Vec::len);
        let mut weights = if ramp { ramp_weights(count) } else { vec![1.0; count] };
        weights.push(PRIOR_WEIGHT);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let columns =
            distributions.iter().zip(observations).map(|(d, values)| ParzenColumn::new(d, values)).collect();
        Self { weights, columns }
    }

    /// Draws one value per parameter.
    pub fn sample(&self, stream: &mut DrawStream) -> Vec<f64> {
        let mut unit = stream.unit();
        let found = self.weights.iter().position(|weight| {
            unit -= weight;
            unit < 0.0
        });
        let component = found.unwrap_or(self.weights.len() - 1);
        self.columns.iter().map(|column| column.sample(component, stream.unit())).collect()
    }

    /// Logarithm of the density at a point; of the probability for parameters with steps.
    pub fn ln_density(&self, point: &[f64]) -> f64 {
        let mut terms: Vec<f64> = self.weights.iter().map(|weight| weight.ln()).collect();
        for (column, value) in self.columns.iter().zip(point) {
            column.add_ln_density(*value, &mut terms);
        }
        let largest = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if largest == f64::NEG_INFINITY {
            return largest;
        }
        terms.iter().map(|term| (term - largest).exp()).sum::<f64>().ln() + largest
    }
}

/// Weights that rise from `1 / count` to one (Bergstra, Yamins and Cox 2013).
fn ramp_weights(count: usize) -> Vec<f64> {
    let rising = count.saturating_sub(FULL_WEIGHTS);
    let low = 1.0 / count.max(1) as f64;
    let steps = rising.saturating_sub(1).max(1) as f64;
    (0..count)
        .map(|position| if position < rising { low + (1.0 - low) * position as f64 / steps } else { 1.0 })
        .collect()
}

impl ParzenColumn {
    fn new(distribution: &ParamDistribution, values: &[f64]) -> Self {
        if let ParamDistribution::Categorical { choices } = distribution {
            let share = PRIOR_WEIGHT / (values.len() + 1) as f64;
            let total = 1.0 + share * choices.len() as f64;
            return Self::Category {
                observed: values.iter().map(|value| crate::space::index(*value)).collect(),
                choices: choices.len(),
                hit: (1.0 + share) / total,
                miss: share / total,
            };
        }
        let scale = distribution.scale();
        let (low, high) = scale.warped_bounds();
        let mut mus: Vec<f64> = values.iter().map(|value| scale.warp(*value)).collect();
        let mut sigmas = bandwidths(&mus, low, high);
        mus.push(0.5 * (low + high));
        sigmas.push(high - low);
        let masses = mus
            .iter()
            .zip(&sigmas)
            .map(|(mu, sigma)| ln_mass((low - mu) / sigma, (high - mu) / sigma))
            .collect();
        Self::Number { mus, sigmas, masses, distribution: distribution.clone() }
    }

    fn sample(&self, component: usize, unit: f64) -> f64 {
        match self {
            Self::Category { observed, choices, hit, miss } => {
                let last = choices.saturating_sub(1);
                let Some(choice) = observed.get(component) else {
                    return ((unit * *choices as f64).floor()).min(last as f64);
                };
                // The first part of the interval is for the observed choice, the rest is divided among the others.
                if unit < hit - miss {
                    *choice as f64
                } else {
                    ((unit - (hit - miss)) / miss).floor().min(last as f64)
                }
            }
            Self::Number { mus, sigmas, distribution, .. } => {
                let (mu, sigma) = (mus[component], sigmas[component]);
                let scale = distribution.scale();
                let (low, high) = scale.warped_bounds();
                let warped = mu + sigma * truncated_quantile(unit, (low - mu) / sigma, (high - mu) / sigma);
                distribution.clip(if scale.log { warped.exp() } else { warped })
            }
        }
    }

    fn add_ln_density(&self, value: f64, terms: &mut [f64]) {
        match self {
            Self::Category { observed, choices, hit, miss } => {
                let choice = crate::space::index(value);
                let (hit, miss) = (hit.ln(), miss.ln());
                for (term, observed) in terms.iter_mut().zip(observed) {
                    *term += if *observed == choice { hit } else { miss };
                }
                if let Some(prior) = terms.last_mut() {
                    *prior -= (*choices as f64).ln();
                }
            }
            Self::Number { mus, sigmas, masses, distribution } => {
                let scale = distribution.scale();
                let components = mus.iter().zip(sigmas).zip(masses).zip(terms);
                if let Some(step) = scale.step {
                    let (left, right) = (scale.warp(value - step / 2.0), scale.warp(value + step / 2.0));
                    for (((mu, sigma), mass), term) in components {
                        *term += ln_mass((left - mu) / sigma, (right - mu) / sigma) - mass;
                    }
                } else {
                    let warped = scale.warp(value);
                    for (((mu, sigma), mass), term) in components {
                        *term += ln_pdf((warped - mu) / sigma) - mass - sigma.ln();
                    }
                }
            }
        }
    }
}

/// Standard deviation of each component: the distance to the farther neighbour, at least a share of the range that
/// shrinks with the number of observations ("magic clip").
fn bandwidths(mus: &[f64], low: f64, high: f64) -> Vec<f64> {
    let count = mus.len();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| mus[*a].total_cmp(&mus[*b]));
    let range = high - low;
    let smallest = range / (count as f64 + 2.0).min(100.0);
    let mut sigmas = vec![range; count];
    for (rank, place) in order.iter().enumerate() {
        let mu = mus[*place];
        let below = if rank == 0 { None } else { Some(mu - mus[order[rank - 1]]) };
        let above = order.get(rank + 1).map(|next| mus[*next] - mu);
        // The bounds count as neighbours only of a single observation.
        let sigma = match (below, above) {
            (None, None) => (mu - low).max(high - mu),
            (below, above) => below.unwrap_or(0.0).max(above.unwrap_or(0.0)),
        };
        sigmas[*place] = sigma.clamp(smallest, range);
    }
    sigmas
}
