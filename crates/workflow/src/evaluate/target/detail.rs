//! Plots and tables of one target.

use cupola_eval::curves::{self, BinnedCounts, MOST_POINTS};
use cupola_eval::{Metrics, ScoreRanking, Undefined, forecast_by_step};
use cupola_report::{
    ClassificationDetail, Detail, ForecastDetail, Histogram, Line, OperatingPoint, RegressionDetail,
    ScoreDetail,
};

use super::outputs::{TargetOutputs, decided};
use super::reliability::merged;

/// Classes whose curves are drawn: the most frequent ones.
const CURVES: usize = 10;
/// Bins of probabilities.
const BINS: usize = 20;
/// Bins of a reliability curve.
const RELIABILITY: usize = 10;
/// Rows of a plot of points.
const POINTS: usize = 2000;
/// Forecasts that are drawn.
pub(super) const WINDOWS: usize = 4;
/// Probability from which a row counts as positive where no threshold was tuned.
const HALF: f64 = 0.5;

/// Plots and tables of the target `name`, whose metrics are in `metrics`.
pub(super) fn detail(outputs: &TargetOutputs, name: &str, metrics: &Metrics) -> Detail {
    match outputs {
        TargetOutputs::Classes { names, targets, probabilities, threshold } => {
            Detail::Classification(Box::new(classification(names, targets, probabilities, *threshold)))
        }
        TargetOutputs::Numbers { targets, predicted } => {
            Detail::Regression(Box::new(regression(name, targets, predicted)))
        }
        TargetOutputs::Forecast { horizon, naive, targets, predicted } => {
            Detail::Forecast(Box::new(forecast(*horizon, *naive, targets, predicted)))
        }
        TargetOutputs::Scores { scores, anomalies, threshold } if metrics.rows > 0 => {
            Detail::Score(Box::new(score(scores, anomalies, *threshold)))
        }
        _ => Detail::None,
    }
}

fn classification(
    names: &[String],
    targets: &[usize],
    probabilities: &[f32],
    threshold: Option<f64>,
) -> ClassificationDetail {
    let classes = names.len();
    let confusion = confusion(classes, targets, probabilities, threshold);
    let mut detail = ClassificationDetail {
        classes: names.to_vec(),
        reports: (0..classes).map(|class| report(&confusion, class)).collect(),
        confusion,
        ..ClassificationDetail::default()
    };
    for class in drawn_classes(classes, &detail.reports) {
        let scores: Vec<f64> =
            probabilities.iter().skip(class).step_by(classes).map(|p| f64::from(*p)).collect();
        let positive: Vec<bool> = targets.iter().map(|target| *target == class).collect();
        add_curves(&mut detail, &names[class], &positive, &scores);
        if classes == 2 {
            detail.operating_point = operating_point(&positive, &scores, threshold.unwrap_or(HALF));
        }
    }
    detail
}

/// The positive class of two, or the most frequent classes.
fn drawn_classes(classes: usize, reports: &[(f64, f64, f64, u64)]) -> Vec<usize> {
    if classes == 2 {
        return vec![1];
    }
    let mut order: Vec<usize> = (0..classes).filter(|class| reports[*class].3 > 0).collect();
    order.sort_by_key(|class| (std::cmp::Reverse(reports[*class].3), *class));
    order.truncate(CURVES);
    order.sort_unstable();
    order
}

fn add_curves(detail: &mut ClassificationDetail, name: &str, positive: &[bool], scores: &[f64]) {
    let Ok(ranking) = ScoreRanking::new(positive, scores) else { return };
    let line = |points: Vec<(f64, f64)>| Line { label: name.to_owned(), points };
    if let Ok(points) = curves::roc(&ranking, None) {
        detail.roc.push(line(points.iter().map(|point| (point.false_positive_rate, point.recall)).collect()));
    }
    if let Ok(points) = curves::precision_recall(&ranking, None) {
        detail
            .precision_recall
            .push(line(points.iter().map(|point| (point.recall, point.precision)).collect()));
    }
    if let Ok(points) = curves::gain(&ranking, None) {
        detail.gain.push(line(points));
    }
    if let Ok(points) = curves::lift(&ranking, None) {
        detail.lift.push(line(points));
    }
    let rows = positive.iter().copied().zip(scores.iter().copied());
    if let Ok(points) = curves::calibration(rows, RELIABILITY, None) {
        let points = merged(points);
        detail.calibration.push(line(points.iter().map(|point| (point.predicted, point.observed)).collect()));
    }
    let of = |wanted: bool| -> Vec<f64> {
        let rows = positive.iter().zip(scores).filter(|(positive, _)| **positive == wanted);
        rows.map(|(_, score)| *score).collect()
    };
    if let Some([own, others]) = two(curves::histograms(&[&of(true), &of(false)], BINS, Some((0.0, 1.0)))) {
        detail.scores.push((name.to_owned(), own, others));
    }
}

