//! LSTM (Hochreiter and Schmidhuber 1997) and GRU (Cho et al. 2014) layers with their backward pass through time.
//!
//! The batch is divided into groups of sequences, and a thread runs all steps of a group, so that no step waits for
//! another thread. The gradients of the weights are products over all steps at the end. A row's result does not depend on
//! its group, and the order of each sum depends on the shapes alone, so results are the same for any number of threads.
//!
//! The values of a step lie in four columns of `width` values, rounded up to whole vectors: the gates `i, f, g, o` of an
//! LSTM; of a GRU `n, r, z` and the part of `n` that comes from the state before, which `r` scales.

mod backward;
mod cells;
mod forward;
mod gradients;
#[cfg(test)]
mod tests;
mod weights;

pub use backward::backward;
pub use forward::forward;

use cells::LANES;

/// Columns of a step.
const COLUMNS: usize = 4;
/// Fewest sequences of a group: with fewer, the products read the weights more often than they compute.
const FEWEST: usize = 8;
/// Most sequences of a group.
const MOST: usize = 32;

/// Recurrent cell with the gates and biases of `PyTorch`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecurrentCell {
    /// Gates `i, f, g, o`.
    Lstm,
    /// Gates `r, z, n`, with `n = tanh(W_in x + b_in + r (W_hn h + b_hn))`.
    Gru,
}

/// Sizes of one direction of a recurrent layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecurrentShape {
    /// Kind of the cell.
    pub cell: RecurrentCell,
    /// Number of sequences.
    pub batch: usize,
    /// Steps of a sequence.
    pub time: usize,
    /// Values of a step of the input.
    pub input: usize,
    /// Values of the state.
    pub width: usize,
    /// `true` if the last step comes first.
    pub reversed: bool,
}

/// Weights of one direction, with the gates stacked.
#[derive(Debug, Clone, Copy)]
pub struct RecurrentWeights<'a> {
    /// `[gates * width, input]`
    pub ih: &'a [f32],
    /// `[gates * width, width]`
    pub hh: &'a [f32],
    /// `[gates * width]`
    pub bias_ih: &'a [f32],
    /// `[gates * width]`
    pub bias_hh: &'a [f32],
}

/// Output of a recurrent layer, and what its backward pass needs.
#[derive(Debug, Clone)]
pub struct RecurrentOutput {
    /// `[batch, time, width]`
    pub y: Vec<f32>,
    /// Columns of each step, `[batch, time, 4 * padded width]`.
    pub gates: Vec<f32>,
    /// States of an LSTM's cells, `[batch, time, padded width]`; empty for a GRU.
    pub cells: Vec<f32>,
}

/// Values of [`RecurrentOutput`] for the backward pass.
#[derive(Debug, Clone, Copy)]
pub struct RecurrentValues<'a> {
    /// `[batch, time, width]`
    pub y: &'a [f32],
    /// `[batch, time, 4 * padded width]`
    pub gates: &'a [f32],
    /// `[batch, time, padded width]`, or empty
    pub cells: &'a [f32],
}

/// Gradients of a recurrent layer's inputs; those that are not needed are empty.
#[derive(Debug, Default)]
pub struct RecurrentGradients {
    /// `[batch, time, input]`
    pub x: Vec<f32>,
    /// `[gates * width, input]`
    pub ih: Vec<f32>,
    /// `[gates * width, width]`
    pub hh: Vec<f32>,
    /// `[gates * width]`
    pub bias_ih: Vec<f32>,
    /// `[gates * width]`
    pub bias_hh: Vec<f32>,
}

/// Gradients that [`backward`] computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeededGradients {
    /// Gradient of the input.
    pub x: bool,
    /// Gradients of weights and biases.
    pub weights: bool,
}

/// Columns that one side of a step, input or state, adds to.
#[derive(Debug, Clone, Copy)]
struct Side {
    /// First column.
    first: usize,
    /// Gate, in `PyTorch`'s order, of each column.
    gates: &'static [usize],
}

impl RecurrentCell {
    /// Number of gates, whose weights are stacked.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }

    /// Columns that the input adds to.
    fn input_side(self) -> Side {
        match self {
            Self::Lstm => Side { first: 0, gates: &[0, 1, 2, 3] },
            Self::Gru => Side { first: 0, gates: &[2, 0, 1] },
        }
    }

    /// Columns that the state of the step before adds to.
    fn state_side(self) -> Side {
        match self {
            Self::Lstm => self.input_side(),
            Self::Gru => Side { first: 1, gates: &[0, 1, 2] },
        }
    }
}

impl Side {
    /// `true` if it adds to this column.
    fn has(self, column: usize) -> bool {
        (self.first..self.first + self.gates.len()).contains(&column)
    }

    /// Columns in the order of the gates.
    fn columns(self) -> impl Iterator<Item = usize> {
        let mut columns: Vec<usize> = (0..self.gates.len()).collect();
        columns.sort_by_key(|column| self.gates[*column]);
        columns.into_iter().map(move |column| self.first + column)
    }
}

impl RecurrentShape {
    /// Width of a column.
    fn padded(&self) -> usize {
        self.width.next_multiple_of(LANES)
    }

    /// Values of the columns of a step.
    fn columns(&self) -> usize {
        COLUMNS * self.padded()
    }

    /// Number of steps of all sequences.
    fn rows(&self) -> usize {
        self.batch * self.time
    }

    fn is_empty(&self) -> bool {
        self.rows() * self.width == 0
    }

    /// Position in time of the `step`-th step.
    fn position(&self, step: usize) -> usize {
        if self.reversed { self.time - 1 - step } else { step }
    }

    /// Sequences of a group, so that each thread has two groups. It decides only who computes a row.
    fn group(&self) -> usize {
        self.batch.div_ceil(2 * rayon::current_num_threads()).clamp(FEWEST, MOST)
    }
}
