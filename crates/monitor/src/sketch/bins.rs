//! Bins of numbers among which some values repeat.

use crate::profile::{NumberReference, ReferenceValues};

/// Bins that quantiles of equal steps have; a value with a larger share of the rows gets a bin of its own.
const BINS: usize = 20;
/// Fewest of the values in a bin between repeated values, as a fraction: one of so many.
const SMALLEST_BIN: usize = 100;

/// Reference with bins that set repeated values apart.
pub(super) fn with_own_bins(values: &ReferenceValues) -> ReferenceValues {
    match values {
        ReferenceValues::Number(number) => ReferenceValues::Number(separated(number)),
        ReferenceValues::Category(_) => values.clone(),
        ReferenceValues::Text(text) => {
            let mut text = text.clone();
            text.length = separated(&text.length);
            text.known_share = separated(&text.known_share);
            ReferenceValues::Text(text)
        }
    }
}

/// Quantiles of a column of mostly zeros fall on one value, so that one bin holds zeros and all else. Each repeated value
/// gets a bin of its own here, and the others bins of equal counts. Profiles without sorted values, and those whose
/// quantiles are distinct, keep their bins.
fn separated(reference: &NumberReference) -> NumberReference {
    let kept = || reference.clone();
    let collapsed = reference.distinct > BINS as u64 && reference.counts.len() < BINS;
    let (Some(low), Some(high)) = (reference.sorted.first(), reference.sorted.last()) else { return kept() };
    if !collapsed || low >= high {
        return kept();
    }
    let mut edges = inner_edges(&reference.sorted);
    let low = reference.minimum.unwrap_or(*low).min(*low);
    let high = reference.maximum.unwrap_or(*high).max(*high);
    if edges.first().is_none_or(|first| low < *first) {
        edges.insert(0, low);
    }
    if edges.last().is_none_or(|last| *last < high) {
        edges.push(high);
    }
    if edges.len() < 2 {
        return kept();
    }
    let counts = scaled_counts(&edges, reference);
    NumberReference { edges, counts, ..kept() }
}

/// Borders around each repeated value, and between the others.
#[allow(clippy::float_cmp, reason = "repetitions of a value are equal")]
fn inner_edges(sorted: &[f64]) -> Vec<f64> {
    let groups: Vec<&[f64]> = sorted.chunk_by(|a, b| a == b).collect();
    let is_heavy = |group: &[f64]| group.len() * BINS > sorted.len();
    let heavy = groups.iter().filter(|group| is_heavy(group));
    let (bins, values) = heavy.fold((0, 0), |(bins, values), group| (bins + 1, values + group.len()));
    let others = (sorted.len() - values) / BINS.saturating_sub(bins).max(1);
    let least = others.max(sorted.len() / SMALLEST_BIN).max(1);
    let (mut edges, mut filled) = (Vec::new(), 0);
    for (at, group) in groups.iter().enumerate() {
        let value = group[0];
        if is_heavy(group) {
            edges.push(value);
            edges.push(just_above(value, groups.get(at + 1).map(|next| next[0])));
            filled = 0;
        } else {
            if filled >= least {
                edges.push(value);
                filled = 0;
            }
            filled += group.len();
        }
    }
    edges.dedup();
    edges
}

/// Next number in 32 bits: values of tensors are compared in 32 bits, so that a nearer border would be the value itself.
fn just_above(value: f64, next: Option<f64>) -> f64 {
    #[allow(clippy::cast_possible_truncation, reason = "a number beyond the range is caught below")]
    let single = f64::from((value as f32).next_up());
    let above = if single.is_finite() { single } else { value.next_up() };
    next.map_or(above, |next| above.min(next))
}

/// Number of rows in each bin: the shares of the sorted values, which may be a sample, of all rows.
#[allow(clippy::cast_precision_loss, reason = "counts of fewer than 2^53 rows")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of the count of rows")]
fn scaled_counts(edges: &[f64], reference: &NumberReference) -> Vec<u64> {
    let sorted = &reference.sorted;
    let rows: u64 = reference.counts.iter().sum();
    let scale = rows.max(1) as f64 / sorted.len().max(1) as f64;
    let last = edges.len() - 2;
    let below = |edge: usize| match edge {
        0 => 0,
        edge if edge > last => sorted.len(),
        edge => sorted.partition_point(|value| *value < edges[edge]),
    };
    (0..=last).map(|bin| ((below(bin + 1) - below(bin)) as f64 * scale).round() as u64).collect()
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "the values are exact")]
mod tests {
    use super::*;
    use crate::profile::{ColumnRole, ReferenceColumn};
    use crate::sketch::{ColumnSketch, DriftLimits, LiveDrift, LiveVerdict, SketchColumn};

