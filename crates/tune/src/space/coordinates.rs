//! Parameters as coordinates of points.

use super::index;
use crate::numeric::DrawStream;
use crate::{ParamDistribution, ParamValues, SearchSpace};

/// Parameters with more than one value as coordinates: a number between 0 and 1, or the index of a category. Inactive
/// parameters have one constant coordinate, so that they do not separate points.
pub(crate) struct Coordinates<'a> {
    pub names: Vec<&'a str>,
    pub distributions: Vec<&'a ParamDistribution>,
    /// Place of the parameter that a condition names, and its choices with which the parameter is active.
    conditions: Vec<Option<(usize, Vec<usize>)>>,
}

impl<'a> Coordinates<'a> {
    pub fn new(space: &'a SearchSpace) -> Self {
        let mut coordinates = Self { names: Vec::new(), distributions: Vec::new(), conditions: Vec::new() };
        let mut values = ParamValues::new();
        for (name, param) in space.params() {
            if param.distribution.is_single() {
                if space.is_active(name, &values) {
                    values.insert(name.clone(), param.distribution.from_unit(0.5));
                }
                continue;
            }
            let condition = param.condition.as_ref().map(|condition| {
                let place = coordinates.names.iter().position(|known| *known == condition.param);
                let parent = space.distribution(&condition.param);
                let choice = |value| parent.and_then(|parent| parent.to_internal(value)).map(index);
                (place, condition.values.iter().filter_map(choice).collect::<Vec<usize>>())
            });
            let condition = match condition {
                Some((Some(place), choices)) => Some((place, choices)),
                // A condition on a parameter with one value always or never holds.
                Some((None, _)) if !space.is_active(name, &values) => continue,
                _ => None,
            };
            coordinates.names.push(name);
            coordinates.distributions.push(&param.distribution);
            coordinates.conditions.push(condition);
        }
        coordinates
    }

    /// Number of coordinates.
    pub fn width(&self) -> usize {
        self.names.len()
    }

    /// Coordinates of the parameters of a trial; `None` if an active one has no value.
    pub fn of_trial(&self, values: &ParamValues) -> Option<Vec<f64>> {
        let mut point = Vec::with_capacity(self.width());
        for (place, name) in self.names.iter().enumerate() {
            if self.is_active(&point, place) {
                point.push(self.encode(place, *values.get(*name)?));
            } else {
                point.push(self.inactive(place));
            }
        }
        Some(point)
    }

    /// Active parameters of a point.
    pub fn to_values(&self, point: &[f64], space: &SearchSpace) -> ParamValues {
        let mut values = ParamValues::new();
        for (name, param) in space.params() {
            if !space.is_active(name, &values) {
                continue;
            }
            let place = self.names.iter().position(|known| known == name);
            let value = place
                .map_or_else(|| param.distribution.from_unit(0.5), |place| self.decode(place, point[place]));
            values.insert(name.clone(), value);
        }
        values
    }

    /// `true` if the parameter is active beside the coordinates before it.
    pub fn is_active(&self, point: &[f64], place: usize) -> bool {
        self.conditions[place].as_ref().is_none_or(|(parent, choices)| {
            self.is_active(point, *parent) && choices.contains(&index(point[*parent]))
        })
    }

    /// Moves each active coordinate to a possible value, and the others to their constant.
    pub fn settle(&self, point: &mut [f64]) {
        for place in 0..point.len() {
            point[place] = if self.is_active(point, place) {
                self.encode(place, self.decode(place, point[place]))
            } else {
                self.inactive(place)
            };
        }
    }

    /// Point whose coordinates have given positions in their distributions; positions that lack are drawn.
    pub fn spread(&self, units: &[f64], stream: &mut DrawStream) -> Vec<f64> {
        let mut point: Vec<f64> = (0..self.width())
            .map(|place| {
                let unit = units.get(place).copied().unwrap_or_else(|| stream.unit());
                self.encode(place, self.distributions[place].from_unit(unit))
            })
            .collect();
        self.settle(&mut point);
        point
    }

    /// Point near another: some coordinates moved by a random amount.
    pub fn perturb(&self, point: &[f64], stream: &mut DrawStream) -> Vec<f64> {
        let width = 10_f64.powf(-0.5 - 2.0 * stream.unit());
        let share = (3.0 / point.len() as f64).min(1.0);
        let mut moved = point.to_vec();
        for (place, x) in moved.iter_mut().enumerate() {
            if stream.unit() < share {
                *x = if self.distributions[place].is_categorical() {
                    self.distributions[place].from_unit(stream.unit())
                } else {
                    (*x + width * stream.normal()).clamp(0.0, 1.0)
                };
            }
        }
        self.settle(&mut moved);
        moved
    }

    /// Coordinate of an internal value.
    fn encode(&self, place: usize, internal: f64) -> f64 {
        let distribution = self.distributions[place];
        if distribution.is_categorical() {
            distribution.clip(internal)
        } else {
            distribution.to_unit(internal)
        }
    }

    /// Internal value of a coordinate.
    fn decode(&self, place: usize, coordinate: f64) -> f64 {
        let distribution = self.distributions[place];
        if distribution.is_categorical() {
            distribution.clip(coordinate)
        } else {
            distribution.from_unit(coordinate)
        }
    }

    fn inactive(&self, place: usize) -> f64 {
        if self.distributions[place].is_categorical() { 0.0 } else { 0.5 }
    }
}
