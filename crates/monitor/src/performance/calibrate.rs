//! Calibration of the probabilities of a class, where it helps.

use cupola_eval::ScoreRanking;
use cupola_eval::calibration::{IsotonicCurve, isotonic};

use crate::twister::MersenneTwister;

/// Bins of the calibration error.
const BINS: usize = 10;
/// Divisions into training and test rows.
const SPLITS: usize = 10;
/// Seed of the divisions.
const SEED: u32 = 42;
/// Area under the curve from which probabilities are left as they are.
const PERFECT_AREA: f64 = 0.999;

/// Isotonic curve of the probabilities if it lowers the expected calibration error on rows that it was not fitted to;
/// `None` if the probabilities are better as they are.
pub(super) fn calibration(probabilities: &[f64], positive: &[bool]) -> Option<IsotonicCurve> {
    if needs_calibration(probabilities, positive) { isotonic(probabilities, positive) } else { None }
}

/// Test of `NannyML`: ten stratified divisions, the same as scikit-learn's `StratifiedShuffleSplit` with seed 42. Equal
/// calibrated probabilities keep their order in the bins; `NumPy`'s sort orders them by the processor.
fn needs_calibration(probabilities: &[f64], positive: &[bool]) -> bool {
    let positives = positive.iter().filter(|own| **own).count();
    let rows = positive.len();
    // A division needs two rows of each class on both sides.
    let tests = rows.div_ceil(10);
    if positives.min(rows - positives) < 2 || tests < 2 {
        return false;
    }
    let area = ScoreRanking::new(positive, probabilities).and_then(|ranking| ranking.roc_auc(None));
    if area.is_ok_and(|area| area > PERFECT_AREA) {
        return false;
    }
    let (mut before, mut after) = (Vec::new(), Vec::new());
    let mut random = MersenneTwister::of_numpy(SEED);
    for _ in 0..SPLITS {
        let (train, test) = division(positive, tests, &mut random);
        let scores: Vec<f64> = train.iter().map(|row| probabilities[*row]).collect();
        let labels: Vec<bool> = train.iter().map(|row| positive[*row]).collect();
        let Some(curve) = isotonic(&scores, &labels) else { return false };
        for row in test {
            before.push((probabilities[row], positive[row]));
            after.push((curve.probability(probabilities[row]), positive[row]));
        }
    }
    match (calibration_error(before), calibration_error(after)) {
        (Some(before), Some(after)) => before > after,
        _ => false,
    }
}

/// Rows to train on and rows to test on, both with the share of positive rows.
fn division(positive: &[bool], tests: usize, random: &mut MersenneTwister) -> (Vec<usize>, Vec<usize>) {
    let classes = [false, true].map(|class| {
        let rows = positive.iter().enumerate().filter(|(_, own)| **own == class);
        rows.map(|(row, _)| row).collect::<Vec<usize>>()
    });
    let counts = [classes[0].len(), classes[1].len()];
    let trained = apportion(counts, positive.len() - tests, random);
    let tested = apportion([counts[0] - trained[0], counts[1] - trained[1]], tests, random);
    let (mut train, mut test) = (Vec::new(), Vec::new());
    for (class, rows) in classes.iter().enumerate() {
        let mut order: Vec<usize> = (0..rows.len()).collect();
        random.numpy_shuffle(&mut order);
        let picked = order.iter().map(|at| rows[*at]);
        train.extend(picked.clone().take(trained[class]));
        test.extend(picked.skip(trained[class]).take(tested[class]));
    }
    random.numpy_shuffle(&mut train);
    random.numpy_shuffle(&mut test);
    (train, test)
}

/// Divides `draws` over two classes in proportion to their rows; what is left goes to the largest remainders, among equal
/// ones by lot, as scikit-learn's `_approximate_mode`.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "shares of a count")]
#[allow(clippy::float_cmp, reason = "equal remainders are drawn by lot")]
fn apportion(counts: [usize; 2], draws: usize, random: &mut MersenneTwister) -> [usize; 2] {
    let whole = (counts[0] + counts[1]) as f64;
    let exact = counts.map(|count| count as f64 / whole * draws as f64);
    let mut floor = exact.map(|share| share.floor() as usize);
    let rest = [exact[0] - exact[0].floor(), exact[1] - exact[1].floor()];
    match draws.saturating_sub(floor[0] + floor[1]) {
        0 => {}
        1 if rest[0] == rest[1] => {
            let mut lot = [0, 1];
            random.numpy_shuffle(&mut lot);
            floor[lot[0]] += 1;
        }
        1 => floor[usize::from(rest[1] > rest[0])] += 1,
        _ => floor.iter_mut().for_each(|own| *own += 1),
    }
    floor
}

/// Expected calibration error in bins of equal numbers of rows; `None` for fewer than four rows.
#[allow(clippy::cast_precision_loss, reason = "rows are far below 2^53")]
fn calibration_error(mut rows: Vec<(f64, bool)>) -> Option<f64> {
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = rows.len();
    let bins = if n <= 2 * BINS { n / 2 } else { BINS };
    if bins < 2 {
        return None;
    }
    let width = n / bins;
    // Edges at multiples of the width; the last one is moved to the end.
    let edges = n / width;
    let mut error = 0.0;
    for bin in 0..edges {
        let end = if bin + 1 == edges { n } else { (bin + 1) * width };
        let own = &rows[bin * width..end];
        let size = own.len() as f64;
        let confidence = own.iter().map(|row| row.0).sum::<f64>() / size;
        let share = own.iter().filter(|row| row.1).count() as f64 / size;
        error += size / n as f64 * (confidence - share).abs();
    }
    Some(error)
}
