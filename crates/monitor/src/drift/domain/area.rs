//! Area under the ROC curve, also of random scores.

use crate::twister::MersenneTwister;

/// Area under the ROC curve of scores, with half of each tie; `None` unless both classes are there.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(crate) fn area_under_curve(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<(f64, bool)> = scores.iter().copied().zip(positive.iter().copied()).collect();
    order.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut above, mut won) = (0.0, 0.0, 0.0);
    #[allow(clippy::float_cmp, reason = "ties are equal scores")]
    for tied in order.chunk_by(|a, b| a.0 == b.0) {
        let ones = tied.iter().filter(|(_, positive)| *positive).count() as f64;
        let zeros = tied.len() as f64 - ones;
        won += ones * (below + zeros / 2.0);
        below += zeros;
        above += ones;
    }
    (below > 0.0 && above > 0.0).then(|| won / (below * above))
}

/// Area under the curve of uniform scores, drawn as `NumPy` draws them after this seed.
pub(crate) fn random_area(positive: &[bool], seed: u32) -> Option<f64> {
    let mut draws = MersenneTwister::of_numpy(seed);
    let scores: Vec<f64> = positive.iter().map(|_| draws.numpy_unit()).collect();
    area_under_curve(&scores, positive)
}

/// Quantile of a level between 0 and 1 by linear interpolation; `None` without values.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of the list"
)]
pub(crate) fn percentile(mut values: Vec<f64>, level: f64) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let at = level.clamp(0.0, 1.0) * values.len().checked_sub(1)? as f64;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    Some(low + (high - low) * at.fract())
}
