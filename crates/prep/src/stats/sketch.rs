//! Distribution of a column's numbers: all values, or a t-digest of bounded size.

use datasketches::tdigest::TDigestMut;

use super::Moments;

/// Values that are stored before they are replaced by a digest.
const MAX_STORED: usize = 100_000;
/// Compression of the digest: ranks are off by less than 0.1 % in the middle (Dunning and Ertl 2019).
const COMPRESSION: u16 = 500;
/// Quantiles that represent the values of a digest, each an equal share of them.
const QUANTILES: usize = 8192;

/// Distribution of numbers, filled in one pass.
#[derive(Debug)]
pub(crate) struct Sketch {
    exact: bool,
    stored: Vec<f64>,
    digest: Option<TDigestMut>,
    moments: Moments,
    missing: usize,
}

impl Sketch {
    /// Creates an empty sketch. If `exact`, all values are stored, however many there are.
    pub fn new(exact: bool) -> Self {
        Self { exact, stored: Vec::new(), digest: None, moments: Moments::default(), missing: 0 }
    }

    /// Adds a value, or counts a missing one.
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
        self.stored.push(value);
        if !self.exact && self.stored.len() > MAX_STORED {
            // `new` fails only for a compression out of range.
            let Ok(mut digest) = TDigestMut::new(COMPRESSION) else { return };
            for value in std::mem::take(&mut self.stored) {
                digest.update(value);
            }
            self.digest = Some(digest);
        }
    }

    /// Number of missing values.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Number of values that were present.
    pub fn present(&self) -> usize {
        self.moments.count()
    }

    /// Exact moments of all present values.
    pub fn moments(&self) -> Moments {
        self.moments.clone()
    }

    /// All values in ascending order, or [`QUANTILES`] quantiles of the digest.
    pub fn sorted(&self) -> Vec<f64> {
        let Some(digest) = &self.digest else {
            let mut sorted = self.stored.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            return sorted;
        };
        let mut digest = digest.clone();
        let (low, high) = self.moments.range().unwrap_or((0.0, 0.0));
        let points = (0..QUANTILES).map(|i| match i {
            0 => low,
            i if i + 1 == QUANTILES => high,
            i => {
                let point = digest.quantile((i as f64 + 0.5) / QUANTILES as f64);
                point.ok().flatten().unwrap_or(low).clamp(low, high)
            }
        });
        points.collect()
    }
}
