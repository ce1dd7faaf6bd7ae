//! Exhaustive search of all combinations.

use super::{SampleRequest, Sampler};
use crate::numeric::DrawStream;
use crate::{ParamValues, SearchSpace, TuneError};

/// Purpose of the draws of this sampler.
const PURPOSE: u64 = 4;

/// Largest number of points of a grid.
const POINTS: usize = 10_000;

/// All combinations of the values of parameters with `step` or `choices`, in a random order that depends on the seed.
/// The number of the trial is the place in that order, so that parallel workers try no point twice. Conditional
/// parameters multiply only the combinations in which they are active.
#[derive(Debug, Clone, Copy, Default)]
pub struct GridSampler;

impl GridSampler {
    /// Number of points of the grid.
    ///
    /// # Errors
    /// A parameter with infinitely many values, or too many points.
    pub fn points(space: &SearchSpace) -> Result<usize, TuneError> {
        let mut walk = GridWalk { names: values_of(space)?, space, wanted: usize::MAX, seen: 0, found: None };
        walk.descend(0, &mut ParamValues::new());
        if walk.seen > POINTS { Err(TuneError::GridTooLarge { limit: POINTS }) } else { Ok(walk.seen) }
    }
}

impl Sampler for GridSampler {
    #[allow(clippy::cast_possible_truncation)]
    fn sample(&self, request: &SampleRequest<'_>) -> Result<ParamValues, TuneError> {
        let points = Self::points(request.space)?;
        let exhausted = TuneError::GridExhausted { points };
        let place = usize::try_from(request.trial).ok().filter(|place| *place < points).ok_or(exhausted)?;
        let mut stream = DrawStream::new(request.seed, PURPOSE, 0);
        let mut order: Vec<usize> = (0..points).collect();
        for last in (1..points).rev() {
            order.swap(last, stream.below(last + 1));
        }
        let mut walk = GridWalk {
            names: values_of(request.space)?,
            space: request.space,
            wanted: order[place],
            seen: 0,
            found: None,
        };
        walk.descend(0, &mut ParamValues::new());
        walk.found.ok_or(TuneError::GridExhausted { points })
    }
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

/// Depth-first walk over the points, which ends at the wanted one.
struct GridWalk<'a> {
    names: Vec<(&'a str, Vec<f64>)>,
    space: &'a SearchSpace,
    wanted: usize,
    seen: usize,
    found: Option<ParamValues>,
}

impl GridWalk<'_> {
    fn descend(&mut self, depth: usize, values: &mut ParamValues) {
        if self.found.is_some() || self.seen > POINTS {
            return;
        }
        let Some((name, choices)) = self.names.get(depth).cloned() else {
            if self.seen == self.wanted {
                self.found = Some(values.clone());
            }
            self.seen += 1;
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
    use crate::{SpaceParam, StudyDirection};

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
        let request = |trial| SampleRequest {
            space: &space,
            directions: &[StudyDirection::Minimize],
            history: &[],
            trial,
            seed: 2,
        };
        let points: BTreeSet<String> = (0..15)
            .map(|trial| format!("{:?}", GridSampler.sample(&request(trial)).expect("a point")))
            .collect();
        assert_eq!(points.len(), 15);
        assert_eq!(GridSampler.sample(&request(15)), Err(TuneError::GridExhausted { points: 15 }));
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
