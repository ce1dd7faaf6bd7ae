//! Search for the point with the largest expected improvement.

use super::posterior::Posterior;
use crate::numeric::DrawStream;
use crate::numeric::minimize;
use crate::samplers::sobol::scrambled_point;
use crate::space::Coordinates;

/// Points spread over the space, and perturbed points near the best trials.
const SPREAD: u32 = 512;
const NEAR: usize = 96;

/// Points of which the improvement is computed exactly, in the order of its bound.
const EXACT: usize = 48;

/// Points from which a local search starts, besides the best trial.
const STARTS: usize = 3;

/// Steps of a local search.
const ROUNDS: usize = 15;

/// Point with the largest logarithm of the expected improvement that the search finds. `elite` are the best points so
/// far, the best first.
pub(super) fn best_point(
    posterior: &Posterior<'_>,
    coordinates: &Coordinates<'_>,
    elite: &[Vec<f64>],
    stream: &mut DrawStream,
) -> Vec<f64> {
    let seed = stream.bits();
    let mut points: Vec<Vec<f64>> = Vec::new();
    for index in 0..SPREAD {
        let units = scrambled_point(seed, index, coordinates.width());
        points.push(coordinates.spread(&units, stream));
    }
    for round in 0..NEAR.min(NEAR * elite.len()) {
        points.push(coordinates.perturb(&elite[round % elite.len()], stream));
    }
    let mut starts = exact_best(posterior, points);
    if let Some(best) = elite.first() {
        starts.push((posterior.ln_improvement(best), best.clone()));
    }
    let mut best: Option<(f64, Vec<f64>)> = None;
    for (value, start) in starts {
        let found = refine(posterior, coordinates, start, value);
        if best.as_ref().is_none_or(|(value, _)| found.0 > *value) {
            best = Some(found);
        }
    }
    best.map(|(_, point)| point).unwrap_or_default()
}

/// The points with the largest improvement; points whose bound is too small are not evaluated.
fn exact_best(posterior: &Posterior<'_>, points: Vec<Vec<f64>>) -> Vec<(f64, Vec<f64>)> {
    let mut bounded: Vec<(f64, Vec<f64>)> =
        points.into_iter().map(|point| (posterior.ln_improvement_bound(&point), point)).collect();
    bounded.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut best: Vec<(f64, Vec<f64>)> = Vec::new();
    for (bound, point) in bounded.into_iter().take(EXACT) {
        if best.len() >= STARTS && best.last().is_some_and(|(value, _)| *value >= bound) {
            break;
        }
        best.push((posterior.ln_improvement(&point), point));
        best.sort_by(|a, b| b.0.total_cmp(&a.0));
        best.truncate(STARTS);
    }
    best
}

/// Local search: all numbers as if they were continuous, then each discrete parameter, then the continuous ones again.
fn refine(
    posterior: &Posterior<'_>,
    coordinates: &Coordinates<'_>,
    start: Vec<f64>,
    value: f64,
) -> (f64, Vec<f64>) {
    let discrete: Vec<bool> = coordinates.distributions.iter().map(|d| d.count().is_some()).collect();
    let mut best = (value, start);
    climb(posterior, coordinates, &mut best, &vec![false; discrete.len()]);
    if discrete.iter().any(|d| *d) {
        step_discrete(posterior, coordinates, &mut best);
        climb(posterior, coordinates, &mut best, &discrete);
    }
    best
}

/// Follows the gradient of the parameters that are not fixed, and keeps the result if it is better once rounded.
fn climb(
    posterior: &Posterior<'_>,
    coordinates: &Coordinates<'_>,
    best: &mut (f64, Vec<f64>),
    fixed: &[bool],
) {
    let moving: Vec<usize> = (0..fixed.len())
        .filter(|place| !fixed[*place] && !coordinates.distributions[*place].is_categorical())
        .filter(|place| coordinates.is_active(&best.1, *place))
        .collect();
    if moving.is_empty() {
        return;
    }
    let mut point = best.1.clone();
    let mut full = vec![0.0; point.len()];
    let start: Vec<f64> = moving.iter().map(|place| point[*place]).collect();
    let (found, _) = minimize(
        |x, gradient| {
            moving.iter().zip(x).for_each(|(place, x)| point[*place] = *x);
            let value = posterior.ln_improvement_gradient(&point, &mut full);
            gradient.iter_mut().zip(&moving).for_each(|(g, place)| *g = -full[*place]);
            -value
        },
        &start,
        (0.0, 1.0),
        ROUNDS,
        1e-3,
    );
    moving.iter().zip(found).for_each(|(place, x)| point[*place] = x);
    coordinates.settle(&mut point);
    let value = posterior.ln_improvement(&point);
    if value > best.0 {
        *best = (value, point);
    }
}

/// Tries the neighbouring values of each discrete parameter, and all choices of a categorical one.
fn step_discrete(posterior: &Posterior<'_>, coordinates: &Coordinates<'_>, best: &mut (f64, Vec<f64>)) {
    for place in 0..best.1.len() {
        let distribution = coordinates.distributions[place];
        let Some(count) = distribution.count() else { continue };
        if !coordinates.is_active(&best.1, place) {
            continue;
        }
        let current = best.1[place];
        let others: Vec<f64> = if distribution.is_categorical() {
            (0..count).map(|choice| choice as f64).collect()
        } else {
            let step = 1.0 / count as f64;
            vec![current - step, current + step]
        };
        for other in others {
            let mut point = best.1.clone();
            point[place] = other;
            coordinates.settle(&mut point);
            if point == best.1 {
                continue;
            }
            let value = posterior.ln_improvement(&point);
            if value > best.0 {
                *best = (value, point);
            }
        }
    }
}
