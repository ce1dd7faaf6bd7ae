//! Examples in a file, in records of one size, read block by block ahead of their use.

use std::collections::{HashMap, HashSet, VecDeque};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Examples, Layout};
use crate::prepare::Labelled;
use crate::target::Targets;

/// Size of a block.
const BLOCK_BYTES: usize = 1 << 18;
/// Blocks in memory at once; half of them may wait to be used.
const HELD: usize = 384;
/// Bytes of a value, whatever it is.
const VALUE: usize = 4;

mod writer;

pub use writer::Writer;

/// A file of examples. It has no name, so it is gone with the process.
#[derive(Debug)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    file: File,
    folder: PathBuf,
    shape: Shape,
    rows: usize,
    counts: Vec<Vec<usize>>,
    state: Mutex<State>,
    changed: Condvar,
}

/// What a record holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Shape {
    layout: Layout,
    /// For each target, whether it is a class.
    classes: Vec<bool>,
}

/// What follows the records of a file that has been saved.
#[derive(Serialize, Deserialize)]
struct About {
    shape: Shape,
    rows: usize,
    counts: Vec<Vec<usize>>,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<usize, (Arc<Labelled>, u64)>,
    /// Read ahead and not used yet.
    waiting: HashSet<usize>,
    expected: VecDeque<usize>,
    clock: u64,
    closed: bool,
}

impl Shape {
    /// Of one record.
    fn bytes(&self) -> usize {
        VALUE * (self.layout.dense_width() + self.layout.index_width() + self.classes.len())
    }

    /// Records of one block.
    fn block(&self) -> usize {
        (BLOCK_BYTES / self.bytes().max(1)).max(1)
    }

    fn read(&self, bytes: &[u8], rows: usize) -> Labelled {
        let mut examples = Examples::zeros(self.layout.clone(), rows);
        let (d, k) = (self.layout.dense_width(), self.layout.index_width());
        let mut targets: Vec<Targets> = self.classes.iter().map(|class| blank(*class, rows)).collect();
        for (row, record) in bytes.chunks_exact(self.bytes()).enumerate() {
            let mut values = record.chunks_exact(VALUE).map(|v| [v[0], v[1], v[2], v[3]]);
            let dense = &mut examples.dense[row * d..(row + 1) * d];
            dense.iter_mut().zip(&mut values).for_each(|(to, from)| *to = f32::from_le_bytes(from));
            let indices = &mut examples.indices[row * k..(row + 1) * k];
            indices.iter_mut().zip(&mut values).for_each(|(to, from)| *to = i32::from_le_bytes(from));
            for (targets, value) in targets.iter_mut().zip(values) {
                match targets {
                    Targets::Class(class) => class[row] = i32::from_le_bytes(value),
                    Targets::Number(number) => number[row] = f32::from_le_bytes(value),
                    _ => {}
                }
            }
        }
        Labelled::of(examples, targets)
    }
}

fn blank(class: bool, rows: usize) -> Targets {
    if class { Targets::Class(vec![0; rows]) } else { Targets::Number(vec![0.0; rows]) }
}

impl Store {
    /// Copies the records, then what is known of them, then how many bytes that takes.
    pub(crate) fn save(&self, out: &mut impl std::io::Write) -> std::io::Result<()> {
        let about = serde_json::to_vec(&About {
            shape: self.inner.shape.clone(),
            rows: self.inner.rows,
            counts: self.inner.counts.clone(),
        })?;
        let (mut at, end) = (0, (self.inner.rows * self.inner.shape.bytes()) as u64);
        let mut buffer = vec![0; 1 << 20];
        while at < end {
            let n = usize::try_from(end - at).unwrap_or(usize::MAX).min(buffer.len());
            self.inner.file.read_exact_at(&mut buffer[..n], at)?;
            out.write_all(&buffer[..n])?;
            at += n as u64;
        }
        out.write_all(&about)?;
        out.write_all(&(about.len() as u64).to_le_bytes())
    }

    /// What [`Self::save`] has written; `folder` is for messages.
    pub(crate) fn open(file: File, folder: &Path) -> std::io::Result<Self> {
        let cut = || std::io::Error::other("the file is cut off");
        let length = file.metadata()?.len();
        let mut size = [0; 8];
        file.read_exact_at(&mut size, length.checked_sub(8).ok_or_else(cut)?)?;
        let size = u64::from_le_bytes(size);
        let start = length.checked_sub(8 + size).ok_or_else(cut)?;
        let mut about = vec![0; usize::try_from(size).map_err(|_| cut())?];
        file.read_exact_at(&mut about, start)?;
        let About { shape, rows, counts } = serde_json::from_slice(&about)?;
        if start != (rows * shape.bytes()) as u64 {
            return Err(cut());
        }
        Self::of(file, folder, shape, rows, counts)
    }

    /// A file of so many records.
    fn of(
        file: File,
        folder: &Path,
        shape: Shape,
        rows: usize,
        counts: Vec<Vec<usize>>,
    ) -> std::io::Result<Self> {
        let (state, changed, folder) = (Mutex::default(), Condvar::new(), folder.to_owned());
        let inner = Arc::new(Inner { file, folder, shape, rows, counts, state, changed });
        let reader = Arc::clone(&inner);
        std::thread::Builder::new().name("reader".into()).spawn(move || reader.read_ahead())?;
        Ok(Self { inner })
    }

