//! Vectors of rows.

/// Vectors of equal width, of all rows or of evenly spaced ones.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingRows {
    width: usize,
    /// Values `[rows, width]`.
    values: Vec<f64>,
    seen: usize,
    every: usize,
    most: usize,
}

impl EmbeddingRows {
    /// No vectors yet. The step between two of them doubles whenever they are more than `most`.
    pub fn new(width: usize, most: usize) -> Self {
        Self { width, values: Vec::new(), seen: 0, every: 1, most: most.max(2) }
    }

    /// Adds the vector of a row.
    pub fn push(&mut self, vector: impl IntoIterator<Item = f64>) {
        if self.seen.is_multiple_of(self.every) {
            let before = self.values.len();
            self.values.extend(vector.into_iter().take(self.width));
            self.values.resize(before + self.width, 0.0);
            if self.len() > self.most {
                let rows = self.values.chunks(self.width.max(1)).step_by(2);
                self.values = rows.flatten().copied().collect();
                self.every *= 2;
            }
        }
        self.seen += 1;
    }

    /// Values `[rows, width]`.
    pub fn values(&self) -> &[f64] {
        &self.values
    }

    /// Number of vectors.
    pub fn len(&self) -> usize {
        self.values.len() / self.width.max(1)
    }

    /// `true` without vectors.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values of a vector.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows for each vector: 1 unless there were too many.
    pub fn every(&self) -> usize {
        self.every
    }

    /// A vector; empty beyond the last one.
    pub(super) fn row(&self, at: usize) -> &[f64] {
        self.values.get(at * self.width..(at + 1) * self.width).unwrap_or_default()
    }

    /// Values of a component.
    pub(super) fn component(&self, at: usize) -> impl Iterator<Item = f64> + '_ {
        self.values.iter().copied().skip(at).step_by(self.width.max(1))
    }

    /// Mean vector.
    #[allow(clippy::cast_precision_loss, reason = "a number of rows")]
    pub(super) fn mean(&self) -> Vec<f64> {
        let count = self.len().max(1) as f64;
        (0..self.width).map(|at| self.component(at).sum::<f64>() / count).collect()
    }
}
