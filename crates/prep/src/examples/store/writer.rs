//! Writing an example file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::record::{BLOCK_BYTES, RecordShape};
use super::{About, ExampleStore, store_error};
use crate::error::Error;
use crate::examples::{ExamplesWithTargets, Layout, Targets};

/// Writer of an unnamed example file, batch by batch.
#[derive(Debug)]
pub struct ExampleWriter {
    file: BufWriter<File>,
    folder: PathBuf,
    shape: Option<RecordShape>,
    rows: usize,
    counts: Vec<Vec<usize>>,
}

impl ExampleWriter {
    /// Creates a file in `folder`, and the folder if it does not exist.
    ///
    /// # Errors
    /// [`Error::Store`] if the file cannot be created.
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let file = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        let file = file.map_err(|source| store_error(folder, source))?;
        let (file, folder) = (BufWriter::with_capacity(4 * BLOCK_BYTES, file), folder.to_owned());
        Ok(Self { file, folder, shape: None, rows: 0, counts: Vec::new() })
    }

    /// Appends examples whose targets are classes or numbers.
    ///
    /// # Errors
    /// [`Error::Store`] if the disk is full.
    pub fn push(&mut self, part: &ExamplesWithTargets) -> Result<(), Error> {
        let classes = || part.targets.iter().map(|targets| matches!(targets, Targets::Class(_))).collect();
        let layout = || part.examples.layout.clone();
        let shape = self.shape.get_or_insert_with(|| RecordShape { layout: layout(), classes: classes() });
        let mut record = Vec::with_capacity(shape.bytes());
        for row in 0..part.examples.rows {
            record.clear();
            shape.write(part, row, &mut record);
            self.file.write_all(&record).map_err(|source| store_error(&self.folder, source))?;
        }
        self.rows += part.examples.rows;
        self.counts.resize(part.targets.count(), Vec::new());
        for (counts, targets) in self.counts.iter_mut().zip(&part.targets) {
            let own = targets.classes();
            counts.resize(counts.len().max(own.len()), 0);
            counts.iter_mut().zip(own).for_each(|(sum, count)| *sum += count);
        }
        Ok(())
    }

    /// Flushes the file. A file without any pushed batch gets the layout `empty`.
    ///
    /// # Errors
    /// [`Error::Store`] if the disk is full.
    pub fn finish(self, empty: Layout) -> Result<ExampleStore, Error> {
        let Self { file, folder, shape, rows, counts } = self;
        let file = file.into_inner().map_err(|error| store_error(&folder, error.into_error()))?;
        let shape = shape.unwrap_or(RecordShape { layout: empty, classes: Vec::new() });
        let about = About { shape, rows, counts };
        ExampleStore::new(file, &folder, about).map_err(|source| store_error(&folder, source))
    }
}
