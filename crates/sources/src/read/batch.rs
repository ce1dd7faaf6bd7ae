//! Batches of rows with their place in the files.

pub(crate) mod note;
pub(crate) mod origin;

use arrow::record_batch::RecordBatch;

use self::origin::BatchOrigin;
use crate::error::Error;
use crate::file::DataFile;

/// Rows of a source, and their place in the files.
#[derive(Debug, Clone)]
pub struct SourceBatch {
    /// Rows.
    pub rows: RecordBatch,
    /// Place of the rows; `None` for the result of a query.
    pub origin: Option<BatchOrigin>,
    /// Rows that are left out because they have another number of fields than the header.
    pub rejected: Vec<RejectedRow>,
}

/// Row that a reader leaves out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// Number of the row in its file, from 1; the header is not counted.
    pub row: u64,
    /// Reason.
    pub reason: String,
    /// Row as it is in the file.
    pub text: String,
}

/// Iterator over the batches of a source.
pub type Batches<'a> = Box<dyn Iterator<Item = Result<SourceBatch, Error>> + Send + 'a>;

/// Rows of one file, and those that are left out.
pub(super) struct FileBatch {
    pub rows: RecordBatch,
    pub rejected: Vec<RejectedRow>,
}

impl From<RecordBatch> for FileBatch {
    fn from(rows: RecordBatch) -> Self {
        Self { rows, rejected: Vec::new() }
    }
}

/// Iterator over the batches of a file.
pub(super) type FileBatches<'a> = Box<dyn Iterator<Item = Result<FileBatch, Error>> + Send + 'a>;

/// Iterator over the batches of a file, of which none is left out.
pub(super) type RecordBatches<'a> = Box<dyn Iterator<Item = Result<RecordBatch, Error>> + Send + 'a>;

/// Reads one file after the other and counts their rows.
pub(super) fn chain<'a, F>(files: &'a [DataFile], open: F) -> Batches<'a>
where
    F: Fn(usize, &'a DataFile) -> Result<FileBatches<'a>, Error> + Send + 'a,
{
    Box::new(files.iter().enumerate().flat_map(move |(file, path)| {
        let batches = open(file, path).unwrap_or_else(|error| Box::new(std::iter::once(Err(error))));
        let mut first = 1;
        batches.map(move |batch| {
            let FileBatch { rows, rejected } = batch?;
            let skipped = rejected.iter().map(|rejected| rejected.row).collect();
            let origin = BatchOrigin { file, first, skipped };
            first += (rows.num_rows() + rejected.len()) as u64;
            Ok(SourceBatch { rows, origin: Some(origin), rejected })
        })
    }))
}
