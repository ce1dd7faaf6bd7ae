//! Impurity: how much two sides of a split differ.

/// Rows of one rank, and of one class if the target is a class.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cell {
    pub rank: u16,
    /// Number of distinct rows.
    pub rows: u32,
    /// Class of the rows.
    pub class: u32,
    /// Rows with their repetitions.
    pub weight: f64,
    /// Sum of the numbers of the rows, with their repetitions.
    pub sum: f64,
}

/// Target of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TargetKind {
    /// A number, or 0 and 1 for two classes: variance, which orders splits of two classes as Gini's impurity does.
    Number,
    /// One of so many classes: Gini's impurity.
    Classes(usize),
}

impl TargetKind {
    /// Cells of one rank.
    pub fn cells(self) -> usize {
        match self {
            Self::Number => 1,
            Self::Classes(count) => count,
        }
    }
}

/// One side of a split, or a node.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    pub rows: u32,
    pub weight: f64,
    pub sum: f64,
    /// Weight of each class; empty for a number.
    pub classes: Vec<f64>,
    /// Sum of the squares of the weights of all classes.
    squares: f64,
}

impl Side {
    /// Side without rows.
    pub fn empty(kind: TargetKind) -> Self {
        let classes = match kind {
            TargetKind::Number => Vec::new(),
            TargetKind::Classes(count) => vec![0.0; count],
        };
        Self { classes, ..Self::default() }
    }

    /// Removes all rows.
    pub fn clear(&mut self) {
        (self.rows, self.weight, self.sum, self.squares) = (0, 0.0, 0.0, 0.0);
        self.classes.fill(0.0);
    }

    /// Becomes a copy of another side.
    pub fn copy_from(&mut self, other: &Self) {
        (self.rows, self.weight, self.sum, self.squares) =
            (other.rows, other.weight, other.sum, other.squares);
        self.classes.copy_from_slice(&other.classes);
    }

    /// Adds rows.
    pub fn add(&mut self, cell: &Cell) {
        self.rows += cell.rows;
        self.change(cell, cell.weight, cell.sum);
    }

    /// Removes rows.
    pub fn remove(&mut self, cell: &Cell) {
        self.rows -= cell.rows;
        self.change(cell, -cell.weight, -cell.sum);
    }

    fn change(&mut self, cell: &Cell, weight: f64, sum: f64) {
        self.weight += weight;
        self.sum += sum;
        if let Some(class) = self.classes.get_mut(cell.class as usize) {
            // Weights are counts of rows, so these sums are exact.
            self.squares += weight * (2.0 * *class + weight);
            *class += weight;
        }
    }

    /// Weight times purity; the higher the sum of both sides, the better the split.
    pub fn score(&self) -> f64 {
        let squares = if self.classes.is_empty() { self.sum * self.sum } else { self.squares };
        squares / self.weight
    }
}
