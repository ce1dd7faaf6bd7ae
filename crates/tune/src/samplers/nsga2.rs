//! Genetic algorithm for several objectives.

use super::random::RandomSampler;
use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::pareto::{best_subset, crowding_distances, front_ranks};
use crate::{ParamDistribution, ParamValues, TrialView, TuneError};

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 7;

/// Probability of a crossover; a child is a copy of its parent otherwise.
const CROSSOVER: f64 = 0.9;

/// Distribution indices of crossover and mutation: the larger, the nearer are children to their parents.
const CROSSOVER_INDEX: f64 = 15.0;
const MUTATION_INDEX: f64 = 20.0;

/// NSGA-II (Deb et al. 2002) with simulated binary crossover and polynomial mutation; categories are exchanged and
/// drawn anew. Generations are the complete trials in the order of their numbers, so that the parents follow from the
/// history alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nsga2Sampler {
    /// Number of trials of a generation. The first generation is random.
    pub population: usize,
}

impl Default for Nsga2Sampler {
    fn default() -> Self {
        Self { population: 50 }
    }
}

/// Trial of the population with its losses.
type Parent<'a> = (Vec<f64>, &'a TrialView);

impl Sampler for Nsga2Sampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let parents = self.parents(request);
        if parents.is_empty() {
            return RandomSampler.sample(request);
        }
        let losses: Vec<Vec<f64>> = parents.iter().map(|(losses, _)| losses.clone()).collect();
        let ranks = front_ranks(&losses);
        let distances = crowding_by_front(&losses, &ranks);
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        // Binary tournament: the lower front, then the less crowded place.
        let mut select = || {
            let (a, b) = (stream.below(parents.len()), stream.below(parents.len()));
            let better = ranks[a].cmp(&ranks[b]).then(distances[b].total_cmp(&distances[a]));
            parents[if better.is_gt() { b } else { a }].1
        };
        let (mother, father) = (select(), select());
        Ok(child(request, mother, father, &mut stream))
    }
}

impl Nsga2Sampler {
    /// The best trials of all finished generations.
    fn parents<'a>(&self, request: &SampleRequest<'a>) -> Vec<Parent<'a>> {
        let population = self.population.max(2);
        let mut complete: Vec<Parent<'_>> = request
            .history
            .iter()
            .filter(|trial| trial.number != request.trial)
            .filter_map(|trial| trial.losses(request.directions).map(|losses| (losses, trial)))
            .collect();
        complete.sort_by_key(|(_, trial)| trial.number);
        let mut parents: Vec<Parent<'_>> = Vec::new();
        for generation in complete.chunks_exact(population) {
            parents.extend_from_slice(generation);
            let losses: Vec<Vec<f64>> = parents.iter().map(|(losses, _)| losses.clone()).collect();
            parents =
                best_subset(&losses, population).into_iter().map(|place| parents[place].clone()).collect();
        }
        parents
    }
}

/// Crowding distance of each point within its front.
fn crowding_by_front(losses: &[Vec<f64>], ranks: &[usize]) -> Vec<f64> {
    let mut distances = vec![0.0; losses.len()];
    for rank in 0..=ranks.iter().copied().max().unwrap_or(0) {
        let front: Vec<usize> = (0..losses.len()).filter(|place| ranks[*place] == rank).collect();
        let points: Vec<Vec<f64>> = front.iter().map(|place| losses[*place].clone()).collect();
        for (place, distance) in front.into_iter().zip(crowding_distances(&points)) {
            distances[place] = distance;
        }
    }
    distances
}

/// Child of two trials. A parameter that only one of them has is inherited from that one, one that neither has is drawn.
fn child(
    request: &SampleRequest<'_>,
    mother: &TrialView,
    father: &TrialView,
    stream: &mut DrawStream,
) -> ParamValues {
    let crosses = stream.unit() < CROSSOVER;
    let mutation = 1.0 / request.space.params().len() as f64;
    let mut values = ParamValues::new();
    for (name, param) in request.space.params() {
        if !request.space.is_active(name, &values) {
            continue;
        }
        let distribution = &param.distribution;
        let inherited = match (mother.params.get(name), father.params.get(name)) {
            (Some(a), Some(b)) if crosses => cross(distribution, *a, *b, stream),
            (Some(a), _) | (None, Some(a)) => *a,
            (None, None) => distribution.from_unit(stream.unit()),
        };
        let mutates = stream.unit() < mutation;
        let value = if mutates { mutate(distribution, inherited, stream) } else { inherited };
        values.insert(name.clone(), distribution.clip(value));
    }
    values
}

/// Simulated binary crossover (Deb and Agrawal 1995) of half of the numbers; categories are exchanged.
fn cross(distribution: &ParamDistribution, a: f64, b: f64, stream: &mut DrawStream) -> f64 {
    let (exchanges, mixes, unit) = (stream.unit() < 0.5, stream.unit() < 0.5, stream.unit());
    let (near, far) = if exchanges { (b, a) } else { (a, b) };
    if distribution.is_categorical() || !mixes {
        return near;
    }
    let exponent = 1.0 / (CROSSOVER_INDEX + 1.0);
    let spread = if unit < 0.5 { (2.0 * unit).powf(exponent) } else { (2.0 - 2.0 * unit).powf(-exponent) };
    let (near, far) = (distribution.to_unit(near), distribution.to_unit(far));
    let mixed = 0.5 * ((1.0 + spread) * near + (1.0 - spread) * far);
    distribution.from_unit(mixed.clamp(0.0, 1.0))
}

/// Polynomial mutation (Deb and Goyal 1996) of a number; a category is drawn anew.
fn mutate(distribution: &ParamDistribution, value: f64, stream: &mut DrawStream) -> f64 {
    let unit = stream.unit();
    if distribution.is_categorical() {
        return distribution.from_unit(unit);
    }
    let exponent = 1.0 / (MUTATION_INDEX + 1.0);
    let shift =
        if unit < 0.5 { (2.0 * unit).powf(exponent) - 1.0 } else { 1.0 - (2.0 - 2.0 * unit).powf(exponent) };
    distribution.from_unit((distribution.to_unit(value) + shift).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use indexmap::IndexMap;

    use super::*;
    use crate::{SearchSpace, StudyDirection, TrialState, hypervolume_2d};

    #[test]
    fn the_front_is_better_than_that_of_random_trials() {
        let params: IndexMap<_, _> =
            (0..4).map(|k| (format!("x{k}"), ParamDistribution::float(0.0, 1.0).into())).collect();
        let space = SearchSpace::new(params).expect("a space");
        let directions = [StudyDirection::Minimize, StudyDirection::Maximize];
        let area = |sampler: &dyn Sampler| {
            let mut history: Vec<TrialView> = Vec::new();
            for trial in 0..300 {
                let request = SampleRequest {
                    space: &space,
                    directions: &directions,
                    history: &history,
                    trial,
                    seed: 1,
                };
                let params = sampler.sample(&request).expect("values");
                let g = 1.0 + 3.0 * (params["x1"] + params["x2"] + params["x3"]);
                let values = vec![params["x0"], -g * (1.0 - (params["x0"] / g).sqrt())];
                let state = TrialState::Complete;
                history.push(TrialView { number: trial, state, params, values, intermediate: vec![] });
            }
            let points: Vec<[f64; 2]> =
                history.iter().map(|trial| [trial.values[0], -trial.values[1]]).collect();
            hypervolume_2d(&points, [1.1, 1.1])
        };
        let (found, random) = (area(&Nsga2Sampler { population: 20 }), area(&RandomSampler));
        assert!(found > random + 0.1, "{found} {random}");
    }
}
