//! Examples in a file of fixed-size records, read in blocks ahead of their use.

mod cache;
mod record;
mod writer;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use self::cache::BlockCache;
use self::record::RecordShape;
use super::{Examples, ExamplesWithTargets, Targets};
use crate::error::Error;

pub use self::writer::ExampleWriter;

/// File of examples. While it is not saved, it has no name, so it disappears with the process.
#[derive(Debug)]
pub struct ExampleStore {
    shared: Arc<Shared>,
}

/// State shared with the thread that reads ahead.
#[derive(Debug)]
struct Shared {
    file: File,
    /// Folder of the file, for messages.
    folder: PathBuf,
    about: About,
    cache: Mutex<BlockCache>,
    changed: Condvar,
}

/// Description of the records. A saved file ends with it as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct About {
    shape: RecordShape,
    rows: usize,
    /// Rows of each class, for each target.
    counts: Vec<Vec<usize>>,
}

impl ExampleStore {
    /// Copies the file: its records, their description as JSON, and the length of the JSON as 8 bytes.
    pub(crate) fn save(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let Shared { file, about, .. } = &*self.shared;
        let json = serde_json::to_vec(about)?;
        let (mut at, end) = (0, (about.rows * about.shape.bytes()) as u64);
        let mut buffer = vec![0; 1 << 20];
        while at < end {
            let n = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            file.read_exact_at(&mut buffer[..n], at)?;
            out.write_all(&buffer[..n])?;
            at += n as u64;
        }
        out.write_all(&json)?;
        out.write_all(&(json.len() as u64).to_le_bytes())
    }

    /// Opens a file that [`Self::save`] wrote. Messages name `folder`.
    pub(crate) fn open(file: File, folder: &Path) -> std::io::Result<Self> {
        let truncated = || std::io::Error::other("the file is truncated");
        let length = file.metadata()?.len();
        let mut size = [0; 8];
        file.read_exact_at(&mut size, length.checked_sub(8).ok_or_else(truncated)?)?;
        let size = u64::from_le_bytes(size);
        let start = length.checked_sub(8 + size).ok_or_else(truncated)?;
        let mut json = vec![0; usize::try_from(size).map_err(|_| truncated())?];
        file.read_exact_at(&mut json, start)?;
        let about: About = serde_json::from_slice(&json)?;
        if start != (about.rows * about.shape.bytes()) as u64 {
            return Err(truncated());
        }
        Self::new(file, folder, about)
    }

    /// Starts the thread that reads ahead.
    fn new(file: File, folder: &Path, about: About) -> std::io::Result<Self> {
        let (cache, changed, folder) = (Mutex::default(), Condvar::new(), folder.to_owned());
        let shared = Arc::new(Shared { file, folder, about, cache, changed });
        let reader = Arc::clone(&shared);
        std::thread::Builder::new().name("reader".into()).spawn(move || reader.read_ahead())?;
        Ok(Self { shared })
    }

    /// Number of examples.
    pub fn rows(&self) -> usize {
        self.shared.about.rows
    }

    /// Number of examples in a block.
    pub fn block(&self) -> usize {
        self.shared.about.shape.block()
    }

    /// Number of examples of each class of the target at `index`; empty if it is not a class.
    pub fn classes(&self, index: usize) -> Vec<usize> {
        self.shared.about.counts.get(index).cloned().unwrap_or_default()
    }

    /// Announces the blocks that will be gathered: see [`crate::SplitExamples::expect`].
    pub fn expect(&self, blocks: &[usize]) {
        self.shared.cache().expected = blocks.iter().copied().collect();
        self.shared.changed.notify_all();
    }

    /// Copies the examples at `rows`, in that order.
    ///
    /// # Errors
    /// [`Error::Store`] if the file cannot be read.
    pub fn gather(&self, rows: &[usize]) -> Result<ExamplesWithTargets, Error> {
        let (shape, size) = (&self.shared.about.shape, self.block());
        let mut blocks: HashMap<usize, Arc<ExamplesWithTargets>> = HashMap::new();
        for row in rows {
            let block = row / size;
            if let Entry::Vacant(entry) = blocks.entry(block) {
                entry.insert(self.shared.block(block)?);
            }
        }
        let (dense_width, index_width) = (shape.layout.dense_width(), shape.layout.index_width());
        let mut examples = Examples::zeros(shape.layout.clone(), rows.len());
        let mut targets = shape.empty_targets(rows.len());
        for (to, row) in rows.iter().enumerate() {
            let (block, from) = (&blocks[&(row / size)], row % size);
            examples.dense[to * dense_width..(to + 1) * dense_width]
                .copy_from_slice(&block.examples.dense[from * dense_width..(from + 1) * dense_width]);
            examples.indices[to * index_width..(to + 1) * index_width]
                .copy_from_slice(&block.examples.indices[from * index_width..(from + 1) * index_width]);
            for (targets, own) in targets.iter_mut().zip(&block.targets) {
                match (targets, own) {
                    (Targets::Class(all), Targets::Class(own)) => all[to] = own[from],
                    (Targets::Number(all), Targets::Number(own)) => all[to] = own[from],
                    _ => {}
                }
            }
        }
        Ok(ExamplesWithTargets::new(examples, targets))
    }
}

impl Shared {
    fn cache(&self) -> MutexGuard<'_, BlockCache> {
        // No code panics between two changes of the cache that belong together.
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block, from memory if it is cached.
    fn block(&self, block: usize) -> Result<Arc<ExamplesWithTargets>, Error> {
        if let Some(found) = self.cache().get(block) {
            self.changed.notify_all();
            return Ok(found);
        }
        let read = Arc::new(self.read(block)?);
        let mut cache = self.cache();
        cache.insert(block, &read);
        cache.get(block);
        Ok(read)
    }

    fn read(&self, block: usize) -> Result<ExamplesWithTargets, Error> {
        let About { shape, rows, .. } = &self.about;
        let size = shape.block();
        let rows = size.min(rows.saturating_sub(block * size));
        let mut bytes = vec![0; rows * shape.bytes()];
        let at = (block * size * shape.bytes()) as u64;
        self.file.read_exact_at(&mut bytes, at).map_err(|source| store_error(&self.folder, source))?;
        Ok(shape.read(&bytes, rows))
    }

    /// Reads expected blocks until the store is dropped.
    fn read_ahead(&self) {
        let mut cache = self.cache();
        loop {
            if cache.closed {
                return;
            }
            let Some(block) = cache.next_expected() else {
                cache = self.changed.wait(cache).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if cache.blocks.contains_key(&block) {
                continue;
            }
            drop(cache);
            // The caller that gathers the block reads it again and gets the error.
            let read = self.read(block).ok().map(Arc::new);
            cache = self.cache();
            if let Some(read) = read {
                cache.insert(block, &read);
                cache.unused.insert(block);
            }
        }
    }
}

impl Drop for ExampleStore {
    fn drop(&mut self) {
        self.shared.cache().closed = true;
        self.shared.changed.notify_all();
    }
}

fn store_error(folder: &Path, source: std::io::Error) -> Error {
    Error::Store { folder: folder.to_owned(), source }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "values are stored bit for bit")]
mod tests;
