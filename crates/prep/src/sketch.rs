//! What is remembered of a column's numbers: all of them, or a digest of bounded size.

use cupola_spec::Scaling;
use datasketches::tdigest::TDigestMut;

/// Values that are kept before they become a digest.
const KEPT: usize = 100_000;
/// Compression of the digest: ranks are off by less than 0.1 % in the middle (Dunning and Ertl 2019).
const COMPRESSION: u16 = 500;
/// Values that stand for those of a digest, each for an equal share.
const POINTS: usize = 8192;

/// Numbers of a column, in one pass.
#[derive(Debug)]
pub(crate) struct Sketch {
    exact: bool,
    kept: Vec<f64>,
    digest: Option<TDigestMut>,
    moments: Moments,
    missing: usize,
}

impl Sketch {
    /// `exact`: all values are kept, however many there are.
    pub fn new(exact: bool) -> Self {
        Self { exact, kept: Vec::new(), digest: None, moments: Moments::default(), missing: 0 }
    }

    pub fn add(&mut self, value: Option<f64>) {
        let Some(value) = value else {
            self.missing += 1;
            return;
        };
        self.moments.add(value);
        if let Some(digest) = &mut self.digest {
            digest.update(value);
            return;
        }
        self.kept.push(value);
        if !self.exact && self.kept.len() > KEPT {
            // Only a compression out of range is refused.
            let Ok(mut digest) = TDigestMut::new(COMPRESSION) else { return };
            for value in std::mem::take(&mut self.kept) {
                digest.update(value);
            }
            self.digest = Some(digest);
        }
    }

    /// How many were missing.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// How many were not.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn present(&self) -> usize {
        self.moments.count as usize
    }

    /// Exact ones, however many values there were.
    pub fn moments(&self) -> Moments {
        self.moments.clone()
    }

    /// The values in order, or as many quantiles as stand for them.
    pub fn sorted(&self) -> Vec<f64> {
        let Some(digest) = &self.digest else {
            let mut sorted = self.kept.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            return sorted;
        };
        let mut digest = digest.clone();
        let (low, high) = self.moments.range.unwrap_or((0.0, 0.0));
        let points = (0..POINTS).map(|i| match i {
            0 => low,
            i if i + 1 == POINTS => high,
            i => {
                let point = digest.quantile((i as f64 + 0.5) / POINTS as f64);
                point.ok().flatten().unwrap_or(low).clamp(low, high)
            }
        });
        points.collect()
    }
}

/// Median, the mean of the two middle values for an even count; 0 of nothing.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        n => f64::midpoint(sorted[(n - 1) / 2], sorted[n / 2]),
    }
}

/// A quantile of sorted values by linear interpolation, as `numpy.quantile` has it; 0 of nothing.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn quantile(sorted: &[f64], rank: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = last as f64 * rank;
    let below = place.floor() as usize;
    let above = (below + 1).min(last);
    sorted[below] + (sorted[above] - sorted[below]) * (place - below as f64)
}

/// Count, mean and squared deviations in one pass (Welford 1962), and the range.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
    range: Option<(f64, f64)>,
}

impl Moments {
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.m2 += delta * (value - self.mean);
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// The same value many times (Chan et al. 1979).
    pub fn add_many(&mut self, value: f64, times: usize) {
        if times == 0 {
            return;
        }
        let n = times as f64;
        let delta = value - self.mean;
        self.m2 += delta * delta * self.count * n / (self.count + n);
        self.mean += delta * n / (self.count + n);
        self.count += n;
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// Of all values; 0 of none.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation (population).
    pub fn deviation(&self) -> f64 {
        (self.m2 / self.count.max(1.0)).sqrt()
    }

    /// `(shift, factor)` of a scaling by moments or the range; a constant keeps factor 1.
    pub fn scaling(&self, scaling: Scaling) -> (f64, f64) {
        let inverse = |spread: f64| if spread > 1e-12 { 1.0 / spread } else { 1.0 };
        let (low, high) = self.range.unwrap_or((0.0, 1.0));
        match scaling {
            Scaling::None => (0.0, 1.0),
            Scaling::MinMax => (low, inverse(high - low)),
            _ => (self.mean, inverse(self.deviation())),
        }
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        values.into_iter().for_each(|value| moments.add(value));
        moments
    }
}