    /// Number of examples.
    pub fn rows(&self) -> usize {
        self.inner.rows
    }

    /// Examples of one block.
    pub fn block(&self) -> usize {
        self.inner.shape.block()
    }

    /// Examples of each class of the target at `index`; empty for a number.
    pub fn classes(&self, index: usize) -> Vec<usize> {
        self.inner.counts.get(index).cloned().unwrap_or_default()
    }

    /// See [`crate::Rows::expect`].
    pub fn expect(&self, blocks: &[usize]) {
        let mut state = self.inner.state();
        state.expected = blocks.iter().copied().collect();
        self.inner.changed.notify_all();
    }

    /// The examples at `rows`, in that order.
    ///
    /// # Errors
    /// [`Error::Store`] when the file cannot be read.
    pub fn gather(&self, rows: &[usize]) -> Result<Labelled, Error> {
        let (shape, size) = (&self.inner.shape, self.block());
        let mut blocks: HashMap<usize, Arc<Labelled>> = HashMap::new();
        for row in rows {
            let block = row / size;
            if let std::collections::hash_map::Entry::Vacant(place) = blocks.entry(block) {
                place.insert(self.inner.get(block)?);
            }
        }
        let (d, k) = (shape.layout.dense_width(), shape.layout.index_width());
        let mut examples = Examples::zeros(shape.layout.clone(), rows.len());
        let mut targets: Vec<Targets> = shape.classes.iter().map(|class| blank(*class, rows.len())).collect();
        for (to, row) in rows.iter().enumerate() {
            let (block, from) = (&blocks[&(row / size)], row % size);
            let of = &block.examples;
            examples.dense[to * d..(to + 1) * d].copy_from_slice(&of.dense[from * d..(from + 1) * d]);
            examples.indices[to * k..(to + 1) * k].copy_from_slice(&of.indices[from * k..(from + 1) * k]);
            for (targets, own) in targets.iter_mut().zip(block.targets.iter()) {
                match (targets, own) {
                    (Targets::Class(to_all), Targets::Class(own)) => to_all[to] = own[from],
                    (Targets::Number(to_all), Targets::Number(own)) => to_all[to] = own[from],
                    _ => {}
                }
            }
        }
        Ok(Labelled::of(examples, targets))
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A block, from memory if it is there.
    fn get(&self, block: usize) -> Result<Arc<Labelled>, Error> {
        if let Some(found) = self.state().used(block) {
            self.changed.notify_all();
            return Ok(found);
        }
        let read = Arc::new(self.read(block)?);
        let mut state = self.state();
        state.hold(block, &read);
        state.used(block);
        Ok(read)
    }

    fn read(&self, block: usize) -> Result<Labelled, Error> {
        let size = self.shape.block();
        let rows = size.min(self.rows.saturating_sub(block * size));
        let mut bytes = vec![0; rows * self.shape.bytes()];
        let at = (block * size * self.shape.bytes()) as u64;
        self.file.read_exact_at(&mut bytes, at).map_err(|source| wrong(&self.folder, source))?;
        Ok(self.shape.read(&bytes, rows))
    }

    /// Reads what is expected until the store is closed.
    fn read_ahead(&self) {
        let mut state = self.state();
        loop {
            if state.closed {
                return;
            }
            let room = state.waiting.len() < HELD / 2;
            let Some(block) = (if room { state.expected.pop_front() } else { None }) else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            if state.held.contains_key(&block) {
                continue;
            }
            drop(state);
            // Whoever asks for the block is told of an error.
            let read = self.read(block).ok().map(Arc::new);
            state = self.state();
            if let Some(read) = read {
                state.hold(block, &read);
                state.waiting.insert(block);
            }
        }
    }
}

impl State {
    /// A block that is held, marked as used now.
    fn used(&mut self, block: usize) -> Option<Arc<Labelled>> {
        self.clock += 1;
        let clock = self.clock;
        self.waiting.remove(&block);
        self.held.get_mut(&block).map(|(found, at)| {
            *at = clock;
            Arc::clone(found)
        })
    }

    /// Takes a block in, for the one that was used longest ago.
    fn hold(&mut self, block: usize, read: &Arc<Labelled>) {
        if self.held.len() >= HELD {
            let free = |(block, _): &(&usize, &(Arc<Labelled>, u64))| !self.waiting.contains(block);
            let oldest = self.held.iter().filter(free).min_by_key(|(_, (_, at))| *at);
            if let Some(oldest) = oldest.map(|(block, _)| *block) {
                self.held.remove(&oldest);
            }
        }
        self.clock += 1;
        self.held.insert(block, (Arc::clone(read), self.clock));
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.inner.state().closed = true;
        self.inner.changed.notify_all();
    }
}

fn wrong(folder: &Path, source: std::io::Error) -> Error {
    Error::Store { folder: folder.to_owned(), source }
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "what goes in comes out")]
mod tests;
