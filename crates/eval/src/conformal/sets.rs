//! Scores of classes, and sets of classes.

/// Score of a class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ClassScore {
    /// Least ambiguous sets (Sadinle et al. 2019, LAC): one less the probability.
    Lac,
    /// Regularised adaptive prediction sets (Angelopoulos et al. 2021, RAPS): the probability of the class and of all
    /// likelier ones, with a penalty for each class beyond the first ones. A penalty of 0 is APS (Romano et al. 2020).
    Raps {
        /// Penalty for each rank beyond `free`.
        penalty: f64,
        /// Number of likeliest classes without a penalty.
        free: usize,
    },
}

/// Scores of all classes of a row; small ones belong to likely classes.
///
/// Nothing is drawn: the original of RAPS takes a random part of the probability of the class itself, this takes all of it,
/// on calibration rows and on new ones alike. That keeps the coverage and makes equal rows have equal sets, at the price of
/// sets that are slightly larger. Of equal probabilities the class with the smaller index is the likelier one.
#[allow(clippy::cast_precision_loss)]
pub fn class_score(score: ClassScore, probabilities: &[f64]) -> Vec<f64> {
    match score {
        ClassScore::Lac => probabilities.iter().map(|p| 1.0 - p).collect(),
        ClassScore::Raps { penalty, free } => {
            let mut order: Vec<usize> = (0..probabilities.len()).collect();
            order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
            let (mut sum, mut out) = (0.0, vec![0.0; probabilities.len()]);
            for (rank, class) in order.into_iter().enumerate() {
                sum += probabilities[class];
                out[class] = sum + penalty * (rank + 1).saturating_sub(free) as f64;
            }
            out
        }
    }
}

/// Classes whose score is at most `quantile`, and always the one with the smallest score: a set is never empty.
pub fn class_set(scores: &[f64], quantile: f64) -> Vec<bool> {
    let likeliest = (0..scores.len()).min_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let belongs = |(class, score): (usize, &f64)| *score <= quantile || Some(class) == likeliest;
    scores.iter().enumerate().map(belongs).collect()
}
