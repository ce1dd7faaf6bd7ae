//! Reading of text files in chunks of whole records, which several threads parse.

mod parallel;
mod split;

pub(super) use self::parallel::{ChunkParser, ParallelChunks};
pub(super) use self::split::{Chunk, RecordRules, Splitter, is_blank};
