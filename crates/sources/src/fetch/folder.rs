//! Folders of images, texts or sounds, packed into one Parquet file, so that hundreds of thousands of small
//! files are opened only once.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::{FileVersion, digest_texts};
use serde::{Deserialize, Serialize};
use walkdir::WalkDir;

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::file::{Compression, DataFile, FileFormat, file_version, is_pointer};
use crate::progress::{ProgressSink, ProgressUnit};
use crate::table::TableWriter;

/// Bytes of the files of one batch: 8 MiB.
const BATCH_BYTES: usize = 8 << 20;

/// Kind of the files of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MediaKind {
    Image,
    Sound,
    Text,
}

impl MediaKind {
    fn of(path: &Path) -> Option<Self> {
        let ending = path.extension()?.to_string_lossy().to_lowercase();
        match ending.as_str() {
            "png" | "jpg" | "jpeg" | "bmp" | "gif" | "webp" => Some(Self::Image),
            "wav" => Some(Self::Sound),
            "txt" | "md" => Some(Self::Text),
            _ => None,
        }
    }

    /// Name of the column that holds the contents.
    fn column(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Sound => "sound",
            Self::Text => "text",
        }
    }
}

#[derive(Serialize, Deserialize)]
struct PackedFolder {
    version: FileVersion,
}

/// Packs the folder as a table with the columns `path`, `class` (name of the folder that a file is in, if
/// every file is in a subfolder) and `image`, `sound` or `text`.
pub(super) fn packed(
    folder: &Path,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<(DataFile, FileVersion), Error> {
    let (content, files) = found(folder)?;
    let listing = listing(folder, &files)?;
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let own = cache.folder("folder", &digest_texts([absolute.to_string_lossy().as_ref(), &listing]))?;
    let (path, state) = (own.join("rows.parquet"), own.join("state.json"));
    let name = folder.file_name().map_or("folder".to_owned(), |n| n.to_string_lossy().into_owned());
    let file = DataFile {
        path,
        name: format!("{name}.parquet"),
        format: FileFormat::Parquet,
        compression: Compression::None,
        original: None,
        decrypted: None,
    };
    if let Some(PackedFolder { version }) = read_state(&state).filter(|_| file.path.is_file()) {
        return Ok((file, version));
    }
    progress.begin(&folder.to_string_lossy(), ProgressUnit::Files, Some(files.len() as u64));
    let done = pack(folder, content, &files, &file.path, progress);
    progress.end();
    done?;
    let version = FileVersion { name: file.name.clone(), ..file_version(&file.path, progress)? };
    write_state(&state, &PackedFolder { version: version.clone() })?;
    Ok((file, version))
}

/// Lists the files, sorted by path, and checks that all are of one kind.
fn found(folder: &Path) -> Result<(MediaKind, Vec<PathBuf>), Error> {
    let wrong = |why: String| Error::Pattern { pattern: folder.display().to_string(), why };
    let mut files = Vec::new();
    let mut content = None;
    for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
        let entry = entry.map_err(|error| wrong(error.to_string()))?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let Some(kind) = MediaKind::of(entry.path()).filter(|_| entry.file_type().is_file() && !hidden)
        else {
            continue;
        };
        match content {
            None => content = Some(kind),
            Some(known) if known != kind => {
                let (a, b) = (known.column(), kind.column());
                return Err(wrong(format!(
                    "holds files of the kinds {a} and {b}; put them into folders of their own"
                )));
            }
            Some(_) => {}
        }
        files.push(entry.into_path());
    }
    let content = content.ok_or_else(|| {
        wrong(
            "is a folder without pictures, sounds or texts; for tables name the files, such as FOLDER/*.csv"
                .to_owned(),
        )
    })?;
    Ok((content, files))
}

/// Names, sizes and modification times, which detect a change without reading the files.
fn listing(folder: &Path, files: &[PathBuf]) -> Result<String, Error> {
    let mut text = String::new();
    for file in files {
        let about = file.metadata().map_err(io_error(file))?;
        let time = about.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        let nanos = time.map_or(0, |time| time.as_nanos());
        let _ = writeln!(text, "{}\t{}\t{nanos}", relative(folder, file), about.len());
    }
    Ok(text)
}

fn relative(folder: &Path, file: &Path) -> String {
    file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned()
}

fn pack(
    folder: &Path,
    content: MediaKind,
    files: &[PathBuf],
    path: &Path,
    progress: &dyn ProgressSink,
) -> Result<(), Error> {
    let classes = files.iter().all(|file| file.parent() != Some(folder));
    let kind = if content == MediaKind::Text { DataType::Utf8 } else { DataType::Binary };
    let mut fields = vec![Field::new("path", DataType::Utf8, false)];
    if classes {
        fields.push(Field::new("class", DataType::Utf8, false));
    }
    fields.push(Field::new(content.column(), kind, false));
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let mut writer = TableWriter::new(path, &schema)?;
    let mut rest = files;
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

fn values(content: MediaKind, files: &[PathBuf], read: &[Vec<u8>]) -> Result<ArrayRef, Error> {
    if content == MediaKind::Text {
        let mut texts = StringBuilder::new();
        for (file, bytes) in files.iter().zip(read) {
            let text = std::str::from_utf8(bytes).map_err(|error| Error::Row {
                path: file.display().to_string(),
                row: String::new(),
                why: format!("not UTF-8 at byte {}", error.valid_up_to()),
            })?;
            texts.append_value(text);
        }
        return Ok(Arc::new(texts.finish()));
    }
    let mut blobs = BinaryBuilder::new();
    for bytes in read {
        blobs.append_value(bytes);
    }
    Ok(Arc::new(blobs.finish()))
}
