//! Isotonic regression.

use serde::{Deserialize, Serialize};

/// Rising curve through points; linear between them, constant beyond.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct IsotonicCurve {
    /// Scores in ascending order.
    pub scores: Vec<f64>,
    /// Probabilities there.
    pub probabilities: Vec<f64>,
}

impl IsotonicCurve {
    /// Calibrated probability of a score; NaN for a curve without points.
    pub fn probability(&self, score: f64) -> f64 {
        let (x, y) = (&self.scores, &self.probabilities);
        let above = x.partition_point(|own| *own < score);
        match (above.checked_sub(1), x.get(above)) {
            (_, Some(own)) if own.total_cmp(&score).is_eq() => y[above],
            (None, Some(_)) => y[0],
            (Some(below), Some(upper)) => {
                let slope = (y[above] - y[below]) / (upper - x[below]);
                slope * (score - x[below]) + y[below]
            }
            (below, None) => below.map_or(f64::NAN, |below| y[below]),
        }
    }
}

/// Rising curve with the least squared error, by pooling adjacent violators (Best and Chakravarti 1990; Zadrozny and Elkan
/// 2002), as scikit-learn's `IsotonicRegression(out_of_bounds="clip")`: rows with equal scores are one point, and of a level
/// only the ends are kept. `None` without rows.
#[allow(clippy::float_cmp, reason = "equal scores are one point")]
pub fn isotonic(scores: &[f64], positive: &[bool]) -> Option<IsotonicCurve> {
    if scores.is_empty() || scores.len() != positive.len() {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_unstable_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    // Rows with equal scores: score, number of rows, number of positive ones.
    let mut points: Vec<(f64, f64, f64)> = Vec::new();
    for row in order {
        let own = if positive[row] { 1.0 } else { 0.0 };
        match points.last_mut() {
            Some((score, rows, sum)) if *score == scores[row] => (*rows, *sum) = (*rows + 1.0, *sum + own),
            _ => points.push((scores[row], 1.0, own)),
        }
    }
    // Levels: rows, positive ones, and the number of points they span.
    let mut levels: Vec<(f64, f64, usize)> = Vec::new();
    for (_, rows, sum) in &points {
        let mut level = (*rows, *sum, 1);
        while let Some(last) = levels.last().filter(|last| last.1 * level.0 >= level.1 * last.0) {
            level = (last.0 + level.0, last.1 + level.1, last.2 + level.2);
            levels.pop();
        }
        levels.push(level);
    }
    let mut curve = IsotonicCurve::default();
    let mut at = 0;
    for (rows, sum, span) in levels {
        let ends = [points[at].0, points[at + span - 1].0];
        for score in &ends[..ends.len().min(span)] {
            curve.scores.push(*score);
            curve.probabilities.push(sum / rows);
        }
        at += span;
    }
    Some(curve)
}
