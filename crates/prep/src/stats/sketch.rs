//! What is remembered of a column's numbers: all of them, or a digest of bounded size.

use datasketches::tdigest::TDigestMut;

use super::Moments;

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
