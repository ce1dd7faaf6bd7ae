//! First rows of a source, for a look at its columns.

use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;
use cupola_sources::{DataFile, Scan, SourceNote, TextColumns, TextFormat};

use super::{Collection, LoadRequest, collect};
use crate::error::Error;

/// Bytes of pictures and texts at which a sample ends.
const SAMPLE_BYTES: usize = 64 << 20;

/// First rows of a source, in the order of its files.
pub struct Sample {
    /// Columns and types.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// `true` if the source has no further rows.
    pub complete: bool,
    /// Files that were found.
    pub files: Vec<DataFile>,
    /// Decisions of the reader that its user should know of.
    pub notes: Vec<SourceNote>,
}

/// Collects a source and reads up to `rows` of its rows, without a look at any expectation.
///
/// # Errors
/// As [`load`](super::load), for errors of the files and of the rows that are read.
pub fn sample(request: &LoadRequest<'_>, rows: usize) -> Result<Sample, Error> {
    let collection = collect(request)?;
    match read(request, &collection, rows, false) {
        // Encodings guessed from the first bytes may be wrong.
        Err(Error::Source(error)) if error.is_of_a_guess() => read(request, &collection, rows, true),
        other => other,
    }
}

fn read(
    request: &LoadRequest<'_>,
    collection: &Collection,
    rows: usize,
    infer_from_all: bool,
) -> Result<Sample, Error> {
    let (collected, label) = (&collection.collected, request.label());
    let scan = Scan {
        files: &collected.files,
        query: None,
        nulls: &request.data.null,
        texts: TextColumns::None,
        format: TextFormat::of(request.data),
        label: &label,
        infer_from_all,
        keep_text_types: collected.queried,
    };
    let mut source = scan.rows(&collection.runtime)?;
    let (mut left, mut bytes, mut batches, mut complete) = (rows, 0, Vec::new(), true);
    for batch in source.batches.by_ref() {
        let batch = batch?.rows;
        if left == 0 || bytes > SAMPLE_BYTES {
            complete = false;
            break;
        }
        let taken = batch.slice(0, batch.num_rows().min(left));
        complete = taken.num_rows() == batch.num_rows();
        left -= taken.num_rows();
        bytes += taken.get_array_memory_size();
        batches.push(taken);
        if !complete {
            break;
        }
    }
    let notes = collected.notes.iter().cloned().chain(source.notes).collect();
    Ok(Sample { schema: source.schema, batches, complete, files: collected.files.clone(), notes })
}
