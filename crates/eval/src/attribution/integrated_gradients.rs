//! Integrated gradients (Sundararajan, Taly and Yan 2017) by Gauss-Legendre quadrature.

use std::f64::consts::PI;

/// Values and gradients of a model at several points.
#[derive(Debug, Clone, PartialEq)]
pub struct PathGradients {
    /// Value at each point.
    pub values: Vec<f32>,
    /// `[points, width]`
    pub gradients: Vec<f32>,
}

/// Attribution of `value - baseline_value` to the coordinates of an input.
#[derive(Debug, Clone, PartialEq)]
pub struct IntegratedGradients {
    /// Attribution of each coordinate.
    pub attributions: Vec<f64>,
    /// Value at the baseline.
    pub baseline_value: f64,
    /// Value at the input.
    pub value: f64,
    /// Absolute difference between the sum of the attributions and `value - baseline_value`: the error of the quadrature.
    pub completeness_error: f64,
    /// Points on the path.
    pub steps: usize,
}

/// Fewest points on a path.
const FIRST_STEPS: usize = 32;
/// Relative completeness error at which the quadrature ends.
const TOLERANCE: f64 = 0.005;

/// Integrates the gradient along the straight path from `baseline` to `input`. Starts with 32 points and doubles them
/// until the completeness error is below 0.5 % of the difference between both values, or there are `most_steps`.
///
/// `gradients` gets at most `batch` points `[points, width]` at a time, and says by an error that time is up.
///
/// # Errors
/// The errors of `gradients`.
pub fn integrated_gradients<E>(
    input: &[f32],
    baseline: &[f32],
    most_steps: usize,
    batch: usize,
    gradients: &mut impl FnMut(&[f32]) -> Result<PathGradients, E>,
) -> Result<IntegratedGradients, E> {
    let ends = gradients(&[baseline, input].concat())?;
    let value_at = |index: usize| ends.values.get(index).copied().map_or(0.0, f64::from);
    let (baseline_value, value) = (value_at(0), value_at(1));
    let mut steps = FIRST_STEPS.min(most_steps.max(1));
    loop {
        let attributions = integrate(input, baseline, (steps, batch), gradients)?;
        let completeness_error = (attributions.iter().sum::<f64>() - (value - baseline_value)).abs();
        let enough = completeness_error <= TOLERANCE * (value - baseline_value).abs();
        if enough || steps * 2 > most_steps {
            return Ok(IntegratedGradients {
                attributions,
                baseline_value,
                value,
                completeness_error,
                steps,
            });
        }
        steps *= 2;
    }
}

/// Quadrature with `steps` points, `batch` at a time.
fn integrate<E>(
    input: &[f32],
    baseline: &[f32],
    (steps, batch): (usize, usize),
    gradients: &mut impl FnMut(&[f32]) -> Result<PathGradients, E>,
) -> Result<Vec<f64>, E> {
    let width = input.len();
    let mut sums = vec![0.0; width];
    for part in gauss_legendre(steps).chunks(batch.max(1)) {
        let mut points = Vec::with_capacity(part.len() * width);
        for (at, _) in part {
            #[allow(clippy::cast_possible_truncation)]
            let at = *at as f32;
            points.extend(baseline.iter().zip(input).map(|(from, to)| from + at * (to - from)));
        }
        let found = gradients(&points)?;
        for ((_, weight), row) in part.iter().zip(found.gradients.chunks(width.max(1))) {
            sums.iter_mut().zip(row).for_each(|(sum, gradient)| *sum += weight * f64::from(*gradient));
        }
    }
    let differences = input.iter().zip(baseline).map(|(to, from)| f64::from(*to) - f64::from(*from));
    // 0 times an infinite gradient is no attribution.
    Ok(sums.into_iter().zip(differences).map(|(sum, by)| if by == 0.0 { 0.0 } else { sum * by }).collect())
}

/// Points and weights of Gauss-Legendre quadrature on [0, 1] by Newton's method (Press et al. 2007, 4.6).
fn gauss_legendre(count: usize) -> Vec<(f64, f64)> {
    let n = count as f64;
    let root = |index: usize| {
        let mut x = (PI * (index as f64 + 0.75) / (n + 0.5)).cos();
        let mut slope = 1.0;
        for _ in 0..100 {
            let (mut p, mut before) = (1.0, 0.0);
            for j in 0..count {
                let j = j as f64;
                (p, before) = (((2.0 * j + 1.0) * x * p - j * before) / (j + 1.0), p);
            }
            slope = n * (x * p - before) / (x * x - 1.0);
            let step = p / slope;
            x -= step;
            if step.abs() < 1e-15 {
                break;
            }
        }
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * slope * slope))
    };
    (0..count).map(root).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quadrature_is_exact_for_polynomials() {
        for count in [1, 2, 5, 32, 64, 256] {
            let points = gauss_legendre(count);
            for power in 0..(2 * count).min(20) {
                let power = i32::try_from(power).unwrap();
                let sum: f64 = points.iter().map(|(x, weight)| weight * x.powi(power)).sum();
                assert!(
                    (sum - 1.0 / f64::from(power + 1)).abs() < 1e-13,
                    "{count} points, power {power}: {sum}"
                );
            }
        }
    }

    /// `x0² x1 + 3 relu(x1 - 0.3)`
    fn model(points: &[f32]) -> PathGradients {
        let (mut values, mut gradients) = (Vec::new(), Vec::new());
        for point in points.chunks(2) {
            let (a, b) = (point[0], point[1]);
            let active = f32::from(u8::from(b > 0.3));
            values.push(a * a * b + 3.0 * active * (b - 0.3));
            gradients.extend([2.0 * a * b, a * a + 3.0 * active]);
        }
        PathGradients { values, gradients }
    }

    fn integrated(input: &[f32], baseline: &[f32], most_steps: usize) -> IntegratedGradients {
        let mut exact = |points: &[f32]| Ok::<_, std::convert::Infallible>(model(points));
        integrated_gradients(input, baseline, most_steps, 7, &mut exact).unwrap()
    }

    #[test]
    fn attributions_are_the_integral_and_sum_to_the_difference() {
        let found = integrated(&[1.0, 2.0], &[0.0, 0.0], 512);
        // Integrals of 2 t · 2 t · 1 and of t² · 2 over [0, 1], and the change of the last term.
        for (found, expected) in found.attributions.iter().zip([4.0 / 3.0, 2.0 / 3.0 + 5.1]) {
            assert!((found - expected).abs() < 0.04, "{found}, expected {expected}");
        }
        assert!(found.completeness_error < 0.005 * 7.1 && found.steps >= 32, "{found:?}");
        let few = integrated(&[1.0, 2.0], &[0.0, 0.0], 2);
        assert!(few.completeness_error > 0.0 && few.steps == 2);
    }

    #[test]
    fn an_error_ends_the_integration_and_equal_coordinates_have_no_share() {
        let mut calls = 0;
        let mut failing = |points: &[f32]| {
            calls += 1;
            if calls > 1 { Err("late") } else { Ok(model(points)) }
        };
        assert_eq!(integrated_gradients(&[1.0, 2.0], &[0.0, 0.0], 64, 8, &mut failing), Err("late"));
        let same = integrated(&[1.0, 2.0], &[1.0, 2.0], 64);
        assert_eq!(same.attributions, [0.0, 0.0]);
    }
}
