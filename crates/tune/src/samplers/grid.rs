//! Exhaustive search of all combinations.

use std::collections::HashSet;

use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::{ParamValues, SearchSpace, SpaceParam, TuneError};

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 4;

/// Largest number of points of a grid.
const POINTS: usize = 10_000;

/// All combinations of the values of parameters with `step` or `choices`, in a random order that depends on the seed.
/// A trial gets the first point in that order that no earlier trial has, so that parallel workers try no point twice and
/// those of a queue are not tried again. Conditional parameters multiply only the combinations in which they are active.
#[derive(Debug, Clone, Copy, Default)]
pub struct GridSampler;

impl GridSampler {
    /// Number of points of the grid.
    ///
    /// # Errors
    /// A parameter with infinitely many values, or too many points.
    pub fn points(space: &SearchSpace) -> Result<usize, TuneError> {
        GridWalk::all(space).map(|points| points.len())
    }
}

impl Sampler for GridSampler {
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let points = GridWalk::all(request.space)?;
        let count = points.len();
        let tried: HashSet<Vec<i64>> =
            request.history.iter().map(|trial| place(request.space, &trial.params)).collect();
        let mut stream = DrawStream::new(request.seed, PURPOSE, 0);
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, stream.below(last + 1));
        }
        let next = order.into_iter().find(|point| !tried.contains(&place(request.space, &points[*point])));
        next.map(|point| points[point].clone()).ok_or(TuneError::GridExhausted { points: count })
    }
}

/// Step of each parameter on its scale, -1 where it is inactive: equal for equal points, whatever the rounding of their
/// values.
#[allow(clippy::cast_possible_truncation)]
fn place(space: &SearchSpace, values: &ParamValues) -> Vec<i64> {
    let step = |(name, param): (&String, &SpaceParam)| {
        let scale = param.distribution.scale();
        let step = scale.step.filter(|step| *step > 0.0).unwrap_or(1.0);
        values.get(name).map_or(-1, |value| ((value - scale.low) / step).round() as i64)
    };
    space.params().iter().map(step).collect()
}

/// Values of each parameter.
fn values_of(space: &SearchSpace) -> Result<Vec<(&str, Vec<f64>)>, TuneError> {
    let mut lists = Vec::with_capacity(space.params().len());
    for (name, param) in space.params() {
        let distribution = &param.distribution;
        let count = distribution.count().ok_or_else(|| TuneError::NotEnumerable { key: name.clone() })?;
        if count > POINTS as u64 {
            return Err(TuneError::GridTooLarge { limit: POINTS });
        }
        let scale = distribution.scale();
        let step = scale.step.unwrap_or(0.0);
        let values = (0..count).map(|place| distribution.clip(scale.low + place as f64 * step)).collect();
        lists.push((name.as_str(), values));
    }
    Ok(lists)
}

/// Depth-first walk over the points.
struct GridWalk<'a> {
    names: Vec<(&'a str, Vec<f64>)>,
    space: &'a SearchSpace,
    points: Vec<ParamValues>,
}

impl<'a> GridWalk<'a> {
    fn all(space: &'a SearchSpace) -> Result<Vec<ParamValues>, TuneError> {
        let mut walk = Self { names: values_of(space)?, space, points: Vec::new() };
        walk.descend(0, &mut ParamValues::new());
        if walk.points.len() > POINTS {
            return Err(TuneError::GridTooLarge { limit: POINTS });
        }
        Ok(walk.points)
    }

    fn descend(&mut self, depth: usize, values: &mut ParamValues) {
        if self.points.len() > POINTS {
            return;
        }
        let Some((name, choices)) = self.names.get(depth).cloned() else {
            self.points.push(values.clone());
            return;
        };
        if !self.space.is_active(name, values) {
            return self.descend(depth + 1, values);
        }
        for value in choices {
            values.insert(name.to_owned(), value);
            self.descend(depth + 1, values);
            values.shift_remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use crate::{StudyDirection, TrialState, TrialView};

    fn space(params: serde_json::Value) -> SearchSpace {
        let params: IndexMap<String, SpaceParam> = serde_json::from_value(params).expect("params");
        SearchSpace::new(params).expect("a space")
    }

    #[test]
    fn every_active_combination_occurs_once() {
        let space = space(json!({
            "kind": {"distribution": {"type": "categorical", "choices": ["a", "b"]}},
            "width": {"distribution": {"type": "int", "low": 2, "high": 8, "step": 3}},
            "depth": {
                "distribution": {"type": "float", "low": 0.0, "high": 0.3, "step": 0.1},
                "condition": {"param": "kind", "values": ["b"]}
            }
        }));
        // Three widths for the first kind, three widths by four depths for the second.
        assert_eq!(GridSampler::points(&space), Ok(15));
        let mut history: Vec<TrialView> = Vec::new();
        let next = |history: &[TrialView]| {
            let directions = &[StudyDirection::Minimize];
            let trial = history.len() as u64;
            GridSampler.sample(&SampleRequest { space: &space, directions, history, trial, seed: 2 })
        };
        let trial = |params: ParamValues| {
            let (values, intermediate) = (Vec::new(), Vec::new());
            TrialView { number: 0, state: TrialState::Failed, params, values, intermediate }
        };
        // Read from a journal, the first point differs in its last digit; another trial was not on the grid.
        let mut first = next(&history).expect("a point");
        first.values_mut().for_each(|value| *value *= 1.0 + f64::EPSILON);
        history.push(trial(first));
        history.push(trial([("width".to_owned(), 100.0)].into_iter().collect()));
        let mut points = BTreeSet::new();
        for _ in 0..14 {
            let point = next(&history).expect("a point");
            points.insert(format!("{point:?}"));
            history.push(trial(point));
        }
        assert_eq!(points.len(), 14);
        assert_eq!(next(&history), Err(TuneError::GridExhausted { points: 15 }));
    }

    #[test]
    fn infinite_and_large_grids_are_refused() {
        let float = space(json!({"lr": {"distribution": {"type": "float", "low": 0.0, "high": 1.0}}}));
        let error = GridSampler::points(&float).expect_err("an error").to_string();
        assert!(error.contains("`tune.space.lr`") && error.contains("set `step`"), "{error}");
        let wide = json!({"type": "int", "low": 0, "high": 999});
        let large = space(json!({"a": {"distribution": wide}, "b": {"distribution": wide}}));
        assert_eq!(GridSampler::points(&large), Err(TuneError::GridTooLarge { limit: 10_000 }));
    }
}
