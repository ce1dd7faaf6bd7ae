//! Rows of the first pass over a source in a file, so that later passes neither parse nor query again.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;
use arrow::record_batch::RecordBatch;
use cupola_sources::Error as SourceError;

use crate::error::Error;

/// Largest size of the file: 4 GiB. A larger source is read again by each pass.
const MAX_BYTES: u64 = 4 << 30;
/// Free space that the file leaves on its disk, as a multiple of its own size: the examples are written there next.
const LEFT_FREE: u64 = 4;
/// Bytes that are written at once.
const WRITE_BYTES: usize = 1 << 18;

/// Writer of a [`Spool`]. It gives up without an error: the source can be read again.
pub(super) struct SpoolWriter {
    folder: PathBuf,
    max_bytes: u64,
    state: WriterState,
}

enum WriterState {
    Empty,
    Writing(Box<StreamWriter<BufWriter<File>>>),
    GivenUp,
}

impl SpoolWriter {
    /// Writer of an unnamed file in `folder`.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), max_bytes: MAX_BYTES, state: WriterState::Empty }
    }

    /// Removes all rows.
    pub fn restart(&mut self) {
        self.state = WriterState::Empty;
    }

    /// Adds rows.
    pub fn push(&mut self, batch: &RecordBatch) {
        let state = std::mem::replace(&mut self.state, WriterState::GivenUp);
        let writer = match state {
            WriterState::Empty => self.start(batch),
            WriterState::Writing(writer) => Some(writer),
            WriterState::GivenUp => None,
        };
        let Some(mut writer) = writer else { return };
        let written = writer.write(batch).is_ok();
        let mut file = writer.get_ref().get_ref();
        let bytes = file.stream_position();
        let fits = |bytes| bytes <= self.max_bytes && free_bytes(file) / LEFT_FREE >= bytes;
        if written && bytes.is_ok_and(fits) {
            self.state = WriterState::Writing(writer);
        }
    }

    fn start(&self, batch: &RecordBatch) -> Option<Box<StreamWriter<BufWriter<File>>>> {
        let schema = batch.schema();
        if !schema.fields().iter().all(|field| is_compact(field.data_type())) {
            return None;
        }
        cupola_store::create_folder(&self.folder).ok()?;
        let file = tempfile::tempfile_in(&self.folder).ok()?;
        StreamWriter::try_new(BufWriter::with_capacity(WRITE_BYTES, file), &schema).ok().map(Box::new)
    }

    /// Closes the file; `None` if it does not hold all rows.
    pub fn finish(self) -> Option<Spool> {
        let WriterState::Writing(writer) = self.state else { return None };
        let file = writer.into_inner().ok()?.into_inner().ok()?;
        Some(Spool { file, folder: self.folder })
    }
}

/// Free space of the disk of a file that this process may use; unlimited if it is unknown.
fn free_bytes(file: &File) -> u64 {
    rustix::fs::fstatvfs(file).map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// `true` for a type of which a batch holds its own values only: buffers of views and dictionaries may be those of many
/// batches.
fn is_compact(kind: &DataType) -> bool {
    kind.is_primitive() || matches!(kind, DataType::Boolean | DataType::Utf8 | DataType::LargeUtf8)
}

/// Unnamed file of all rows of a source.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    folder: PathBuf,
}

impl Spool {
    /// Visits all batches as they were written.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |error: ArrowError| {
            let (path, why) = (self.folder.display().to_string(), error.to_string());
            Error::from(SourceError::Engine { path, why })
        };
        let input = BufReader::new(FileBytes { file: &self.file, at: 0 });
        for batch in StreamReader::try_new(input, None).map_err(failed)? {
            visit(&batch.map_err(failed)?)?;
        }
        Ok(())
    }
}

/// Reader from the start of a file, without moving its position.
struct FileBytes<'a> {
    file: &'a File,
    at: u64,
}

impl Read for FileBytes<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(buffer, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, StringViewArray};

    use super::*;

    fn batch(start: i64, rows: i64) -> RecordBatch {
        let all = || start..start + rows;
        let columns: [(&str, ArrayRef); 4] = [
            ("a", Arc::new(all().map(|n| (n % 3 > 0).then_some(n)).collect::<Int64Array>())),
            ("b", Arc::new(all().map(|n| (n % 5 > 0).then(|| format!("é{n}"))).collect::<StringArray>())),
            ("c", Arc::new(all().map(|n| Some(n as f64 / 7.0)).collect::<Float64Array>())),
            ("d", Arc::new(all().map(|n| (n % 7 > 0).then_some(n % 2 == 0)).collect::<BooleanArray>())),
        ];
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true))).unwrap()
    }

    fn read(spool: &Spool) -> Vec<RecordBatch> {
        let mut found = Vec::new();
        let each = spool.each(&mut |batch| {
            found.push(batch.clone());
            Ok::<_, Error>(())
        });
        each.unwrap();
        found
    }

    #[test]
    fn every_pass_has_the_batches_that_were_written_since_the_last_restart() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter::new(&home.path().join("streams"));
        writer.push(&batch(0, 10));
        writer.restart();
        // A slice has its own rows only.
        let batches = [batch(100, 1000), batch(0, 50).slice(20, 7), batch(7, 1)];
        for batch in &batches {
            writer.push(batch);
        }
        let spool = writer.finish().unwrap();
        assert_eq!(read(&spool), batches);
        assert_eq!(read(&spool), batches);
    }

    #[test]
    fn a_file_that_would_not_hold_all_rows_is_given_up() {
        let home = tempfile::tempdir().unwrap();
        let mut writer = SpoolWriter { max_bytes: 400_000, ..SpoolWriter::new(home.path()) };
        (0..100).for_each(|n| writer.push(&batch(n, 1000)));
        assert!(writer.finish().is_none());

        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(["x"]));
        let mut writer = SpoolWriter::new(home.path());
        writer.push(&RecordBatch::try_from_iter([("v", views)]).unwrap());
        assert!(writer.finish().is_none());

        let file = home.path().join("file");
        std::fs::write(&file, "").unwrap();
        let mut writer = SpoolWriter::new(&file.join("below"));
        writer.push(&batch(0, 1));
        assert!(writer.finish().is_none());
        assert!(SpoolWriter::new(home.path()).finish().is_none());
    }
}
