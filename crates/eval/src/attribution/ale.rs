//! Accumulated local effects of a number (Apley and Zhu 2020, 3.2): unlike partial dependence, only rows near a value
//! tell about it, so correlated features do not lead to rows that do not exist.

use serde::{Deserialize, Serialize};

/// Accumulated local effects, centred so that their mean over the rows is 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AleCurve {
    /// Edges of the bins, ascending.
    pub edges: Vec<f64>,
    /// Effect at each edge.
    pub effects: Vec<f64>,
    /// Rows in each bin, one fewer than edges.
    pub counts: Vec<usize>,
}

impl AleCurve {
    /// Edges of at most `bins` bins with about as many rows each: the smallest value, then quantiles that are values of
    /// rows (type 1 of Hyndman and Fan 1996). Values that are not finite are left out.
    pub fn quantile_edges(values: &[f64], bins: usize) -> Vec<f64> {
        let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let mut edges: Vec<f64> = sorted.first().into_iter().copied().collect();
        for bin in 1..=bins {
            let at = (sorted.len() * bin).div_ceil(bins.max(1)).saturating_sub(1).min(last);
            edges.extend(sorted.get(at));
        }
        edges.dedup();
        edges
    }
}

/// Curve of the feature that has these values in the rows, over bins with these edges. `predict` returns the predictions
/// of all rows with other values of the feature. Rows with a value that is not finite, or outside of the edges, do not
/// count. `None` for fewer than two edges, or without rows between them.
///
/// # Errors
/// The errors of `predict`.
pub fn ale<E>(
    values: &[f64],
    edges: &[f64],
    mut predict: impl FnMut(&[f64]) -> Result<Vec<f64>, E>,
) -> Result<Option<AleCurve>, E> {
    let bin = |value: f64| match edges {
        // The first bin has both of its edges, the others the upper one.
        [first, .., last] if (*first..=*last).contains(&value) => {
            Some(edges.partition_point(|edge| *edge < value).saturating_sub(1))
        }
        _ => None,
    };
    let bins: Vec<Option<usize>> = values.iter().map(|value| bin(*value)).collect();
    let total = bins.iter().flatten().count();
    if total == 0 {
        return Ok(None);
    }
    let moved = |offset: usize| {
        let value = |(value, bin): (&f64, &Option<usize>)| bin.map_or(*value, |bin| edges[bin + offset]);
        values.iter().zip(&bins).map(value).collect::<Vec<f64>>()
    };
    let (low, high) = (predict(&moved(0))?, predict(&moved(1))?);
    let (mut sums, mut counts) = (vec![0.0; edges.len() - 1], vec![0; edges.len() - 1]);
    for ((low, high), bin) in low.iter().zip(&high).zip(&bins) {
        if let Some(bin) = *bin {
            sums[bin] += high - low;
            counts[bin] += 1;
        }
    }
    let mut effects = vec![0.0];
    let mut mean = 0.0;
    for (sum, count) in sums.iter().zip(&counts) {
        let before = effects.last().copied().unwrap_or_default();
        let after = before + if *count > 0 { sum / *count as f64 } else { 0.0 };
        mean += 0.5 * (before + after) * *count as f64 / total as f64;
        effects.push(after);
    }
    for effect in &mut effects {
        *effect -= mean;
    }
    Ok(Some(AleCurve { edges: edges.to_vec(), effects, counts }))
}

#[cfg(test)]
mod tests;
