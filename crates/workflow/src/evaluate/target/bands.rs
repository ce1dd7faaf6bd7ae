//! Intervals of the forecasts that are drawn.

use cupola_eval::curves::{MOST_POINTS, evenly_chosen};
use cupola_prep::Plan;
use cupola_report::ForecastDetail;
use cupola_runtime::add_intervals;

use super::detail::WINDOWS;
use crate::evaluate::coverage::numbers_of;

/// Adds the intervals of the drawn windows, for a plan with scores. `logits` are `[rows, width]`.
pub(super) fn add(detail: &mut ForecastDetail, plan: &Plan, target: &str, logits: &[f32]) {
    let Some(uncertainty) = &plan.uncertainty else { return };
    let width = plan.width().max(1);
    let rows = evenly_chosen(logits.len() / width, WINDOWS);
    let mut predictions: Vec<_> =
        rows.map(|row| plan.decode(&logits[row * width..(row + 1) * width], &[])).collect();
    // Too few scores for the coverage leave the plot without bands, as a request has no intervals then.
    if add_intervals(plan, uncertainty.coverage, &[], &mut predictions).is_err() {
        return;
    }
    let bands = predictions.iter().map(|predictions| {
        let interval = predictions.get(target)?.interval.as_ref()?;
        let bounds = numbers_of(&interval.low).into_iter().zip(numbers_of(&interval.high));
        #[allow(clippy::cast_precision_loss, reason = "steps ahead")]
        let points = bounds.enumerate().map(|(step, (low, high))| (step as f64 + 1.0, low, high));
        Some(points.take(MOST_POINTS).collect())
    });
    if let Some(bands) = bands.collect::<Option<Vec<_>>>() {
        detail.bands = bands;
        detail.coverage = Some(uncertainty.coverage);
    }
}
