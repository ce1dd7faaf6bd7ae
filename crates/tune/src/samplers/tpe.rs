//! Tree-structured Parzen estimator.

use super::random::RandomSampler;
use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::pareto::best_subset;
use crate::{ParamDistribution, ParamValues, StudyDirection, TrialState, TrialView, TuneError};

mod parzen;
#[cfg(test)]
mod tests;

use parzen::ParzenMixture;

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 2;

/// Largest number of good trials of a study with one objective.
const GOOD: usize = 25;

/// Multivariate tree-structured Parzen estimator (Bergstra et al. 2011; Watanabe 2023) with the defaults of Optuna 5.
///
/// It models the best tenth of the trials and the others by a mixture each, draws candidates from the first and takes
/// the one with the largest ratio of densities. Parameters that are active together have one mixture. Running trials
/// count as bad ("constant liar"), which keeps parallel workers apart. With several objectives, the best are those of
/// the first fronts, and each parameter has its own mixture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TpeSampler {
    /// Number of finished trials before which samples are random.
    pub startup: usize,
    /// Number of candidates.
    pub candidates: usize,
}

impl Default for TpeSampler {
    fn default() -> Self {
        Self { startup: 10, candidates: 24 }
    }
}

impl Sampler for TpeSampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let others: Vec<&TrialView> = request.history.iter().filter(|t| t.number != request.trial).collect();
        let finished = others.iter().filter(|trial| is_scored(trial, request.directions)).count();
        if finished < self.startup.max(1) {
            return RandomSampler.sample(request);
        }
        let (good, bad) = split(&others, request.directions, finished);
        let mut stream = DrawStream::new(request.seed, PURPOSE, request.trial);
        let mut values = ParamValues::new();
        for group in request.space.groups() {
            if !group.iter().all(|name| request.space.is_active(name, &values)) {
                continue;
            }
            let blocks: Vec<&[&str]> =
                if request.directions.len() > 1 { group.chunks(1).collect() } else { vec![&group[..]] };
            for names in blocks {
                let (single, members): (Vec<_>, Vec<_>) = names
                    .iter()
                    .filter_map(|name| request.space.distribution(name).map(|d| (*name, d)))
                    .partition(|(_, distribution)| distribution.is_single());
                values.extend(single.iter().map(|(name, d)| ((*name).to_owned(), d.from_unit(0.5))));
                if members.is_empty() {
                    continue;
                }
                let ramp = request.directions.len() == 1;
                let point = self.sample_group(&members, &good, &bad, ramp, &mut stream);
                values
                    .extend(members.iter().zip(point).map(|((name, _), value)| ((*name).to_owned(), value)));
            }
        }
        // The order of the space, as the other samplers have it.
        values.sort_by_cached_key(|name, _| request.space.params().get_index_of(name));
        Ok(values)
    }
}

impl TpeSampler {
    /// Candidate of one group with the largest ratio of densities.
    fn sample_group(
        &self,
        members: &[(&str, &ParamDistribution)],
        good: &[&TrialView],
        bad: &[&TrialView],
        ramp: bool,
        stream: &mut DrawStream,
    ) -> Vec<f64> {
        let distributions: Vec<&ParamDistribution> = members.iter().map(|(_, d)| *d).collect();
        let good = ParzenMixture::new(&distributions, &observations(members, good), ramp);
        let bad = ParzenMixture::new(&distributions, &observations(members, bad), true);
        let mut best = (f64::NEG_INFINITY, Vec::new());
        for _ in 0..self.candidates.max(1) {
            let point = good.sample(stream);
            let score = good.ln_density(&point) - bad.ln_density(&point);
            if best.1.is_empty() || score > best.0 {
                best = (score, point);
            }
        }
        best.1
    }
}

/// `true` for a trial with a value to learn from.
fn is_scored(trial: &TrialView, directions: &[StudyDirection]) -> bool {
    trial.state == TrialState::Pruned || trial.losses(directions).is_some()
}

/// Good and bad trials, each in the order of their numbers. Running trials are bad, failed ones in neither.
fn split<'a>(
    trials: &[&'a TrialView],
    directions: &[StudyDirection],
    finished: usize,
) -> (Vec<&'a TrialView>, Vec<&'a TrialView>) {
    let mut wanted = finished.div_ceil(10);
    if directions.len() == 1 {
        wanted = wanted.min(GOOD);
    }
    let mut complete: Vec<(Vec<f64>, &TrialView)> =
        trials.iter().filter_map(|trial| trial.losses(directions).map(|losses| (losses, *trial))).collect();
    complete.sort_by_key(|(_, trial)| trial.number);
    let losses: Vec<Vec<f64>> = complete.iter().map(|(losses, _)| losses.clone()).collect();
    let best = best_subset(&losses, wanted.min(complete.len()));
    let mut good: Vec<&TrialView> = best.iter().map(|place| complete[*place].1).collect();

    let mut pruned: Vec<&TrialView> =
        trials.iter().copied().filter(|trial| trial.state == TrialState::Pruned).collect();
    pruned.sort_by(|a, b| pruned_order(a, b, directions).then(a.number.cmp(&b.number)));
    good.extend(pruned.iter().take(wanted - good.len()));

    good.sort_by_key(|trial| trial.number);
    let mut bad: Vec<&TrialView> = trials
        .iter()
        .copied()
        .filter(|trial| trial.state == TrialState::Running || is_scored(trial, directions))
        .filter(|trial| good.binary_search_by_key(&trial.number, |good| good.number).is_err())
        .collect();
    bad.sort_by_key(|trial| trial.number);
    (good, bad)
}

/// Order of pruned trials: the longest first, then by their last value.
fn pruned_order(a: &TrialView, b: &TrialView, directions: &[StudyDirection]) -> std::cmp::Ordering {
    let key = |trial: &TrialView| {
        let direction = directions.first().copied().unwrap_or(StudyDirection::Minimize);
        let (step, value) = trial.intermediate.last().copied()?;
        let loss = if value.is_nan() { f64::INFINITY } else { direction.loss(value) };
        Some((step, loss))
    };
    match (key(a), key(b)) {
        (Some((step_a, loss_a)), Some((step_b, loss_b))) => {
            step_b.cmp(&step_a).then(loss_a.total_cmp(&loss_b))
        }
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// Internal values of the trials that have all members, as one list per member.
fn observations(members: &[(&str, &ParamDistribution)], trials: &[&TrialView]) -> Vec<Vec<f64>> {
    let mut columns = vec![Vec::with_capacity(trials.len()); members.len()];
    for trial in trials {
        let row: Option<Vec<f64>> = members
            .iter()
            .map(|(name, distribution)| trial.params.get(*name).map(|value| distribution.clip(*value)))
            .collect();
        for (column, value) in columns.iter_mut().zip(row.into_iter().flatten()) {
            column.push(value);
        }
    }
    columns
}
