//! Cholesky factor of a matrix that grows by rows.

use super::dot;

/// Lower triangle `L` with `L Lᵀ = A`, row after row, each with its own length. A row depends only on those above it, so
/// that a factor extended by a row has the same bits as one made at once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cholesky {
    rows: Vec<Vec<f64>>,
}

impl Cholesky {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Appends a row of `A` up to its diagonal, in `O(n²)`. A pivot that rounding makes too small is raised to `floor`.
    pub fn push(&mut self, mut row: Vec<f64>, floor: f64) {
        let Some(diagonal) = row.pop() else { return };
        for (column, above) in self.rows.iter().enumerate() {
            let sum = dot(&row[..column], &above[..column]);
            row[column] = (row[column] - sum) / above[column];
        }
        row.push((diagonal - dot(&row, &row)).max(floor).sqrt());
        self.rows.push(row);
    }

    /// Keeps the first rows.
    pub fn truncate(&mut self, count: usize) {
        self.rows.truncate(count);
    }

    /// Solves `L x = b` in place.
    pub fn solve_lower(&self, b: &mut [f64]) {
        for (place, row) in self.rows.iter().enumerate() {
            let sum = dot(&row[..place], &b[..place]);
            b[place] = (b[place] - sum) / row[place];
        }
    }

    /// Solves `Lᵀ x = b` in place.
    pub fn solve_upper(&self, b: &mut [f64]) {
        for (place, row) in self.rows.iter().enumerate().rev() {
            b[place] /= row[place];
            let x = b[place];
            for (value, entry) in b[..place].iter_mut().zip(row) {
                *value -= x * entry;
            }
        }
    }

    /// Half the logarithm of the determinant of `A`.
    pub fn half_ln_det(&self) -> f64 {
        self.rows.iter().filter_map(|row| row.last()).map(|pivot| pivot.ln()).sum()
    }

    /// Inverse of `A`, as the rows of its lower triangle.
    pub fn inverse(&self) -> Vec<Vec<f64>> {
        let count = self.len();
        // Columns of the inverse of `L` from the diagonal on; contiguous, unlike in the rows.
        let mut columns: Vec<Vec<f64>> = Vec::with_capacity(count);
        for column in 0..count {
            let mut x = vec![0.0; count - column];
            x[0] = 1.0 / self.rows[column][column];
            for place in column + 1..count {
                let row = &self.rows[place];
                x[place - column] = -dot(&row[column..place], &x[..place - column]) / row[place];
            }
            columns.push(x);
        }
        let entry = |row: usize, column: usize| dot(&columns[row], &columns[column][row - column..]);
        (0..count).map(|row| (0..=row).map(|column| entry(row, column)).collect()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[allow(clippy::needless_range_loop, reason = "several rows are read at one index")]
    fn solutions_and_inverse_fit_the_matrix() {
        let count = 9;
        let entry = |row: usize, column: usize| (-(row as f64 - column as f64).powi(2) / 8.0).exp();
        let mut factor = Cholesky::default();
        for row in 0..count {
            factor.push((0..=row).map(|c| entry(row, c) + 0.1 * f64::from(row == c)).collect(), 1e-12);
        }
        let b: Vec<f64> = (0..count).map(|place| (place as f64).sin()).collect();
        let mut x = b.clone();
        factor.solve_lower(&mut x);
        factor.solve_upper(&mut x);
        let inverse = factor.inverse();
        for row in 0..count {
            let sum: f64 =
                (0..count).map(|column| inverse[row.max(column)][row.min(column)] * b[column]).sum();
            assert!((sum - x[row]).abs() < 1e-9);
        }
        for row in 0..count {
            let sum: f64 = (0..count).map(|c| (entry(row, c) + 0.1 * f64::from(row == c)) * x[c]).sum();
            assert!((sum - b[row]).abs() < 1e-10);
        }
    }
}
