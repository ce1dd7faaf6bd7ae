//! Increases of counters over windows of time, in bounded memory.

use std::collections::VecDeque;

/// Age from which points are thinned, in seconds.
const FINE: f64 = 3_600.0;
/// Distance of older points, in seconds.
const COARSE_STEP: f64 = 300.0;

/// Counters at one moment, as totals that never fall.
#[derive(Debug, Clone, Copy)]
struct CounterPoint {
    at: f64,
    totals: [f64; 2],
}

/// Two counters over time: each point of the last hour, and one per five minutes before.
#[derive(Debug, Clone)]
pub(super) struct CounterHistory {
    keep: f64,
    coarse: VecDeque<CounterPoint>,
    fine: VecDeque<CounterPoint>,
    /// Values of the counters at the last point. A smaller value means that a counter began anew.
    last: Option<[f64; 2]>,
}

impl CounterHistory {
    /// History that answers for windows of up to `keep` seconds.
    pub fn new(keep: f64) -> Self {
        Self { keep, coarse: VecDeque::new(), fine: VecDeque::new(), last: None }
    }

    /// Adds the counters at a time, which must not fall.
    pub fn push(&mut self, at: f64, values: [f64; 2]) {
        let before = self.fine.back().map_or([0.0; 2], |point| point.totals);
        let last = self.last.unwrap_or(values);
        let grown = |index: usize| {
            let (new, old) = (values[index], last[index]);
            before[index] + if new >= old { new - old } else { new }
        };
        let totals = [grown(0), grown(1)];
        self.last = Some(values);
        self.fine.push_back(CounterPoint { at, totals });
        self.thin(at);
    }

    fn thin(&mut self, now: f64) {
        while self.fine.len() > 1 && self.fine.front().is_some_and(|point| point.at < now - FINE) {
            let Some(point) = self.fine.pop_front() else { break };
            if self.coarse.back().is_none_or(|kept| point.at >= kept.at + COARSE_STEP) {
                self.coarse.push_back(point);
            }
        }
        // The last point before the window is its beginning.
        while self.coarse.get(1).is_some_and(|second| second.at <= now - self.keep) {
            self.coarse.pop_front();
        }
    }

    /// Increases over the last `window` seconds, or since the first point if that is later.
    pub fn increase(&self, window: f64) -> [f64; 2] {
        let Some(newest) = self.fine.back() else { return [0.0; 2] };
        let from = newest.at - window;
        let points = self.coarse.iter().chain(&self.fine);
        let start =
            points.clone().take_while(|point| point.at <= from).last().or_else(|| points.clone().next());
        start.map_or([0.0; 2], |start| {
            [newest.totals[0] - start.totals[0], newest.totals[1] - start.totals[1]]
        })
    }

    /// Time that the points span, in seconds.
    pub fn span(&self) -> f64 {
        let first = self.coarse.front().or_else(|| self.fine.front());
        first.zip(self.fine.back()).map_or(0.0, |(first, last)| last.at - first.at)
    }

    /// Number of points.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.coarse.len() + self.fine.len()
    }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;

    #[test]
    fn increases_of_three_days_are_those_of_all_points() {
        let mut history = CounterHistory::new(259_200.0);
        let mut all = Vec::new();
        let mut count = 0.0;
        for step in 0..30_000_u32 {
            let at = f64::from(step) * 15.0;
            count += f64::from(step % 7);
            history.push(at, [count, 2.0 * count]);
            all.push((at, count));
        }
        assert!(history.len() < 1_200, "{}", history.len());
        let (now, newest) = all[all.len() - 1];
        for window in [300.0, 1_800.0, 3_600.0, 21_600.0, 259_200.0] {
            let start = all.iter().rev().find(|(at, _)| *at <= now - window).unwrap().1;
            let [found, twice] = history.increase(window);
            let allowed = if window > FINE { 6.0 * COARSE_STEP / 15.0 } else { 0.0 };
            assert!((found - (newest - start)).abs() <= allowed, "{window}: {found} {}", newest - start);
            assert_eq!(twice, 2.0 * found);
        }
    }

    #[test]
    fn a_counter_that_begins_anew_loses_nothing() {
        let mut history = CounterHistory::new(100.0);
        assert_eq!(history.increase(10.0), [0.0; 2]);
        for (at, value) in [(0.0, 5.0), (1.0, 9.0), (2.0, 2.0), (3.0, 3.0)] {
            history.push(at, [value, 0.0]);
        }
        assert_eq!(history.increase(100.0), [7.0, 0.0]);
        assert_eq!(history.increase(1.0), [1.0, 0.0]);
        assert_eq!(history.span(), 3.0);
    }
}
