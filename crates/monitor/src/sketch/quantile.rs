//! Quantiles of a stream of numbers.

use datasketches::common::SearchCriteria;
use datasketches::kll::{KllFloat, KllSketch};
use serde::{Deserialize, Serialize};

/// Parameter of the KLL sketch: about 200 values are held, and a rank is wrong by about 4 % (99 % confidence).
const KLL_SIZE: u16 = 64;
/// Quantiles of a sealed sketch, evenly spaced from the minimum to the maximum.
const POINTS: usize = 33;

/// Quantiles of a stream of finite numbers in bounded memory.
///
/// While values arrive it is a KLL sketch (Karnin, Lang and Liberty, "Optimal quantile approximation in streams", FOCS
/// 2016). Sealed, for windows of the past and for JSON, it is 33 evenly spaced quantiles, a seventh of the size.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(from = "QuantilePoints", into = "QuantilePoints")]
pub struct QuantileSketch(Summary);

#[derive(Debug, Clone)]
enum Summary {
    Live(KllSketch<KllFloat<f64>>),
    Sealed(QuantilePoints),
}

impl Default for Summary {
    fn default() -> Self {
        Self::Sealed(QuantilePoints::default())
    }
}

/// Evenly spaced quantiles.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct QuantilePoints {
    /// Number of values that they stand for.
    count: u64,
    /// Ascending quantiles from the minimum to the maximum; empty without values.
    points: Vec<f64>,
}

impl From<QuantilePoints> for QuantileSketch {
    fn from(points: QuantilePoints) -> Self {
        Self(Summary::Sealed(points))
    }
}

impl From<QuantileSketch> for QuantilePoints {
    fn from(sketch: QuantileSketch) -> Self {
        sketch.points()
    }
}

impl QuantileSketch {
    /// Adds a value; NaN is ignored.
    pub fn add(&mut self, value: f64) {
        let Ok(item) = KllFloat::<f64>::new(value) else { return };
        if let Summary::Sealed(points) = &self.0
            && points.count == 0
            && let Ok(sketch) = KllSketch::new(KLL_SIZE)
        {
            self.0 = Summary::Live(sketch);
        }
        match &mut self.0 {
            Summary::Live(sketch) => sketch.update(item),
            Summary::Sealed(points) => {
                *points = points.merged(&QuantilePoints { count: 1, points: vec![value] });
            }
        }
    }

    /// Number of values.
    pub fn count(&self) -> u64 {
        match &self.0 {
            Summary::Live(sketch) => sketch.n(),
            Summary::Sealed(points) => points.count,
        }
    }

    /// Value that a share `level` of the values does not exceed, within the error of the sketch; `None` without values.
    pub fn quantile(&self, level: f64) -> Option<f64> {
        let level = level.clamp(0.0, 1.0);
        match &self.0 {
            Summary::Live(sketch) => {
                sketch.quantile(level, SearchCriteria::Inclusive).ok().flatten().map(KllFloat::into_inner)
            }
            Summary::Sealed(points) => points.quantile(level),
        }
    }

    /// Adds the values of another sketch.
    pub fn merge(&mut self, other: &Self) {
        if other.count() == 0 {
            return;
        }
        if let (Summary::Live(own), Summary::Live(theirs)) = (&mut self.0, &other.0)
            && own.merge(theirs).is_ok()
        {
            return;
        }
        self.0 = Summary::Sealed(self.points().merged(&other.points()));
    }

    /// Reduces the sketch to its evenly spaced quantiles.
    pub fn seal(&mut self) {
        self.0 = Summary::Sealed(self.points());
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            // Vectors of the levels have a capacity of up to twice their length.
            Summary::Live(sketch) => 2 * sketch.num_retained() * size_of::<f64>() + 256,
            Summary::Sealed(points) => points.points.capacity() * size_of::<f64>(),
        }
    }

    /// `true` if the quantiles ascend and are finite, as those of an untrusted document may not.
    pub(super) fn is_valid(&self) -> bool {
        match &self.0 {
            Summary::Live(_) => true,
            Summary::Sealed(QuantilePoints { count, points }) => {
                (*count == 0) == points.is_empty()
                    && points.len() <= POINTS
                    && points.iter().all(|point| point.is_finite())
                    && points.is_sorted()
            }
        }
    }

    fn points(&self) -> QuantilePoints {
        match &self.0 {
            Summary::Sealed(points) => points.clone(),
            Summary::Live(sketch) => {
                let levels: Vec<f64> = (0..POINTS).map(|at| at as f64 / (POINTS - 1) as f64).collect();
                let points = sketch.quantiles(&levels, SearchCriteria::Inclusive).ok().flatten();
                let points = points.unwrap_or_default().into_iter().map(KllFloat::into_inner).collect();
                QuantilePoints { count: sketch.n(), points }
            }
        }
    }
}

