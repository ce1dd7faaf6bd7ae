//! Order of the training examples in an epoch, computable from any position.

use cupola_prep::permutation;

/// Number of blocks whose examples are mixed with each other.
const MIXED: usize = 128;

/// Order of one epoch. In memory it is one permutation of the examples. In a file it is a permutation of the
/// blocks, and within each stretch of blocks a permutation of their examples, so that blocks are used soon
/// after they are read.
#[derive(Debug)]
pub(crate) struct EpochOrder {
    seed: u64,
    epoch: u64,
    rows: usize,
    /// Number of examples of a block; `None` in memory.
    block: Option<usize>,
    /// Blocks in the order of this epoch.
    pub blocks: Vec<usize>,
    /// First position of each stretch of mixed blocks.
    starts: Vec<usize>,
    /// First position of the current stretch; `examples` holds its examples.
    from: usize,
    examples: Vec<usize>,
}

impl EpochOrder {
    /// Order of the first `rows` examples, which are stored in blocks of `block` examples, if any.
    pub fn new(rows: usize, block: Option<usize>, seed: u64, epoch: u64) -> Self {
        let Some(size) = block else {
            let examples = permutation(rows, seed, "shuffle", epoch);
            return Self { seed, epoch, rows, block, blocks: Vec::new(), starts: vec![0], from: 0, examples };
        };
        let blocks = permutation(rows.div_ceil(size), seed, "blocks", epoch);
        let mut next = 0;
        let stretches = blocks.chunks(MIXED).map(|blocks| {
            let start = next;
            next += blocks.iter().map(|block| size.min(rows - block * size)).sum::<usize>();
            start
        });
        let starts = stretches.collect();
        Self { seed, epoch, rows, block, blocks, starts, from: 0, examples: Vec::new() }
    }

    /// Examples at the positions `from` to `to` of the epoch.
    pub fn examples(&mut self, from: usize, to: usize) -> Vec<usize> {
        let to = to.min(self.rows);
        let mut out = Vec::with_capacity(to.saturating_sub(from));
        let mut at = from;
        while at < to {
            self.load_stretch(at);
            let end = to.min(self.from + self.examples.len());
            out.extend_from_slice(&self.examples[at - self.from..end - self.from]);
            at = end;
        }
        out
    }

    /// Blocks from the stretch of a position to the end of the epoch.
    pub fn blocks_from(&mut self, position: usize) -> Vec<usize> {
        if position < self.rows {
            self.load_stretch(position);
        }
        let stretch = self.stretch_of(self.from);
        self.blocks.get(stretch * MIXED..).map(<[usize]>::to_vec).unwrap_or_default()
    }

    fn stretch_of(&self, position: usize) -> usize {
        self.starts.partition_point(|start| *start <= position).saturating_sub(1)
    }

    /// Computes the stretch that contains a position.
    fn load_stretch(&mut self, position: usize) {
        let Some(size) = self.block else { return };
        if (self.from..self.from + self.examples.len()).contains(&position) {
            return;
        }
        let stretch = self.stretch_of(position);
        let blocks = self.blocks.chunks(MIXED).nth(stretch).unwrap_or_default();
        let all: Vec<usize> =
            blocks.iter().flat_map(|block| block * size..self.rows.min((block + 1) * size)).collect();
        // The order differs for each stretch of each epoch.
        let purpose = format!("within {stretch}");
        let mixed = permutation(all.len(), self.seed, &purpose, self.epoch);
        self.examples = mixed.into_iter().map(|index| all[index]).collect();
        self.from = self.starts.get(stretch).copied().unwrap_or(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_has_every_example_once_and_begins_anywhere() {
        for (rows, block) in [(1000, None), (1000, Some(7)), (1001, Some(300)), (5, Some(10))] {
            let all = EpochOrder::new(rows, block, 3, 1).examples(0, rows);
            let mut sorted = all.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, (0..rows).collect::<Vec<_>>(), "{block:?}");
            if rows > 5 {
                assert_ne!(all, EpochOrder::new(rows, block, 3, 2).examples(0, rows), "{block:?}");
            }
            for from in [0, 1, rows / 3, rows - 1] {
                let mut order = EpochOrder::new(rows, block, 3, 1);
                let to = (from + 64).min(rows);
                assert_eq!(order.examples(from, to), all[from..to], "{block:?} from {from}");
                // Going back works too.
                assert_eq!(order.examples(0, 3), all[..3]);
            }
        }
    }

    #[test]
    fn examples_stay_within_a_few_blocks() {
        let (rows, size) = (64_000, 100);
        let mut order = EpochOrder::new(rows, Some(size), 9, 0);
        for from in (0..rows).step_by(64) {
            let batch = order.examples(from, from + 64);
            let blocks: std::collections::HashSet<usize> = batch.iter().map(|row| row / size).collect();
            assert!(blocks.len() <= 2 * MIXED, "{} blocks in one batch", blocks.len());
        }
        let ahead = order.blocks_from(3 * size * MIXED);
        assert_eq!(ahead, order.blocks[3 * MIXED..]);
    }
}
