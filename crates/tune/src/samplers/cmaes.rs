//! Covariance matrix adaptation evolution strategy.

use super::tpe::TpeSampler;
use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::{ParamDistribution, ParamValues, StudyDirection, TuneError};

mod evolution;
#[cfg(test)]
mod tests;

use evolution::Evolution;

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 5;

/// Standard deviation of the first generation, of a range of one.
const SIGMA: f64 = 1.0 / 6.0;

/// Draws for one point within the bounds, for each parameter.
const TRIES: usize = 10;

/// Covariance matrix adaptation evolution strategy (Hansen 2016) over the numeric parameters that are always active,
/// for one objective. [`TpeSampler`] samples the others.
///
/// Generations are the complete trials in the order of their numbers, so that the state of the search follows from the
/// history alone; trials of parallel workers that were drawn from the generation before count as well. Parameters with
/// steps keep a margin of probability for their neighbours (Hamano et al. 2022). A search that has converged starts
/// again from a random point with twice the population (Auger and Hansen 2005).
#[derive(Debug, Clone, Copy, Default)]
pub struct CmaEsSampler;

impl Sampler for CmaEsSampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let [direction] = request.directions else {
            return Err(TuneError::Objectives { sampler: "cmaes", objectives: request.directions.len() });
        };
        let members = numeric_members(request);
        let mut values = if members.len() == request.space.params().len() {
            members.iter().map(|(name, _)| ((*name).to_owned(), 0.0)).collect()
        } else {
            TpeSampler::default().sample(request)?
        };
        if members.is_empty() {
            return Ok(values);
        }
        let evolution = replay(request, *direction, &members);
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        let point = draw_inside(&evolution, &members, &mut stream);
        for ((name, distribution), unit) in members.iter().zip(point) {
            values.insert((*name).to_owned(), distribution.from_unit(unit));
        }
        Ok(values)
    }
}

/// Numeric parameters without condition and with more than one value.
fn numeric_members<'a>(request: &SampleRequest<'a>) -> Vec<(&'a str, &'a ParamDistribution)> {
    let params = request.space.params().iter();
    params
        .filter(|(_, param)| param.condition.is_none())
        .map(|(name, param)| (name.as_str(), &param.distribution))
        .filter(|(_, distribution)| !distribution.is_categorical() && !distribution.is_single())
        .collect()
}

/// State after all complete trials.
fn replay(
    request: &SampleRequest<'_>,
    direction: StudyDirection,
    members: &[(&str, &ParamDistribution)],
) -> Evolution {
    let mut scored: Vec<(u64, Vec<f64>, f64)> = Vec::new();
    for trial in request.history.iter().filter(|trial| trial.number != request.trial) {
        let point: Option<Vec<f64>> =
            members.iter().map(|(name, d)| trial.params.get(*name).map(|value| d.to_unit(*value))).collect();
        if let Some((point, loss)) = point.zip(trial.loss(direction)) {
            scored.push((trial.number, point, loss));
        }
    }
    scored.sort_by_key(|(number, _, _)| *number);
    let width = members.len();
    let mut evolution = Evolution::new(vec![0.5; width], SIGMA, Evolution::default_population(width));
    let mut restarts = 0;
    let mut rest = &scored[..];
    while rest.len() >= evolution.population {
        let (generation, later) = rest.split_at(evolution.population);
        rest = later;
        evolution.tell(generation.iter().map(|(_, point, loss)| (point.clone(), *loss)).collect());
        if evolution.is_finished() {
            restarts += 1;
            let mut stream = DrawStream::new(request.seed, PURPOSE, u64::MAX - restarts);
            let mean = (0..width).map(|_| stream.unit()).collect();
            evolution = Evolution::new(mean, SIGMA, evolution.population * 2);
        }
    }
    evolution
}

/// Point within the unit cube: the first of several draws that is, else the last one moved to the bounds.
fn draw_inside(
    evolution: &Evolution,
    members: &[(&str, &ParamDistribution)],
    stream: &mut DrawStream,
) -> Vec<f64> {
    let mut point = evolution.ask(stream);
    for _ in 0..TRIES * members.len() {
        if point.iter().all(|x| (0.0..=1.0).contains(x)) {
            break;
        }
        point = evolution.ask(stream);
    }
    let mutation = 1.0 / (evolution.population * members.len()) as f64;
    for (place, (x, (_, distribution))) in point.iter_mut().zip(members).enumerate() {
        *x = x.clamp(0.0, 1.0);
        let Some(count) = distribution.count() else { continue };
        // A distribution much narrower than a step would never reach the neighbouring value again.
        let step = 1.0 / count as f64;
        let move_up = stream.unit() < 0.5;
        if evolution.deviation(place) < step / 4.0 && stream.unit() < mutation {
            *x = (if move_up { *x + step } else { *x - step }).clamp(0.0, 1.0);
        }
    }
    point
}
