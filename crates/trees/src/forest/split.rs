//! Best split of a node.

use super::criterion::{Cell, Side, TargetKind};
use super::ranks::{MISSING, RankedColumn};

/// Smallest improvement, relative to the score of the node.
const LEAST_GAIN: f64 = 1e-12;

/// Row of a node.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub row: u32,
    /// Number of times that the row was drawn.
    pub weight: u32,
    /// Number, or class.
    pub value: f64,
}

/// Rows that go left: those of ranks up to `low`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Split {
    pub column: usize,
    pub low: u16,
    /// Next rank of the node; [`MISSING`] if all other rows are missing.
    pub high: u16,
    pub missing_left: bool,
    gain: f64,
}

impl Split {
    /// `true` if a rank goes left.
    pub fn goes_left(&self, rank: u16) -> bool {
        if rank == MISSING { self.missing_left } else { rank <= self.low }
    }
}

/// Buffers of a tree that grows.
pub(super) struct SplitFinder {
    kind: TargetKind,
    least_rows: u32,
    ranks: Vec<u16>,
    keys: Vec<u64>,
    cells: Vec<Cell>,
    /// Cells of rows whose rank is missing.
    missing: Vec<Cell>,
    left: Side,
    right: Side,
}

impl SplitFinder {
    /// Finder of splits that leave `least_rows` rows on each side.
    pub fn new(kind: TargetKind, least_rows: usize) -> Self {
        Self {
            kind,
            least_rows: u32::try_from(least_rows).unwrap_or(u32::MAX),
            ranks: Vec::new(),
            keys: Vec::new(),
            cells: Vec::new(),
            missing: Vec::new(),
            left: Side::empty(kind),
            right: Side::empty(kind),
        }
    }

    /// Best split on a column that is better than `best`. `true` if the column has several values.
    pub fn improve(
        &mut self,
        (index, column): (usize, &RankedColumn),
        samples: &[Sample],
        node: &Side,
        best: &mut Option<Split>,
    ) -> bool {
        if !self.fill_cells(column, samples) {
            return false;
        }
        self.scan(index, node, false, best);
        if !self.missing.is_empty() {
            self.scan(index, node, true, best);
        }
        true
    }

    /// Cells of the samples in the order of their ranks. `false` if all samples have one rank.
    fn fill_cells(&mut self, column: &RankedColumn, samples: &[Sample]) -> bool {
        self.ranks.clear();
        let (mut first, mut last, mut missing) = (MISSING, 0, false);
        self.ranks.extend(samples.iter().map(|sample| {
            let rank = column.ranks[sample.row as usize];
            if rank == MISSING {
                missing = true;
            } else {
                first = first.min(rank);
                last = last.max(rank);
            }
            rank
        }));
        self.cells.clear();
        self.missing.clear();
        if first == MISSING || first == last && !missing {
            return false;
        }
        let cells = (usize::from(last - first) + 1) * self.kind.cells();
        if cells <= 2 * samples.len() {
            self.count_cells(samples, first, cells);
        } else {
            self.sort_cells(samples);
        }
        if missing {
            let own = self.ranks.iter().zip(samples).filter(|(rank, _)| **rank == MISSING);
            self.missing.extend(own.map(|(rank, sample)| self.kind.cell(*rank, sample)));
        }
        true
    }

    /// One cell per rank and class.
    fn count_cells(&mut self, samples: &[Sample], first: u16, count: usize) {
        let own = self.kind.cells();
        self.cells.resize(count, Cell::default());
        for (rank, sample) in self.ranks.iter().zip(samples).filter(|(rank, _)| **rank != MISSING) {
            let new = self.kind.cell(*rank, sample);
            let cell = &mut self.cells[usize::from(rank - first) * own + new.class as usize];
            cell.rank = new.rank;
            cell.class = new.class;
            cell.rows += 1;
            cell.weight += new.weight;
            cell.sum += new.sum;
        }
        self.cells.retain(|cell| cell.rows > 0);
    }

    /// One cell per row.
    fn sort_cells(&mut self, samples: &[Sample]) {
        self.keys.clear();
        let ranks = (0_u64..).zip(&self.ranks).filter(|(_, rank)| **rank != MISSING);
        self.keys.extend(ranks.map(|(index, rank)| u64::from(*rank) << 32 | index));
        self.keys.sort_unstable();
        #[allow(clippy::cast_possible_truncation, reason = "the halves of a key")]
        let cell = |key: &u64| self.kind.cell((key >> 32) as u16, &samples[(key & 0xffff_ffff) as usize]);
        self.cells.extend(self.keys.iter().map(cell));
    }

    /// Tries all thresholds with the missing rows on one side.
    fn scan(&mut self, column: usize, node: &Side, missing_left: bool, best: &mut Option<Split>) {
        self.right.copy_from(node);
        self.left.clear();
        if missing_left {
            for cell in &self.missing {
                self.left.add(cell);
                self.right.remove(cell);
            }
        }
        let node_score = node.score();
        let least_gain = LEAST_GAIN * node_score.abs().max(f64::MIN_POSITIVE);
        for (at, cell) in self.cells.iter().enumerate() {
            self.left.add(cell);
            self.right.remove(cell);
            let high = self.cells.get(at + 1).map_or(MISSING, |next| next.rank);
            if high == cell.rank || self.left.rows < self.least_rows || self.right.rows < self.least_rows {
                continue;
            }
            if self.right.rows == 0 {
                break;
            }
            let gain = self.left.score() + self.right.score() - node_score;
            if gain > best.map_or(least_gain, |best| best.gain) {
                // Where no row is missing, later ones follow the larger side.
                let missing_left =
                    if self.missing.is_empty() { self.left.weight > self.right.weight } else { missing_left };
                *best = Some(Split { column, low: cell.rank, high, missing_left, gain });
            }
        }
    }
}

impl TargetKind {
    /// Cell of one sample.
    fn cell(self, rank: u16, sample: &Sample) -> Cell {
        let weight = f64::from(sample.weight);
        match self {
            Self::Number => Cell { rank, rows: 1, class: 0, weight, sum: weight * sample.value },
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a class")]
            Self::Classes(_) => Cell { rank, rows: 1, class: sample.value as u32, weight, sum: 0.0 },
        }
    }

    /// All samples of a node.
    #[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
    pub fn side(self, samples: &[Sample]) -> Side {
        let mut side = Side::empty(self);
        samples.iter().for_each(|sample| side.add(&self.cell(0, sample)));
        side
    }
}
