//! Count, mean, deviation and range in one pass.

use cupola_spec::Scaling;

/// Spread below which a column counts as constant.
const CONSTANT: f64 = 1e-12;

/// Count, mean and squared deviations in one pass (Welford 1962), and the range.
#[derive(Debug, Default, Clone)]
pub(crate) struct Moments {
    count: f64,
    mean: f64,
    m2: f64,
    range: Option<(f64, f64)>,
}

impl Moments {
    /// Adds a value.
    pub fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.m2 += delta * (value - self.mean);
        self.extend_range(value);
    }

    /// Adds the same value `times` times (Chan et al. 1979).
    pub fn add_many(&mut self, value: f64, times: usize) {
        if times == 0 {
            return;
        }
        let n = times as f64;
        let delta = value - self.mean;
        self.m2 += delta * delta * self.count * n / (self.count + n);
        self.mean += delta * n / (self.count + n);
        self.count += n;
        self.extend_range(value);
    }

    fn extend_range(&mut self, value: f64) {
        let (low, high) = self.range.unwrap_or((value, value));
        self.range = Some((low.min(value), high.max(value)));
    }

    /// Number of values.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn count(&self) -> usize {
        self.count as usize
    }

    /// Smallest and largest value; `None` for no values.
    pub fn range(&self) -> Option<(f64, f64)> {
        self.range
    }

    /// Mean; 0 for no values.
    pub fn mean(&self) -> f64 {
        self.mean
    }

    /// Standard deviation of the population.
    pub fn deviation(&self) -> f64 {
        (self.m2 / self.count.max(1.0)).sqrt()
    }

    /// `(shift, factor)` of a scaling by mean and deviation or by the range. A constant keeps factor 1.
    pub fn scaling(&self, scaling: Scaling) -> (f64, f64) {
        let inverse = |spread: f64| if spread > CONSTANT { 1.0 / spread } else { 1.0 };
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
