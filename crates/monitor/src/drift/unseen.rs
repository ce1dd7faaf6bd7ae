//! Values that the reference of a column does not have.

use crate::profile::{CategoryReference, ObservedValues};

/// Share of current values that the reference lacks.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(super) fn unseen(reference: &ObservedValues, current: &ObservedValues) -> Option<f64> {
    let new = |reference: &CategoryReference, current: &CategoryReference| {
        if reference.other > 0 || reference.values.is_empty() || current.total() == 0 {
            return None;
        }
        let known: std::collections::HashSet<&str> =
            reference.values.iter().map(|(value, _)| value.as_str()).collect();
        let found = current.values.iter().filter(|(value, _)| !known.contains(value.as_str()));
        let found = found.map(|(_, count)| count).sum::<u64>() + current.other;
        Some(found as f64 / current.total() as f64)
    };
    match (reference, current) {
        (ObservedValues::Number(a), ObservedValues::Number(b)) => {
            let ((low, high), sorted) = (a.range?, &b.sorted);
            let below = sorted.partition_point(|value| *value < low);
            let above = sorted.len() - sorted.partition_point(|value| *value <= high);
            (!sorted.is_empty()).then(|| (below + above) as f64 / sorted.len() as f64)
        }
        (ObservedValues::Category(a), ObservedValues::Category(b))
        | (ObservedValues::Text { words: a, .. }, ObservedValues::Text { words: b, .. }) => new(a, b),
        _ => None,
    }
}
