//! Histograms that can be laid over each other.

/// Counts of several lists of values over the same intervals of equal width.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct BinnedCounts {
    /// Borders, one more than counts, ascending.
    pub edges: Vec<f64>,
    /// Counts of each list.
    pub counts: Vec<Vec<f64>>,
}

/// Histograms of lists of values with common borders, over `range` or from the least to the largest value. An interval
/// includes its lower border, the last one both, as in `numpy.histogram`. Values that are not finite or outside the
/// range are left out. `None` without values or bins.
pub fn histograms(lists: &[&[f64]], bins: usize, range: Option<(f64, f64)>) -> Option<BinnedCounts> {
    let finite = || lists.iter().flat_map(|list| list.iter().copied()).filter(|value| value.is_finite());
    let (low, high) = range.or_else(|| {
        let wider = |(low, high): (f64, f64), value: f64| (low.min(value), high.max(value));
        Some(finite().fold((f64::INFINITY, f64::NEG_INFINITY), wider)).filter(|(low, high)| low <= high)
    })?;
    // As numpy does for a single value.
    let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
    let width = (high - low) / bins as f64;
    if bins == 0 || !width.is_finite() || width <= 0.0 {
        return None;
    }
    let mut edges: Vec<f64> = (0..bins).map(|edge| low + edge as f64 * width).collect();
    edges.push(high);
    let count = |list: &&[f64]| {
        let mut counts = vec![0.0; bins];
        for &value in list.iter().filter(|value| (low..=high).contains(*value)) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let mut bin = (((value - low) / width) as usize).min(bins - 1);
            // The quotient is rounded.
            if value < edges[bin] {
                bin -= 1;
            } else if bin + 1 < bins && value >= edges[bin + 1] {
                bin += 1;
            }
            counts[bin] += 1.0;
        }
        counts
    };
    Some(BinnedCounts { counts: lists.iter().map(count).collect(), edges })
}
