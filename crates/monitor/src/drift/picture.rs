//! Both distributions of a column in few numbers, to draw.

use serde::Serialize;

use super::bins::{PairedCounts, histogram};
use crate::profile::{CategoryReference, ObservedValues, SortedNumbers};

/// Shares of values in the reference and in current data, cell by cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "of", rename_all = "snake_case")]
pub enum DriftPicture {
    /// Bins of numbers, or of the lengths of texts. Values beyond the borders are counted in the outer bins.
    Bins {
        /// Borders, one more than shares.
        edges: Vec<f64>,
        /// Shares of the reference.
        reference: Vec<f64>,
        /// Shares of current data.
        current: Vec<f64>,
    },
    /// Most frequent values.
    Values {
        /// Values, shortened.
        labels: Vec<String>,
        /// Shares of the reference.
        reference: Vec<f64>,
        /// Shares of current data.
        current: Vec<f64>,
    },
}

/// Bins of a picture.
const BINS: u32 = 24;
/// Values of a picture.
const VALUES: usize = 12;
/// Letters of a value.
const LETTERS: usize = 60;

pub(super) fn picture(reference: &ObservedValues, current: &ObservedValues) -> DriftPicture {
    match (reference, current) {
        (ObservedValues::Number(a), ObservedValues::Number(b))
        | (ObservedValues::Text { length: a, .. }, ObservedValues::Text { length: b, .. }) => {
            of_numbers(a, b)
        }
        (ObservedValues::Category(a), ObservedValues::Category(b)) => of_categories(a, b),
        _ => DriftPicture::Values { labels: Vec::new(), reference: Vec::new(), current: Vec::new() },
    }
}

fn of_numbers(a: &SortedNumbers, b: &SortedNumbers) -> DriftPicture {
    let sides = [&a.sorted, &b.sorted];
    // A few outliers would leave all other values in one bin.
    let cut = |values: &&Vec<f64>| values.len() / 200;
    let lows = sides.iter().filter_map(|values| values.get(cut(values)));
    let highs =
        sides.iter().filter_map(|values| values.len().checked_sub(1 + cut(values)).map(|at| values[at]));
    let (low, high) = (lows.copied().fold(f64::INFINITY, f64::min), highs.fold(f64::NEG_INFINITY, f64::max));
    if low > high {
        return DriftPicture::Bins { edges: Vec::new(), reference: Vec::new(), current: Vec::new() };
    }
    let (low, high) = if low < high { (low, high) } else { (low - 0.5, high + 0.5) };
    let edges: Vec<f64> =
        (0..=BINS).map(|bin| low + (high - low) * (f64::from(bin) / f64::from(BINS))).collect();
    let counts = |values: &[f64]| {
        let clamped: Vec<f64> = values.iter().map(|value| value.clamp(low, high)).collect();
        histogram(&clamped, &edges)
    };
    let PairedCounts { reference, current } =
        PairedCounts { reference: counts(&a.sorted), current: counts(&b.sorted) }.shares();
    DriftPicture::Bins { reference: finite(reference), current: finite(current), edges }
}

fn of_categories(a: &CategoryReference, b: &CategoryReference) -> DriftPicture {
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    let share = |side: &CategoryReference, value: &str| {
        let count = side.values.iter().find(|(other, _)| other == value).map_or(0, |(_, count)| *count);
        count as f64 / side.total().max(1) as f64
    };
    // The most frequent values of each side.
    let frequent = |side: &CategoryReference| -> Vec<String> {
        side.values.iter().take(VALUES).map(|(value, _)| value.clone()).collect()
    };
    let mut names = frequent(a);
    let new: Vec<String> = frequent(b).into_iter().filter(|name| !names.contains(name)).collect();
    names.extend(new);
    let mut rows: Vec<(String, f64, f64)> = names
        .into_iter()
        .map(|name| {
            let (of_a, of_b) = (share(a, &name), share(b, &name));
            (name, of_a, of_b)
        })
        .collect();
    rows.sort_by(|x, y| y.1.max(y.2).total_cmp(&x.1.max(x.2)).then_with(|| x.0.cmp(&y.0)));
    rows.truncate(VALUES);
    DriftPicture::Values {
        labels: rows.iter().map(|(name, ..)| name.chars().take(LETTERS).collect()).collect(),
        reference: rows.iter().map(|row| row.1).collect(),
        current: rows.iter().map(|row| row.2).collect(),
    }
}

/// Shares of a side without values are zero.
fn finite(shares: Vec<f64>) -> Vec<f64> {
    shares.into_iter().map(|share| if share.is_finite() { share } else { 0.0 }).collect()
}
