//! Temperature scaling.

/// Bounds of the logarithm of the temperature.
const RANGE: (f64, f64) = (-10.0, 10.0);
/// Steps of the bisection, each of which halves [`RANGE`]: to the last bit of an `f64`.
const STEPS: usize = 80;

/// Temperature that minimises the log loss of `softmax(logits / temperature)` (Guo et al. 2017, "On calibration of modern
/// neural networks", 4.2). `logits` is `[rows, width]`; a width of 1 is the log-odds of the second of two classes.
///
/// The loss is convex in the inverse temperature, so its derivative has one root. Where the loss falls forever, as for
/// classes that are all predicted right, the smallest temperature is `exp(-10)`. `None` without rows.
pub fn temperature(logits: &[f64], width: usize, targets: &[usize]) -> Option<f64> {
    if targets.is_empty() || width == 0 || logits.len() != targets.len() * width {
        return None;
    }
    // Positive where a larger inverse temperature has a larger loss.
    let slope = |inverse: f64| -> f64 {
        logits.chunks(width).zip(targets).map(|(row, &target)| row_slope(row, target, inverse)).sum()
    };
    let (mut low, mut high) = RANGE;
    for _ in 0..STEPS {
        let middle = low + (high - low) / 2.0;
        // A large logarithm is a small inverse.
        if slope((-middle).exp()) > 0.0 { low = middle } else { high = middle }
    }
    Some((low + (high - low) / 2.0).exp())
}

/// Derivative of the log loss of one row by the inverse temperature: mean logit less the logit of the target.
fn row_slope(row: &[f64], target: usize, inverse: f64) -> f64 {
    if let [logit] = row {
        let p = 1.0 / (1.0 + (-logit * inverse).exp());
        return logit * (p - if target == 1 { 1.0 } else { 0.0 });
    }
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let (mut sum, mut mean) = (0.0, 0.0);
    for logit in row {
        let weight = ((logit - largest) * inverse).exp();
        sum += weight;
        mean += weight * logit;
    }
    mean / sum - row.get(target).copied().unwrap_or_default()
}
