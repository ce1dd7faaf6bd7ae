//! Intervals of scores over the folds of a cross-validation.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean of scores with its interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoldInterval {
    /// Mean over all scores.
    pub mean: f64,
    /// Standard deviation of the scores; 0 for a single one.
    pub deviation: f64,
    /// Bounds of the interval; `None` for fewer than two scores.
    pub bounds: Option<(f64, f64)>,
}

/// Student's interval of the mean of scores. `overlap` is the ratio of test rows to training rows if folds are repeated,
/// and 0 for folds that are not: repeated folds share training rows, so the variance of their mean is
/// `(1 / scores + overlap)` times that of a score (corrected resampled t-test, Nadeau and Bengio 2003). `None` without
/// finite scores.
#[allow(clippy::cast_precision_loss)]
pub fn fold_interval(scores: &[f64], overlap: f64, coverage: f64) -> Option<FoldInterval> {
    if scores.is_empty() || scores.iter().any(|score| !score.is_finite()) {
        return None;
    }
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    if scores.len() < 2 {
        return Some(FoldInterval { mean, deviation: 0.0, bounds: None });
    }
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    let variance = squares / (count - 1.0);
    let student = StudentsT::new(0.0, 1.0, count - 1.0).ok();
    let bounds = student.map(|student| {
        let half = student.inverse_cdf(0.5 + coverage / 2.0) * (variance * (1.0 / count + overlap)).sqrt();
        (mean - half, mean + half)
    });
    Some(FoldInterval { mean, deviation: variance.sqrt(), bounds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_scipy() {
        // scipy.stats.t.interval(0.95, 4, loc=mean, scale=sem) of these scores.
        let scores = [0.81, 0.84, 0.79, 0.86, 0.80];
        let found = fold_interval(&scores, 0.0, 0.95).unwrap();
        let (low, high) = found.bounds.unwrap();
        assert!(
            (found.mean - 0.82).abs() < 1e-12 && (found.deviation - 0.029_154_759_474_226_5).abs() < 1e-12
        );
        assert!(
            (low - 0.783_799_584_784_562_8).abs() < 1e-9 && (high - 0.856_200_415_215_437_1).abs() < 1e-9,
            "{low} {high}"
        );
        // The same with a variance of (1/5 + 1/4) s^2.
        let (low, high) = fold_interval(&scores, 0.25, 0.95).unwrap().bounds.unwrap();
        assert!(
            (low - 0.765_699_377_176_844_3).abs() < 1e-9 && (high - 0.874_300_622_823_155_6).abs() < 1e-9,
            "{low} {high}"
        );
    }

    #[test]
    fn few_and_undefined_scores_have_no_interval() {
        assert_eq!(fold_interval(&[], 0.0, 0.95), None);
        assert_eq!(fold_interval(&[0.5, f64::NAN], 0.0, 0.95), None);
        assert_eq!(fold_interval(&[0.5], 0.0, 0.95).unwrap().bounds, None);
    }
}