impl QuantilePoints {
    fn quantile(&self, level: f64) -> Option<f64> {
        let last = self.points.len().checked_sub(1)?;
        let at = level * last as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index of the list")]
        let below = (at.floor() as usize).min(last);
        let (low, high) = (self.points[below], self.points[(below + 1).min(last)]);
        Some(low + (high - low) * at.fract())
    }

    /// Quantiles of both: each point stands for an equal share of its side's values.
    fn merged(&self, other: &Self) -> Self {
        let mut weighted: Vec<(f64, f64)> = Vec::with_capacity(self.points.len() + other.points.len());
        for side in [self, other] {
            let weight = side.count as f64 / side.points.len().max(1) as f64;
            weighted.extend(side.points.iter().map(|point| (*point, weight)));
        }
        weighted.sort_by(|a, b| a.0.total_cmp(&b.0));
        let total: f64 = weighted.iter().map(|(_, weight)| weight).sum();
        let (mut at, mut before) = (0, 0.0);
        let mut points = Vec::with_capacity(POINTS);
        for point in 0..POINTS {
            let rank = total * point as f64 / (POINTS - 1) as f64;
            while at + 1 < weighted.len() && before + weighted[at].1 < rank {
                before += weighted[at].1;
                at += 1;
            }
            points.extend(weighted.get(at).map(|(value, _)| *value));
        }
        if let (Some(largest), Some(last)) = (weighted.last(), points.last_mut()) {
            *last = largest.0;
        }
        Self { count: self.count.saturating_add(other.count), points }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Share of 0..n that is at most `value`.
    fn rank(value: f64, n: f64) -> f64 {
        (value + 1.0) / n
    }

    #[test]
    fn quantiles_of_a_stream_have_their_rank_live_sealed_and_merged() {
        let n = 20_000;
        let (mut whole, mut halves) =
            (QuantileSketch::default(), [(); 2].map(|()| QuantileSketch::default()));
        for at in 0..n {
            // Every number once, in an order without a trend.
            let value = f64::from((at * 7_919) % n);
            whole.add(value);
            halves[usize::from(value >= f64::from(n) / 4.0)].add(value);
        }
        let mut sealed = whole.clone();
        sealed.seal();
        let [mut low, high] = halves.clone();
        low.merge(&high);
        let [mut sealed_low, sealed_high] = halves;
        sealed_low.seal();
        sealed_low.merge(&sealed_high);
        for sketch in [&whole, &sealed, &low, &sealed_low] {
            assert_eq!(sketch.count(), 20_000);
            assert_eq!((sketch.quantile(0.0), sketch.quantile(1.0)), (Some(0.0), Some(19_999.0)));
            for level in [0.05, 0.25, 0.5, 0.9] {
                let found = rank(sketch.quantile(level).unwrap(), 20_000.0);
                assert!((found - level).abs() < 0.08, "{level}: {found}");
            }
        }
        let json = serde_json::to_string(&sealed).unwrap();
        let back: QuantileSketch = serde_json::from_str(&json).unwrap();
        assert_eq!(back.quantile(0.25), sealed.quantile(0.25));
        assert!(back.is_valid());
    }

    #[test]
    fn an_empty_sketch_has_no_quantiles_and_merges() {
        let (mut empty, mut one) = (QuantileSketch::default(), QuantileSketch::default());
        empty.add(f64::NAN);
        assert_eq!((empty.count(), empty.quantile(0.5)), (0, None));
        one.add(3.0);
        one.seal();
        one.merge(&empty);
        empty.merge(&one);
        empty.add(5.0);
        assert_eq!((empty.count(), empty.quantile(0.0), empty.quantile(1.0)), (2, Some(3.0), Some(5.0)));
    }
}
