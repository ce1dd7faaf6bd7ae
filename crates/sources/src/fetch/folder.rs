//! Folders of images, texts or sounds, packed into one Parquet file, so that hundreds of thousands of small
//! files are opened only once.

mod listing;
pub(super) mod paragraphs;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::{FileVersion, digest_texts};
use serde::{Deserialize, Serialize};

use self::listing::{FolderListing, MediaKind, relative};
use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::file::{Compression, DataFile, FileFormat, file_version, is_pointer};
use crate::progress::{ProgressSink, ProgressUnit};
use crate::read::batch::note::SourceNote;
use crate::table::TableWriter;

/// Bytes of the files of one batch: 8 MiB.
const BATCH_BYTES: usize = 8 << 20;

/// Beside a packed table: the version of what it holds.
#[derive(Serialize, Deserialize)]
struct PackedState {
    version: FileVersion,
}

/// Files of a folder, or the paragraphs of a text, as one table.
pub(super) struct PackedTable {
    pub file: DataFile,
    pub version: FileVersion,
    /// Entries of the folder that are left out.
    pub notes: Vec<SourceNote>,
}

/// Packs the folder as a table with the columns `path`, `class` (name of the folder that a file is in, if
/// every file is in a subfolder) and `image`, `sound` or `text`.
pub(super) fn packed(
    folder: &Path,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<PackedTable, Error> {
    let found = FolderListing::of(folder)?;
    let listing = digested(folder, &found.files)?;
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let own = cache.folder("folder", &digest_texts([absolute.to_string_lossy().as_ref(), &listing]))?;
    let (path, state) = (own.join("rows.parquet"), own.join("state.json"));
    let name = folder.file_name().map_or("folder".to_owned(), |n| n.to_string_lossy().into_owned());
    let file = packed_file(path, &name);
    if let Some(PackedState { version }) = read_state(&state).filter(|_| file.path.is_file()) {
        return Ok(PackedTable { file, version, notes: found.notes });
    }
    progress.begin(&folder.to_string_lossy(), ProgressUnit::Files, Some(found.files.len() as u64));
    let done = pack(folder, &found, &file.path, progress);
    progress.end();
    done?;
    let version = FileVersion { name: file.name.clone(), ..file_version(&file.path, progress)? };
    write_state(&state, &PackedState { version: version.clone() })?;
    Ok(PackedTable { file, version, notes: found.notes })
}

/// Packed table at `path`, named after what it was made of.
fn packed_file(path: PathBuf, name: &str) -> DataFile {
    DataFile {
        path,
        name: format!("{name}.parquet"),
        format: FileFormat::Parquet,
        compression: Compression::None,
        original: None,
        decrypted: None,
        max_ratio: None,
    }
}

/// Names, sizes and modification times, which detect a change without reading the files.
fn digested(folder: &Path, files: &[PathBuf]) -> Result<String, Error> {
    let mut text = String::new();
    for file in files {
        let about = file.metadata().map_err(io_error(file))?;
        let time = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let nanos = time.map_or(0, |time| time.as_nanos());
        let _ = writeln!(text, "{}\t{}\t{nanos}", relative(folder, file), about.len());
    }
    Ok(text)
}

fn pack(
    folder: &Path,
    listing: &FolderListing,
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), Error> {
    let (content, classes) = (listing.kind, listing.classes);
    let kind = if content == MediaKind::Text { DataType::Utf8 } else { DataType::Binary };
    let mut fields = vec![Field::new("path", DataType::Utf8, false)];
    if classes {
        fields.push(Field::new("class", DataType::Utf8, false));
    }
    fields.push(Field::new(content.column(), kind, false));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::new(path, &schema)?;
    let mut rest = listing.files.as_slice();
    while !rest.is_empty() {
        let (mut bytes, mut read) = (0, Vec::new());
        while let Some(file) = rest.get(read.len())
            && (read.is_empty() || bytes < BATCH_BYTES)
        {
            let contents = std::fs::read(file).map_err(io_error(file))?;
            if is_pointer(&contents) {
                return Err(Error::Pointer { path: file.clone() });
            }
            bytes += contents.len();
            read.push(contents);
            progress.advance(1);
        }
        let (own, after) = rest.split_at(read.len());
        let paths: StringArray = own.iter().map(|file| Some(relative(folder, file))).collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(paths)];
        if classes {
            let class = |file: &PathBuf| {
                file.parent().and_then(|p| Some(p.file_name()?.to_string_lossy().into_owned()))
            };
            columns.push(Arc::new(own.iter().map(class).collect::<StringArray>()));
        }
        columns.push(values(content, own, &read)?);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::Engine { path: folder.display().to_string(), why: error.to_string() })?;
        writer.push(&batch)?;
        rest = after;
    }
    writer.finish()
}

/// Contents of a file of text.
fn as_text<'a>(path: &Path, bytes: &'a [u8]) -> Result<&'a str, Error> {
    std::str::from_utf8(bytes).map_err(|error| Error::Row {
        path: path.display().to_string(),
        row: String::new(),
        why: format!("not UTF-8 at byte {}", error.valid_up_to()),
    })
}

fn values(content: MediaKind, files: &[PathBuf], read: &[Vec<u8>]) -> Result<ArrayRef, Error> {
    if content == MediaKind::Text {
        let mut texts = StringBuilder::new();
        for (file, bytes) in files.iter().zip(read) {
            texts.append_value(as_text(file, bytes)?);
        }
        return Ok(Arc::new(texts.finish()));
    }
    let mut blobs = BinaryBuilder::new();
    for bytes in read {
        blobs.append_value(bytes);
    }
    Ok(Arc::new(blobs.finish()))
}
