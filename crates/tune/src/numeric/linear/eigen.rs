//! Eigenvalues of small symmetric matrices.

/// Rotations over all pairs after which the method is given up; ten suffice for any matrix.
const SWEEPS: usize = 50;

/// Eigenvalues and eigenvectors of a symmetric matrix `[width, width]` by the cyclic method of Jacobi (Golub and Van
/// Loan, section 8.5). The eigenvectors are the columns of the second matrix.
pub(crate) fn symmetric_eigen(mut a: Vec<f64>, width: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; width * width];
    for place in 0..width {
        vectors[place * width + place] = 1.0;
    }
    for _ in 0..SWEEPS {
        let mut off = 0.0;
        let mut diagonal = 0.0;
        for row in 0..width {
            diagonal += a[row * width + row].powi(2);
            off += a[row * width + row + 1..(row + 1) * width].iter().map(|v| v * v).sum::<f64>();
        }
        if off <= 1e-30 * diagonal || !off.is_finite() {
            break;
        }
        for p in 0..width {
            for q in p + 1..width {
                rotate(&mut a, &mut vectors, width, p, q);
            }
        }
    }
    ((0..width).map(|place| a[place * width + place]).collect(), vectors)
}

/// Makes the entry at row `p` and column `q` zero.
fn rotate(a: &mut [f64], vectors: &mut [f64], width: usize, p: usize, q: usize) {
    let entry = a[p * width + q];
    if entry == 0.0 {
        return;
    }
    let theta = (a[q * width + q] - a[p * width + p]) / (2.0 * entry);
    let tangent = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
    let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
    let sine = tangent * cosine;
    for k in 0..width {
        let (x, y) = (a[k * width + p], a[k * width + q]);
        a[k * width + p] = cosine * x - sine * y;
        a[k * width + q] = sine * x + cosine * y;
    }
    for k in 0..width {
        let (x, y) = (a[p * width + k], a[q * width + k]);
        a[p * width + k] = cosine * x - sine * y;
        a[q * width + k] = sine * x + cosine * y;
        let (x, y) = (vectors[k * width + p], vectors[k * width + q]);
        vectors[k * width + p] = cosine * x - sine * y;
        vectors[k * width + q] = sine * x + cosine * y;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eigenvectors_rebuild_the_matrix() {
        let width = 6;
        let entry = |row: usize, column: usize| 1.0 / (row + column + 1) as f64 + f64::from(row == column);
        let matrix: Vec<f64> = (0..width * width).map(|place| entry(place / width, place % width)).collect();
        let (values, vectors) = symmetric_eigen(matrix.clone(), width);
        for row in 0..width {
            for column in 0..width {
                let sum: f64 = (0..width)
                    .map(|k| values[k] * vectors[row * width + k] * vectors[column * width + k])
                    .sum();
                assert!((sum - matrix[row * width + column]).abs() < 1e-12);
            }
        }
    }
}