    /// 1,900 zeros and 100 values up to 99,999, as capital gains are; the quantiles collapse to one bin.
    fn mostly_zero() -> SketchColumn {
        let mut sorted = vec![0.0; 1900];
        sorted.extend((1..=100u32).map(|at| f64::from(at) * 999.99));
        let number = NumberReference {
            minimum: Some(0.0),
            maximum: Some(99_999.0),
            mean: 2524.0,
            deviation: 12_000.0,
            distinct: 100,
            edges: vec![0.0, 99_999.0],
            counts: vec![20_000],
            sorted,
        };
        let values = ReferenceValues::Number(number);
        let (name, role, class) = ("gains".to_owned(), ColumnRole::Input, None);
        SketchColumn::with_reference(&ReferenceColumn { name, role, class, rows: 20_000, missing: 0, values })
    }

    fn drift(column: &SketchColumn, values: impl Iterator<Item = f32>) -> LiveDrift {
        let mut sketch = ColumnSketch::new(column);
        values.for_each(|value| sketch.add_single(column, value));
        LiveDrift::of(column, &sketch, &DriftLimits::default())
    }

    #[test]
    fn a_shift_of_mostly_zeros_is_seen() {
        let column = mostly_zero();
        assert_eq!(column.edges()[0], 0.0);
        assert!(column.edges()[1] > 0.0 && column.edges()[1] < 1e-30, "{:?}", column.edges());
        assert!(column.edges().windows(2).all(|pair| pair[0] < pair[1]));
        let moved = drift(&column, (0..400).map(|_| 30_000.0));
        assert_eq!(moved.verdict, LiveVerdict::Drift);
        assert!(moved.psi.unwrap() > 5.0 && moved.jensen_shannon.unwrap() > 0.7, "{moved:?}");
        // 95 % of the values have moved by 30,000, 2.5 deviations.
        assert!((moved.wasserstein.unwrap() - 2.35).abs() < 0.3, "{moved:?}");
        // Half of the zeros have become the smallest of the other values.
        let half = drift(&column, (0..400).map(|at| if at % 2 == 0 { 0.0 } else { 1.0 }));
        assert_eq!(half.verdict, LiveVerdict::Drift);
    }

    #[test]
    fn rows_of_the_reference_are_stable() {
        let column = mostly_zero();
        let same = drift(
            &column,
            (0..2000u16).map(|at| if at % 20 == 0 { f32::from(at / 20 + 1) * 999.99 } else { 0.0 }),
        );
        assert_eq!((same.verdict, same.outside), (LiveVerdict::Stable, Some(0.0)));
        assert!(same.psi.unwrap() < 0.01 && same.wasserstein.unwrap() < 0.05, "{same:?}");
    }

    #[test]
    fn the_largest_value_may_be_the_repeated_one() {
        let mut sorted: Vec<f64> = (0..100u32).map(|at| f64::from(at) / 100.0).collect();
        sorted.extend([1.0; 900]);
        let counts = vec![10, 990];
        let edges = vec![0.0, 0.5, 1.0];
        let reference = NumberReference { distinct: 100, edges, counts, sorted, ..Default::default() };
        let found = separated(&reference);
        assert_eq!(found.counts.iter().sum::<u64>(), 1000);
        assert_eq!(found.counts.last(), Some(&900));
        assert!(found.edges.len() == found.counts.len() + 1 && found.edges.len() > 5);
    }

    #[test]
    fn distinct_quantiles_and_private_profiles_keep_their_bins() {
        let counts = vec![5; 20];
        let edges: Vec<f64> = (0..=20).map(f64::from).collect();
        let even =
            NumberReference { distinct: 100, edges, counts, sorted: vec![0.0, 20.0], ..Default::default() };
        assert_eq!(separated(&even), even);
        let private =
            NumberReference { distinct: 100, edges: vec![0.0, 9.0], counts: vec![50], ..Default::default() };
        assert_eq!(separated(&private), private);
    }
}
