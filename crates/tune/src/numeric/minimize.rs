//! Minimisation of smooth functions within bounds.

use crate::numeric::linear::dot;

/// Number of pairs of steps and gradients that are kept.
const MEMORY: usize = 8;

/// Halvings of a step before a search ends.
const HALVINGS: usize = 20;

/// Minimises a function of which `f` returns the value and writes the gradient, by projected limited-memory BFGS
/// (Nocedal and Wright, algorithm 7.4, on the coordinates that no bound holds). Ends after `rounds` steps, or when no
/// coordinate of the projected gradient exceeds `tolerance`. Returns the point and its value.
pub(crate) fn minimize(
    mut f: impl FnMut(&[f64], &mut [f64]) -> f64,
    start: &[f64],
    bounds: (f64, f64),
    rounds: usize,
    tolerance: f64,
) -> (Vec<f64>, f64) {
    let (low, high) = bounds;
    let mut x: Vec<f64> = start.iter().map(|v| v.clamp(low, high)).collect();
    let mut gradient = vec![0.0; x.len()];
    let mut value = f(&x, &mut gradient);
    let mut pairs: Vec<(Vec<f64>, Vec<f64>)> = Vec::new();
    let mut next_gradient = gradient.clone();
    for _ in 0..rounds {
        let free: Vec<bool> = x
            .iter()
            .zip(&gradient)
            .map(|(x, g)| !((*x <= low && *g > 0.0) || (*x >= high && *g < 0.0)))
            .collect();
        let largest =
            gradient.iter().zip(&free).filter(|(_, free)| **free).map(|(g, _)| g.abs()).fold(0.0, f64::max);
        if !(largest > tolerance) || !value.is_finite() {
            break;
        }
        let mut direction = descent(&gradient, &free, &pairs);
        let mut slope = dot(&direction, &gradient);
        if !(slope < 0.0) {
            pairs.clear();
            direction = gradient.iter().zip(&free).map(|(g, free)| if *free { -g } else { 0.0 }).collect();
            slope = dot(&direction, &gradient);
        }
        // The first step is at most a tenth of the range, or one where there are no narrow bounds.
        let longest = direction.iter().map(|d| d.abs()).fold(0.0, f64::max);
        let limit = if pairs.is_empty() { ((high - low) / 10.0).min(1.0) } else { high - low };
        let mut length = (limit / longest).min(1.0);
        let mut accepted = None;
        for _ in 0..HALVINGS {
            let next: Vec<f64> =
                x.iter().zip(&direction).map(|(x, d)| (x + length * d).clamp(low, high)).collect();
            let next_value = f(&next, &mut next_gradient);
            if next_value <= value + 1e-4 * length * slope {
                accepted = Some((next, next_value));
                break;
            }
            length *= 0.5;
        }
        let Some((next, next_value)) = accepted else { break };
        let step: Vec<f64> = next.iter().zip(&x).map(|(a, b)| a - b).collect();
        let change: Vec<f64> = next_gradient.iter().zip(&gradient).map(|(a, b)| a - b).collect();
        if dot(&step, &change) > 1e-12 * dot(&change, &change) {
            pairs.push((step, change));
            if pairs.len() > MEMORY {
                pairs.remove(0);
            }
        }
        (x, value) = (next, next_value);
        gradient.copy_from_slice(&next_gradient);
    }
    (x, value)
}

/// Product of the negative gradient and the approximate inverse of the Hessian.
fn descent(gradient: &[f64], free: &[bool], pairs: &[(Vec<f64>, Vec<f64>)]) -> Vec<f64> {
    let mut q: Vec<f64> = gradient.iter().zip(free).map(|(g, free)| if *free { *g } else { 0.0 }).collect();
    let mut factors = Vec::with_capacity(pairs.len());
    for (step, change) in pairs.iter().rev() {
        let factor = dot(step, &q) / dot(step, change);
        q.iter_mut().zip(change).for_each(|(q, c)| *q -= factor * c);
        factors.push(factor);
    }
    if let Some((step, change)) = pairs.last() {
        let scale = dot(step, change) / dot(change, change);
        q.iter_mut().for_each(|q| *q *= scale);
    }
    for ((step, change), factor) in pairs.iter().zip(factors.iter().rev()) {
        let back = dot(change, &q) / dot(step, change);
        q.iter_mut().zip(step).for_each(|(q, s)| *q += (factor - back) * s);
    }
    q.iter().zip(free).map(|(q, free)| if *free { -q } else { 0.0 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rosenbrock(x: &[f64], gradient: &mut [f64]) -> f64 {
        let (a, b) = (1.0 - x[0], x[1] - x[0] * x[0]);
        gradient[0] = -2.0 * a - 400.0 * x[0] * b;
        gradient[1] = 200.0 * b;
        a * a + 100.0 * b * b
    }

    #[test]
    fn a_curved_valley_is_followed_to_its_end() {
        let (x, value) = minimize(rosenbrock, &[-1.2, 1.0], (-5.0, 5.0), 200, 1e-9);
        assert!(value < 1e-12 && (x[0] - 1.0).abs() < 1e-5, "{x:?} {value}");
    }

    #[test]
    fn bounds_hold() {
        let (x, value) = minimize(rosenbrock, &[-1.0, 0.2], (-5.0, 0.5), 200, 1e-9);
        assert!((x[0] - 0.5).abs() < 1e-5 && (x[1] - 0.25).abs() < 1e-4, "{x:?} {value}");
    }
}
