//! Making such a file.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use super::{BLOCK_BYTES, Shape, Store, VALUE, wrong};
use crate::error::Error;
use crate::examples::Layout;
use crate::prepare::Labelled;
use crate::target::Targets;

/// Writes examples one batch after the other.
#[derive(Debug)]
pub struct Writer {
    file: BufWriter<File>,
    folder: PathBuf,
    shape: Option<Shape>,
    rows: usize,
    counts: Vec<Vec<usize>>,
}

impl Writer {
    /// A file in `folder`, which is made where it is not there.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let file = std::fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder));
        let file = file.map_err(|source| wrong(folder, source))?;
        let (file, folder) = (BufWriter::with_capacity(4 * BLOCK_BYTES, file), folder.to_owned());
        Ok(Self { file, folder, shape: None, rows: 0, counts: Vec::new() })
    }

    /// Adds examples whose targets are classes and numbers.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk is full.
    pub fn push(&mut self, part: &Labelled) -> Result<(), Error> {
        let classes: Vec<bool> = part.targets.iter().map(|t| matches!(t, Targets::Class(_))).collect();
        let layout = || part.examples.layout.clone();
        let shape = self.shape.get_or_insert_with(|| Shape { layout: layout(), classes });
        let (d, k) = (shape.layout.dense_width(), shape.layout.index_width());
        let mut record = Vec::with_capacity(shape.bytes());
        for row in 0..part.examples.rows {
            record.clear();
            let dense = &part.examples.dense[row * d..(row + 1) * d];
            record.extend(dense.iter().flat_map(|value| value.to_le_bytes()));
            let indices = &part.examples.indices[row * k..(row + 1) * k];
            record.extend(indices.iter().flat_map(|value| value.to_le_bytes()));
            for targets in part.targets.iter() {
                record.extend_from_slice(&match targets {
                    Targets::Class(class) => class[row].to_le_bytes(),
                    Targets::Number(number) => number[row].to_le_bytes(),
                    // The config allows no other.
                    _ => [0; VALUE],
                });
            }
            self.file.write_all(&record).map_err(|source| wrong(&self.folder, source))?;
        }
        self.rows += part.examples.rows;
        self.counts.resize(part.targets.iter().count(), Vec::new());
        for (counts, targets) in self.counts.iter_mut().zip(part.targets.iter()) {
            let own = targets.classes();
            counts.resize(counts.len().max(own.len()), 0);
            counts.iter_mut().zip(own).for_each(|(sum, count)| *sum += count);
        }
        Ok(())
    }

    /// Closes the file. Examples that were never pushed have the layout of `empty`.
    ///
    /// # Errors
    /// [`Error::Store`] when the disk is full.
    pub fn finish(self, empty: Layout) -> Result<Store, Error> {
        let Self { file, folder, shape, rows, counts } = self;
        let file = file.into_inner().map_err(|error| wrong(&folder, error.into_error()))?;
        let shape = shape.unwrap_or(Shape { layout: empty, classes: Vec::new() });
        Store::of(file, &folder, shape, rows, counts).map_err(|source| wrong(&folder, source))
    }
}