fn confusion(
    classes: usize,
    targets: &[usize],
    probabilities: &[f32],
    threshold: Option<f64>,
) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (target, own) in targets.iter().zip(probabilities.chunks_exact(classes.max(1))) {
        counts[*target][decided(own, threshold)] += 1;
    }
    counts
}

#[allow(clippy::cast_precision_loss, reason = "counts of rows")]
fn report(confusion: &[Vec<u64>], class: usize) -> (f64, f64, f64, u64) {
    let hits = confusion[class][class] as f64;
    let support: u64 = confusion[class].iter().sum();
    let predicted: u64 = confusion.iter().map(|row| row[class]).sum();
    let share = |all: f64| if all > 0.0 { hits / all } else { 0.0 };
    let (precision, recall) = (share(predicted as f64), share(support as f64));
    let both = precision + recall;
    (precision, recall, if both > 0.0 { 2.0 * precision * recall / both } else { 0.0 }, support)
}

/// Rates where a row counts as positive from a threshold on.
#[allow(clippy::cast_precision_loss, reason = "counts of rows")]
fn operating_point(positive: &[bool], scores: &[f64], threshold: f64) -> Option<OperatingPoint> {
    let count = |wanted: bool, above: bool| {
        let rows = positive.iter().zip(scores);
        rows.filter(|(positive, score)| **positive == wanted && (!above || **score >= threshold)).count()
            as f64
    };
    let (positives, negatives) = (count(true, false), count(false, false));
    let (hits, false_alarms) = (count(true, true), count(false, true));
    (positives > 0.0 && negatives > 0.0).then(|| OperatingPoint {
        threshold,
        false_positive_rate: false_alarms / negatives,
        recall: hits / positives,
        precision: if hits + false_alarms > 0.0 { hits / (hits + false_alarms) } else { 0.0 },
    })
}

fn regression(name: &str, targets: &[f64], predicted: &[f64]) -> RegressionDetail {
    let residuals: Vec<f64> =
        targets.iter().zip(predicted).map(|(target, predicted)| target - predicted).collect();
    let chosen = curves::evenly_chosen(targets.len(), POINTS);
    RegressionDetail {
        unit: name.to_owned(),
        predicted: chosen.map(|row| (targets[row], predicted[row])).collect(),
        residuals: curves::residuals(targets, predicted, POINTS),
        residual_histogram: one(curves::histograms(&[&residuals], 2 * BINS, None)),
        qq: curves::qq_points(residuals).unwrap_or_default(),
    }
}

fn forecast(horizon: usize, naive: Option<f64>, targets: &[f64], predicted: &[f64]) -> ForecastDetail {
    let lines =
        forecast_by_step(targets, predicted, horizon, naive, None).into_iter().map(|(metric, steps)| {
            #[allow(clippy::cast_precision_loss, reason = "steps ahead")]
            let point =
                |(step, value): (usize, Result<f64, Undefined>)| Some((step as f64 + 1.0, value.ok()?));
            Line {
                label: metric.to_owned(),
                points: steps.into_iter().enumerate().filter_map(point).collect(),
            }
        });
    let by_step: Vec<Line> = lines.filter(|line| !line.points.is_empty()).collect();
    let rows = targets.len() / horizon;
    #[allow(clippy::cast_precision_loss, reason = "steps ahead")]
    let line = |label: String, values: &[f64]| {
        let points = values.iter().enumerate().map(|(step, value)| (step as f64 + 1.0, *value));
        Line { label, points: points.take(MOST_POINTS).collect() }
    };
    let windows = curves::evenly_chosen(rows, WINDOWS).map(|row| {
        let part = row * horizon..(row + 1) * horizon;
        let name = format!("window {}", row + 1);
        let expected = line(format!("{name} expected"), &targets[part.clone()]);
        let forecast = line(format!("{name} forecast"), &predicted[part]);
        (name, expected, forecast)
    });
    ForecastDetail { windows: windows.collect(), by_step, ..ForecastDetail::default() }
}

