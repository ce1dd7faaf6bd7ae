//! Bayesian optimisation with a Gaussian process.

use std::sync::{Arc, Mutex, PoisonError};

use super::sobol::SobolSampler;
use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::numeric::linear::Cholesky;
use crate::{ParamValues, StudyDirection, TrialState, TuneError};

mod acquisition;
mod kernel;
mod posterior;
#[cfg(test)]
mod tests;

use crate::space::Coordinates;
use acquisition::best_point;
use kernel::MaternKernel;
use posterior::Posterior;

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 6;

/// Number of complete trials before which points come from a Sobol sequence.
const STARTUP: usize = 10;

/// Number of trials up to which the kernel is fitted anew for each; beyond, for each tenth more.
const EACH: usize = 40;

/// Largest number of trials that the kernel is fitted to: the best third of them, and a selection of the others.
const FITTED: usize = 150;

/// Best trials near which candidates are drawn.
const ELITE: usize = 4;

/// Bayesian optimisation of one objective with a Gaussian process: a Matérn kernel with one length scale for each
/// parameter, fitted by maximum a posteriori under the priors of Optuna's sampler, and the logarithm of the expected
/// improvement (Ament et al. 2023).
///
/// The first ten trials come from a Sobol sequence. Inactive parameters have a constant value. Parallel workers are
/// kept apart by running trials that count with their expected value ("kriging believer"; Ginsbourger et al. 2010).
/// The factor of the covariance is cached and extended from trial to trial.
#[derive(Debug, Clone, Default)]
pub struct GpSampler {
    cache: Arc<Mutex<Option<GpCache>>>,
}

/// Fitted kernel and the factor for the points so far. Both depend on the points and losses alone, so that a sampler
/// without the cache has the same results.
#[derive(Debug, Clone)]
struct GpCache {
    fitted_points: Vec<Vec<f64>>,
    fitted_losses: Vec<f64>,
    kernel: MaternKernel,
    points: Vec<Vec<f64>>,
    factor: Cholesky,
}

impl Sampler for GpSampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let [direction] = request.directions else {
            return Err(TuneError::Objectives { sampler: "gp", objectives: request.directions.len() });
        };
        let coordinates = Coordinates::new(request.space);
        let (observed, running) = observations(request, *direction, &coordinates);
        if observed.len() < STARTUP || coordinates.width() == 0 {
            return SobolSampler.sample(request);
        }
        let point = self.suggest(request, &coordinates, &observed, running);
        Ok(coordinates.to_values(&point, request.space))
    }
}

/// Points and losses of the complete trials and points of the running ones, each in the order of their numbers.
fn observations(
    request: &SampleRequest<'_>,
    direction: StudyDirection,
    coordinates: &Coordinates<'_>,
) -> (Vec<(Vec<f64>, f64)>, Vec<Vec<f64>>) {
    let mut trials: Vec<_> = request.history.iter().filter(|trial| trial.number != request.trial).collect();
    trials.sort_by_key(|trial| trial.number);
    let mut observed = Vec::new();
    let mut running = Vec::new();
    for trial in trials {
        let Some(point) = coordinates.of_trial(&trial.params) else { continue };
        if let Some(loss) = trial.loss(direction) {
            observed.push((point, loss));
        } else if trial.state == TrialState::Running {
            running.push(point);
        }
    }
    (observed, running)
}

impl GpSampler {
    fn suggest(
        &self,
        request: &SampleRequest<'_>,
        coordinates: &Coordinates<'_>,
        observed: &[(Vec<f64>, f64)],
        running: Vec<Vec<f64>>,
    ) -> Vec<f64> {
        let (points, raw): (Vec<Vec<f64>>, Vec<f64>) = observed.iter().cloned().unzip();
        let mut losses = standardize(&raw);
        let cached = self.cache.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut state = fitted(cached, observed, coordinates);
        state.extend(&points);

        let mut order: Vec<usize> = (0..losses.len()).collect();
        order.sort_by(|a, b| losses[*a].total_cmp(&losses[*b]));
        let elite: Vec<Vec<f64>> = order.iter().take(ELITE).map(|place| points[*place].clone()).collect();
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        let point = if running.is_empty() {
            let posterior = Posterior::new(&state.kernel, &state.points, &state.factor, &losses);
            best_point(&posterior, coordinates, &elite, &mut stream)
        } else {
            let mut all = points;
            let posterior = Posterior::new(&state.kernel, &state.points, &state.factor, &losses);
            let believed: Vec<f64> = running.iter().map(|point| posterior.mean(point)).collect();
            losses.extend(believed);
            all.extend(running);
            let mut factor = state.factor.clone();
            state.kernel.extend(&mut factor, &all);
            let posterior = Posterior::new(&state.kernel, &all, &factor, &losses);
            best_point(&posterior, coordinates, &elite, &mut stream)
        };
        *self.cache.lock().unwrap_or_else(PoisonError::into_inner) = Some(state);
        point
    }
}

impl GpCache {
    /// Brings the factor to exactly these points; rows that are the same from the first on are kept.
    fn extend(&mut self, points: &[Vec<f64>]) {
        let same = self.points.iter().zip(points).take_while(|(a, b)| a == b).count();
        self.factor.truncate(same);
        self.points.truncate(same);
        self.points.extend_from_slice(&points[same..]);
        self.kernel.extend(&mut self.factor, &self.points);
    }
}

/// Kernel for the trials so far, from the cache if it was fitted to the same ones.
fn fitted(cached: Option<GpCache>, observed: &[(Vec<f64>, f64)], coordinates: &Coordinates<'_>) -> GpCache {
    let (fitted_points, fitted_losses) = selection(&observed[..fit_count(observed.len())]);
    if let Some(cache) = cached
        && cache.fitted_points == fitted_points
        && cache.fitted_losses == fitted_losses
    {
        return cache;
    }
    let categorical: Vec<bool> = coordinates.distributions.iter().map(|d| d.is_categorical()).collect();
    let kernel = MaternKernel::fit(&fitted_points, &standardize(&fitted_losses), &categorical);
    GpCache { fitted_points, fitted_losses, kernel, points: Vec::new(), factor: Cholesky::default() }
}

/// Number of the first trials that the kernel is fitted to.
fn fit_count(count: usize) -> usize {
    let mut fit = count.min(EACH);
    while fit + fit / 10 <= count && fit >= EACH {
        fit += fit / 10;
    }
    fit
}

/// Trials that the kernel is fitted to.
fn selection(observed: &[(Vec<f64>, f64)]) -> (Vec<Vec<f64>>, Vec<f64>) {
    if observed.len() <= FITTED {
        return observed.iter().cloned().unzip();
    }
    let mut order: Vec<usize> = (0..observed.len()).collect();
    order.sort_by(|a, b| observed[*a].1.total_cmp(&observed[*b].1));
    let (best, others) = order.split_at(FITTED / 3);
    let wanted = FITTED - best.len();
    let mut chosen = best.to_vec();
    chosen.extend((0..wanted).map(|place| others[place * others.len() / wanted]));
    chosen.sort_unstable();
    chosen.into_iter().map(|place| observed[place].clone()).unzip()
}

/// Losses with mean zero and variance one.
fn standardize(losses: &[f64]) -> Vec<f64> {
    let count = losses.len() as f64;
    let mean = losses.iter().sum::<f64>() / count;
    let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / count;
    let deviation = if variance > 0.0 { variance.sqrt() } else { 1.0 };
    losses.iter().map(|loss| (loss - mean) / deviation).collect()
}
