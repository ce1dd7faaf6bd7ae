//! Blocks of an example file in memory, least recently used ones evicted first.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use crate::examples::ExamplesWithTargets;

/// Blocks in memory at once. Up to half of them may be read ahead.
pub(super) const MAX_BLOCKS: usize = 384;

/// Cached blocks and the queue of blocks to read ahead.
#[derive(Debug, Default)]
pub(super) struct BlockCache {
    /// Blocks with the time of their last use.
    pub blocks: HashMap<usize, (Arc<ExamplesWithTargets>, u64)>,
    /// Blocks that were read ahead and are not used yet.
    pub unused: HashSet<usize>,
    /// Blocks that will be used, in order.
    pub expected: VecDeque<usize>,
    /// `true` once the store is dropped.
    pub closed: bool,
    clock: u64,
}

impl BlockCache {
    /// The next block to read ahead; `None` if there is none or too many wait to be used.
    pub fn next_expected(&mut self) -> Option<usize> {
        if self.unused.len() < MAX_BLOCKS / 2 { self.expected.pop_front() } else { None }
    }

    /// Returns a cached block and marks it as used.
    pub fn get(&mut self, block: usize) -> Option<Arc<ExamplesWithTargets>> {
        self.clock += 1;
        let clock = self.clock;
        self.unused.remove(&block);
        self.blocks.get_mut(&block).map(|(found, used)| {
            *used = clock;
            Arc::clone(found)
        })
    }

    /// Inserts a block in place of the least recently used one.
    pub fn insert(&mut self, block: usize, read: &Arc<ExamplesWithTargets>) {
        if self.blocks.len() >= MAX_BLOCKS {
            let evictable =
                |(block, _): &(&usize, &(Arc<ExamplesWithTargets>, u64))| !self.unused.contains(block);
            let oldest = self.blocks.iter().filter(evictable).min_by_key(|(_, (_, used))| *used);
            if let Some(oldest) = oldest.map(|(block, _)| *block) {
                self.blocks.remove(&oldest);
            }
        }
        self.clock += 1;
        self.blocks.insert(block, (Arc::clone(read), self.clock));
    }
}
