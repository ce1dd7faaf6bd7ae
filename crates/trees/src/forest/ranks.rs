//! Columns as ranks of their values, which are compared and counted faster than floats.

/// Rank of a missing value.
pub(super) const MISSING: u16 = u16::MAX;
/// Most ranks of a column. One with more distinct values gets bins of about equal numbers of rows.
const MOST_RANKS: usize = MISSING as usize;

/// Column of a table.
#[derive(Debug)]
pub(super) struct RankedColumn {
    /// Rank of each row.
    pub ranks: Vec<u16>,
    /// Smallest and largest value of each rank.
    bounds: Vec<[f32; 2]>,
}

impl RankedColumn {
    /// Ranks the values of a column; NaN is missing.
    #[allow(clippy::float_cmp, clippy::needless_for_each, reason = "the values are exact")]
    pub fn new(values: &[f32]) -> Self {
        let mut order: Vec<u32> =
            (0..).zip(values).filter(|(_, x)| !x.is_nan()).map(|(row, _)| row).collect();
        let value = |row: u32| values[row as usize];
        order.sort_unstable_by(|a, b| value(*a).total_cmp(&value(*b)));
        let same = |a: &u32, b: &u32| value(*a).total_cmp(&value(*b)).is_eq() || value(*a) == value(*b);
        let distinct = order.chunk_by(same).count();
        // Rows of a bin; every distinct value has a rank of its own if there are enough.
        let least = if distinct <= MOST_RANKS { 1 } else { order.len() / (MOST_RANKS / 2) };
        let mut ranks = vec![MISSING; values.len()];
        let mut bounds: Vec<[f32; 2]> = Vec::new();
        let mut filled = usize::MAX;
        for equal in order.chunk_by(same) {
            let (first, last) = (value(equal[0]), value(equal[equal.len() - 1]));
            if let Some(bin) = bounds.last_mut().filter(|_| filled < least) {
                bin[1] = last;
                filled += equal.len();
            } else {
                bounds.push([first, last]);
                filled = equal.len();
            }
            let rank = u16::try_from(bounds.len() - 1).unwrap_or(MISSING - 1);
            equal.iter().for_each(|row| ranks[*row as usize] = rank);
        }
        Self { ranks, bounds }
    }

    /// Threshold between two ranks: values of the lower one are below it, those of the higher one are not.
    pub fn threshold(&self, low: u16, high: u16) -> f32 {
        if high == MISSING {
            return f32::INFINITY;
        }
        let (below, above) = (self.bounds[usize::from(low)][1], self.bounds[usize::from(high)][0]);
        let middle = below / 2.0 + above / 2.0;
        if below < middle && middle <= above { middle } else { above }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_order_values_and_thresholds_part_them() {
        let values = [3.0, f32::NAN, -1.0, 3.0, 0.0, -0.0, f32::MAX, 1.0, 1.0_f32.next_up()];
        let column = RankedColumn::new(&values);
        assert_eq!(column.ranks, [4, MISSING, 0, 4, 1, 1, 5, 2, 3]);
        for (a, x) in column.ranks.iter().zip(values) {
            for (b, y) in column.ranks.iter().zip(values).filter(|(b, _)| a < b) {
                let threshold = column.threshold(*a, *b);
                assert!(x < threshold && (y.is_nan() || y >= threshold), "{x} {threshold} {y}");
            }
        }
    }

    #[test]
    fn many_values_share_ranks() {
        let values: Vec<f32> = (0..200_000).map(|i| (i * 7_919 % 200_000) as f32).collect();
        let column = RankedColumn::new(&values);
        let count = column.bounds.len();
        assert!((30_000..MOST_RANKS).contains(&count), "{count}");
        let ordered = |a: usize, b: usize| (values[a] < values[b]) || column.ranks[a] >= column.ranks[b];
        assert!((1..values.len()).all(|row| ordered(row - 1, row)));
    }
}
