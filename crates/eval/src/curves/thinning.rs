//! Lines with fewer points of the same shape.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::MOST_POINTS;

/// Length along a line, in shares of the plot, within which points are merged before the thinning proper.
const STEP: f64 = 1.0 / 8192.0;

/// Points of a line in the unit square, merged while they are pushed if there will be many.
pub(super) struct LineBuilder<T> {
    points: Vec<T>,
    merges: bool,
    position: Option<(f64, f64)>,
    length: f64,
    last: Option<T>,
}

impl<T: Copy> LineBuilder<T> {
    /// A line of about `expected` points.
    pub fn new(expected: usize) -> Self {
        let merges = expected > MOST_POINTS;
        Self { points: Vec::new(), merges, position: None, length: 0.0, last: None }
    }

    /// Adds a point with its position in the plot, both coordinates from 0 to 1.
    pub fn push(&mut self, point: T, position: (f64, f64)) {
        let before = self.position.replace(position);
        self.length += before.map_or(0.0, |(x, y)| (position.0 - x).abs() + (position.1 - y).abs());
        if !self.merges || self.points.is_empty() || self.length >= STEP {
            self.points.push(point);
            (self.length, self.last) = (0.0, None);
        } else {
            self.last = Some(point);
        }
    }

    /// The points, thinned by their coordinates.
    pub fn finish(mut self, coordinates: impl Fn(&T) -> (f64, f64)) -> Vec<T> {
        self.points.extend(self.last);
        thinned(self.points, coordinates)
    }
}

/// At most [`MOST_POINTS`] of the points of a line, those that its shape rests on: the point whose triangle with its
/// neighbours has the smallest area goes first (Visvalingam and Whyatt 1993). The first and the last point stay.
/// O(n log n). `coordinates` should be finite and of a similar scale.
pub fn thinned<T>(points: Vec<T>, coordinates: impl Fn(&T) -> (f64, f64)) -> Vec<T> {
    let count = points.len();
    if count <= MOST_POINTS {
        return points;
    }
    let at: Vec<(f64, f64)> = points.iter().map(coordinates).collect();
    let area = |a: usize, b: usize, c: usize| {
        let ((ax, ay), (bx, by), (cx, cy)) = (at[a], at[b], at[c]);
        ((bx - ax) * (cy - ay) - (cx - ax) * (by - ay)).abs() / 2.0
    };
    // Areas are not negative, so that their bits have their order.
    let entry = |area: f64, point: usize| Reverse((area.to_bits(), point));
    let mut before: Vec<usize> = (0..count).map(|point| point.saturating_sub(1)).collect();
    let mut after: Vec<usize> = (1..=count).collect();
    let inner = |point: usize| point > 0 && point < count - 1;
    let first = |point| if inner(point) { area(point - 1, point, point + 1) } else { f64::INFINITY };
    let mut areas: Vec<f64> = (0..count).map(first).collect();
    let mut heap: BinaryHeap<_> = (1..count - 1).map(|point| entry(areas[point], point)).collect();
    let mut kept = vec![true; count];
    let mut left = count;
    while left > MOST_POINTS {
        let Some(Reverse((bits, point))) = heap.pop() else { break };
        // The area has changed since, or the point is gone.
        if !kept[point] || areas[point].to_bits() != bits {
            continue;
        }
        (kept[point], left) = (false, left - 1);
        let (low, high) = (before[point], after[point]);
        (after[low], before[high]) = (high, low);
        for neighbour in [low, high].into_iter().filter(|&one| inner(one)) {
            // A point is not less important than one that went before it.
            let own = area(before[neighbour], neighbour, after[neighbour]).max(areas[point]);
            areas[neighbour] = own;
            heap.push(entry(own, neighbour));
        }
    }
    points.into_iter().zip(kept).filter_map(|(point, kept)| kept.then_some(point)).collect()
}
