//! Distribution of the two-sided one-sample statistic.

use std::f64::consts::PI;

use statrs::function::factorial::ln_binomial;
use statrs::function::gamma::ln_gamma;

/// Probability of a statistic of at least `x` for `n` values.
pub(super) fn survival(n: f64, x: f64) -> f64 {
    if x >= 1.0 || n < 1.0 {
        return 0.0;
    }
    let t = n * x;
    if x <= 0.0 || t <= 0.5 {
        return 1.0;
    }
    let survival = if t <= 1.0 {
        // Ruben and Gambino (1982).
        1.0 - (ln_gamma(n + 1.0) - n * n.ln() + n * (2.0 * t - 1.0).ln()).exp()
    } else if t >= n - 1.0 {
        2.0 * (n * (1.0 - x).ln()).exp()
    } else {
        let squared = t * x;
        if squared >= 370.0 {
            0.0
        } else if x >= 0.5 || squared >= if n <= 140.0 { 4.0 } else { 2.2 } {
            2.0 * one_sided(n, x)
        } else if n <= 140.0 || n <= 100_000.0 && n * x.powf(1.5) <= 1.4 {
            1.0 - durbin_matrix(n, x)
        } else {
            1.0 - pelz_good(n, x)
        }
    };
    survival.clamp(0.0, 1.0)
}

/// Probability of a one-sided statistic of at least `x` (Smirnov 1944), a sum of positive terms.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn one_sided(n: f64, x: f64) -> f64 {
    let last = (n * (1.0 - x)).floor();
    let terms = (0..=last as u64).map(|index| {
        let j = index as f64;
        let rest = 1.0 - x - j / n;
        let power = if n - j > 0.0 { (n - j) * rest.max(0.0).ln() } else { 0.0 };
        (ln_binomial(n as u64, index) + (j - 1.0) * (x + j / n).ln() + power).exp()
    });
    x * terms.sum::<f64>()
}

/// Square matrix, row by row.
struct Matrix {
    values: Vec<f64>,
    size: usize,
}

impl Matrix {
    fn times(&self, other: &Self) -> Self {
        let size = self.size;
        let mut values = vec![0.0; size * size];
        for (row, out) in self.values.chunks(size).zip(values.chunks_mut(size)) {
            for (factor, from) in row.iter().zip(other.values.chunks(size)) {
                out.iter_mut().zip(from).for_each(|(sum, value)| *sum += factor * value);
            }
        }
        Self { values, size }
    }
}

/// Cumulative probability by the matrix of Durbin (1968), as Marsaglia, Tsang and Wang (2003) evaluate it. For small `n x`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    clippy::many_single_char_names,
    reason = "names of the paper; sizes of at most a few hundred"
)]
fn durbin_matrix(n: f64, x: f64) -> f64 {
    const LARGE: f64 = 1e140;
    let nd = n * x;
    let k = nd.ceil() as usize;
    let h = k as f64 - nd;
    let m = 2 * k - 1;
    let mut factor = 1.0;
    let (mut v, mut w) = (vec![0.0; m], vec![0.0; m]);
    for j in 1..=m {
        w[j - 1] = factor;
        factor /= j as f64;
        v[j - 1] = (1.0 - h.powi(j as i32)) * factor;
    }
    v[m - 1] = (1.0 + (2.0 * h - 1.0).max(0.0).powi(m as i32) - 2.0 * h.powi(m as i32)) * factor;
    let mut matrix = Matrix { values: vec![0.0; m * m], size: m };
    for column in 1..m {
        for row in column - 1..m {
            matrix.values[row * m + column] = w[row + 1 - column];
        }
    }
    for (row, value) in v.iter().enumerate() {
        matrix.values[row * m] = *value;
    }
    for column in 0..m {
        matrix.values[(m - 1) * m + column] = v[m - 1 - column];
    }
    let identity = |index: usize| if index.is_multiple_of(m + 1) { 1.0 } else { 0.0 };
    let mut power = Matrix { values: (0..m * m).map(identity).collect(), size: m };
    // Logarithms of what the matrices are divided by.
    let (mut scale, mut matrix_scale) = (0.0, 0.0);
    let mut exponent = n as u64;
    while exponent > 0 {
        if exponent % 2 == 1 {
            power = power.times(&matrix);
            scale += matrix_scale;
        }
        matrix = matrix.times(&matrix);
        matrix_scale *= 2.0;
        let middle = matrix.values[(k - 1) * m + k - 1];
        if middle > LARGE {
            matrix.values.iter_mut().for_each(|value| *value /= middle);
            matrix_scale += middle.ln();
        }
        exponent /= 2;
    }
    let found = power.values[(k - 1) * m + k - 1];
    (found.ln() + scale + ln_gamma(n + 1.0) - n * n.ln()).exp()
}

/// Cumulative probability by the expansion of Pelz and Good (1976) in powers of the root of `n`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn pelz_good(n: f64, x: f64) -> f64 {
    let z = n.sqrt() * x;
    let (z2, z4, z6, z8) = (z.powi(2), z.powi(4), z.powi(6), z.powi(8));
    let (pi2, pi4, pi6) = (PI.powi(2), PI.powi(4), PI.powi(6));
    let last = (16.0 * z / PI).ceil() as u32;
    let mut sums = [0.0; 4];
    for k in (1..=last).rev() {
        let odd = f64::from(2 * k - 1);
        let (m2, m4, m6) = (odd.powi(2), odd.powi(4), odd.powi(6));
        let weight = (-pi2 / 8.0 / z2 * m2).exp();
        let terms = [
            1.0,
            -z2 + pi2 / 4.0 * m2,
            6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * pi2 / 4.0 * m2 + pi4 * (1.0 - 2.0 * z2) / 16.0 * m4,
            -30.0 * z6 - 90.0 * z8
                + pi2 * (135.0 * z4 - 96.0 * z6) / 4.0 * m2
                + pi4 * (-60.0 * z2 + 212.0 * z4) / 16.0 * m4
                + pi6 * (5.0 - 30.0 * z2) / 64.0 * m6,
        ];
        sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += weight * term);
    }
    let root = (2.0 * PI).sqrt();
    let divisors = [z, 6.0 * z4, 72.0 * z.powi(7), 6480.0 * z.powi(10)];
    sums.iter_mut().zip(divisors).for_each(|(sum, divisor)| *sum *= root / divisor);
    for k in (1..=last).rev() {
        let k2 = f64::from(k).powi(2);
        let weight = (-pi2 / 2.0 / z2 * k2).exp() * k2;
        sums[2] -= weight * pi2 * root / (36.0 * z.powi(3));
        sums[3] += weight * (3.0 * z2 - pi2 * k2) * pi2 * root / (216.0 * z6);
    }
    sums.iter().enumerate().map(|(index, sum)| sum / n.powf(index as f64 / 2.0)).sum()
}