fn score(scores: &[f64], anomalies: &[bool], threshold: Option<f64>) -> ScoreDetail {
    if anomalies.len() != scores.len() || !anomalies.contains(&true) {
        let normal = one(curves::histograms(&[scores], 2 * BINS, None));
        return ScoreDetail { normal, threshold, ..ScoreDetail::default() };
    }
    let of = |wanted: bool| -> Vec<f64> {
        scores.iter().zip(anomalies).filter(|(_, own)| **own == wanted).map(|(score, _)| *score).collect()
    };
    let both = two(curves::histograms(&[&of(false), &of(true)], 2 * BINS, None));
    let [normal, anomalous] = both.unwrap_or_default();
    let curve =
        ScoreRanking::new(anomalies, scores).and_then(|ranking| curves::precision_recall(&ranking, None));
    let points = curve.map(|points| points.iter().map(|point| (point.recall, point.precision)).collect());
    ScoreDetail {
        normal,
        anomalies: Some(anomalous),
        threshold,
        precision_recall: points
            .into_iter()
            .map(|points| Line { label: "anomaly".to_owned(), points })
            .collect(),
    }
}

fn one(binned: Option<BinnedCounts>) -> Histogram {
    let Some(BinnedCounts { edges, mut counts }) = binned else { return Histogram::default() };
    Histogram { edges, counts: counts.pop().unwrap_or_default() }
}

fn two(binned: Option<BinnedCounts>) -> Option<[Histogram; 2]> {
    let BinnedCounts { edges, counts } = binned?;
    let [first, second] = <[Vec<f64>; 2]>::try_from(counts).ok()?;
    Some([Histogram { edges: edges.clone(), counts: first }, Histogram { edges, counts: second }])
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "counts and chosen values are exact")]
mod tests {
    use super::*;

    #[test]
    fn a_classifier_has_its_confusion_and_the_rates_at_one_half() {
        let names = vec!["no".to_owned(), "yes".to_owned()];
        let probabilities = [0.9, 0.1, 0.4, 0.6, 0.3, 0.7, 0.8, 0.2];
        let found = classification(&names, &[0, 0, 1, 1], &probabilities, None);
        assert_eq!(found.confusion, [[1, 1], [1, 1]]);
        assert_eq!(found.reports[1], (0.5, 0.5, 0.5, 2));
        let point = found.operating_point.unwrap();
        assert_eq!([point.false_positive_rate, point.recall, point.precision], [0.5, 0.5, 0.5]);
        assert_eq!(found.roc.len(), 1);
        assert_eq!(found.roc[0].points.first(), Some(&(0.0, 0.0)));
        assert_eq!(found.roc[0].points.last(), Some(&(1.0, 1.0)));
        assert!((found.scores[0].1.counts.iter().sum::<f64>() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn curves_of_many_classes_are_those_of_the_most_frequent_ones() {
        let reports: Vec<(f64, f64, f64, u64)> = (0..30).map(|class| (0.0, 0.0, 0.0, class % 15)).collect();
        let found = drawn_classes(30, &reports);
        assert_eq!(found, [10, 11, 12, 13, 14, 25, 26, 27, 28, 29]);
    }

    #[test]
    fn a_forecast_has_each_metric_by_step() {
        let found = forecast(2, None, &[1.0, 2.0, 3.0, 4.0], &[2.0, 2.0, 6.0, 6.0]);
        let rmse = found.by_step.iter().find(|line| line.label == "rmse").unwrap();
        assert!(
            (rmse.points[0].1 - 5_f64.sqrt()).abs() < 1e-12
                && (rmse.points[1].1 - 2_f64.sqrt()).abs() < 1e-12
        );
        assert_eq!(found.windows.len(), 2);
    }
}
