//! Examples kept small: a one-hot category is its index until a batch is made of it.

use cupola_spec::Block;

use crate::examples::{Examples, Layout};

/// How a kept example becomes what the network sees.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// What the network sees.
    pub layout: Layout,
    /// What is kept.
    pub kept: Layout,
    numbers: usize,
    steps: Vec<Step>,
    /// Index columns that are no category's.
    indices: usize,
    hot: usize,
}

/// The encoded columns of the table, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// So many real numbers as they are.
    Copy(usize),
    /// A one-hot category of so many values.
    Hot(usize),
}

impl Step {
    /// Columns that the network sees.
    pub fn width(self) -> usize {
        match self {
            Self::Copy(width) | Self::Hot(width) => width,
        }
    }
}

impl Recipe {
    /// For a layout whose table has these encoded columns.
    pub(crate) fn new(layout: Layout, steps: Vec<Step>) -> Self {
        let mut kept = layout.clone();
        let (mut numbers, mut indices) = (0, 0);
        let sizes = steps.iter().filter(|step| matches!(step, Step::Hot(_))).map(|step| step.width());
        let hot: Vec<usize> = sizes.collect();
        if let Some(Block::Table { numbers: n, encoded, indices: i }) = kept.blocks.first_mut() {
            (numbers, indices) = (*n, i.len());
            *encoded -= hot.iter().sum::<usize>();
            i.extend(&hot);
        }
        Self { layout, kept, numbers, steps, indices, hot: hot.len() }
    }

    /// The example as it is: nothing is kept smaller.
    pub fn plain(layout: Layout) -> Self {
        let encoded = match layout.blocks.first() {
            Some(Block::Table { encoded, .. }) => *encoded,
            _ => 0,
        };
        Self::new(layout, vec![Step::Copy(encoded)])
    }

    /// One-hot categories that are kept as indices.
    pub(crate) fn hot(&self) -> usize {
        self.hot
    }

    /// What the network sees of kept examples.
    pub fn expand(&self, kept: Examples) -> Examples {
        if self.hot == 0 {
            return Examples { layout: self.layout.clone(), ..kept };
        }
        let mut out = Examples::zeros(self.layout.clone(), kept.rows);
        let (d, k) = (self.layout.dense_width(), self.layout.index_width());
        let (kept_d, kept_k) = (self.kept.dense_width(), self.kept.index_width());
        for row in 0..kept.rows {
            let from = &kept.dense[row * kept_d..(row + 1) * kept_d];
            let codes = &kept.indices[row * kept_k..(row + 1) * kept_k];
            let to = &mut out.dense[row * d..(row + 1) * d];
            to[..self.numbers].copy_from_slice(&from[..self.numbers]);
            let (mut at, mut read, mut hot) = (self.numbers, self.numbers, self.indices);
            for step in &self.steps {
                match *step {
                    Step::Copy(n) => {
                        to[at..at + n].copy_from_slice(&from[read..read + n]);
                        (at, read) = (at + n, read + n);
                    }
                    Step::Hot(size) => {
                        if let Ok(code) = usize::try_from(codes[hot]) {
                            to[at + code.min(size - 1)] = 1.0;
                        }
                        (at, hot) = (at + size, hot + 1);
                    }
                }
            }
            to[at..].copy_from_slice(&from[read..]);
            let indices = &mut out.indices[row * k..(row + 1) * k];
            indices[..self.indices].copy_from_slice(&codes[..self.indices]);
            indices[self.indices..].copy_from_slice(&codes[hot..]);
        }
        out
    }
}
