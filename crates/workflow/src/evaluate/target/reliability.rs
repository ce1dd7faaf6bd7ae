//! Reliability curve of few rows.

use cupola_eval::curves::CalibrationPoint;

/// Rows that a point stands for, so that a curve does not follow single rows.
const LEAST: f64 = 20.0;

/// Points of neighbouring bins taken together until each has at least 20 rows; a rest at the end joins the last point.
pub(super) fn merged(points: Vec<CalibrationPoint>) -> Vec<CalibrationPoint> {
    let mut out: Vec<CalibrationPoint> = Vec::new();
    let mut open: Option<CalibrationPoint> = None;
    for point in points {
        let sum = open.take().map_or(point, |before| together(before, point));
        if sum.weight >= LEAST {
            out.push(sum);
        } else {
            open = Some(sum);
        }
    }
    match (out.pop(), open) {
        (Some(last), Some(rest)) => out.push(together(last, rest)),
        (last, rest) => out.extend(last.or(rest)),
    }
    out
}

fn together(a: CalibrationPoint, b: CalibrationPoint) -> CalibrationPoint {
    let weight = a.weight + b.weight;
    let mean = |a_value: f64, b_value: f64| (a.weight * a_value + b.weight * b_value) / weight;
    CalibrationPoint {
        predicted: mean(a.predicted, b.predicted),
        observed: mean(a.observed, b.observed),
        weight,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_point_stands_for_few_rows_and_no_row_is_lost() {
        let point =
            |predicted: f64, observed: f64, weight: f64| CalibrationPoint { predicted, observed, weight };
        let found = merged(vec![
            point(0.05, 0.0, 100.0),
            point(0.15, 1.0, 5.0),
            point(0.25, 0.0, 15.0),
            point(0.95, 1.0, 4.0),
        ]);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], point(0.05, 0.0, 100.0));
        let (predicted, observed) = ((0.15 * 5.0 + 0.25 * 15.0 + 0.95 * 4.0) / 24.0, 9.0 / 24.0);
        assert!(
            (found[1].predicted - predicted).abs() < 1e-12 && (found[1].observed - observed).abs() < 1e-12
        );
        assert!((found[1].weight - 24.0).abs() < 1e-12);
        assert_eq!(merged(vec![point(0.5, 1.0, 3.0)]), [point(0.5, 1.0, 3.0)]);
        assert!(merged(Vec::new()).is_empty());
    }
}
