//! Plain texts, such as books, as a table with a row for each paragraph.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::{FileVersion, digest_texts};

use super::listing::{FolderListing, MediaKind};
use super::{PackedState, PackedTable, as_text, digested, packed_file};
use crate::error::{Error, io_error};
use crate::fetch::cache::{SourceCache, read_state, write_state};
use crate::file::{file_version, is_pointer};
use crate::progress::{ProgressSink, ProgressUnit};
use crate::read::batch::note::SourceNote;
use crate::table::TableWriter;

/// Fewest paragraphs of a text that are rows; a text with fewer has a row for each line.
const FEW_PARAGRAPHS: usize = 20;

/// `true` for the name of a file of plain text.
pub(in crate::fetch) fn is_plain_text(path: &Path) -> bool {
    MediaKind::of(path) == Some(MediaKind::Text)
}

/// Packs the paragraphs of one file as a table with the column `text`.
pub(in crate::fetch) fn of_file(
    path: &Path,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<PackedTable, Error> {
    packed(path, &[path.to_owned()], Vec::new(), cache, progress)
}

/// Packs the paragraphs of all texts of a folder as a table with the column `text`.
pub(in crate::fetch) fn of_folder(
    folder: &Path,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<PackedTable, Error> {
    let found = FolderListing::of(folder)?;
    if found.kind != MediaKind::Text {
        let why = "holds no texts, which `data.paragraphs` requires; remove it".to_owned();
        return Err(Error::Pattern { pattern: folder.display().to_string(), why });
    }
    packed(folder, &found.files, found.notes, cache, progress)
}

fn packed(
    source: &Path,
    files: &[PathBuf],
    notes: Vec<SourceNote>,
    cache: &SourceCache,
    progress: &dyn ProgressSink,
) -> Result<PackedTable, Error> {
    let absolute = std::path::absolute(source).unwrap_or_else(|_| source.to_owned());
    let listing = digested(source, files)?;
    let own = cache.folder("paragraphs", &digest_texts([absolute.to_string_lossy().as_ref(), &listing]))?;
    let (path, state) = (own.join("rows.parquet"), own.join("state.json"));
    let name = source.file_name().map_or("text".to_owned(), |name| name.to_string_lossy().into_owned());
    let file = packed_file(path, &name);
    if let Some(PackedState { version }) = read_state(&state).filter(|_| file.path.is_file()) {
        return Ok(PackedTable { file, version, notes });
    }
    progress.begin(&source.to_string_lossy(), ProgressUnit::Files, Some(files.len() as u64));
    let done = pack(files, &file.path, progress);
    progress.end();
    done?;
    let version = FileVersion { name: file.name.clone(), ..file_version(&file.path, progress)? };
    write_state(&state, &PackedState { version: version.clone() })?;
    Ok(PackedTable { file, version, notes })
}

fn pack(files: &[PathBuf], path: &Path, progress: &dyn ProgressSink) -> Result<(), Error> {
    let schema: SchemaRef = Arc::new(Schema::new(vec![Field::new("text", DataType::Utf8, false)]));
    let mut writer = TableWriter::new(path, &schema)?;
    for file in files {
        let bytes = std::fs::read(file).map_err(io_error(file))?;
        if is_pointer(&bytes) {
            return Err(Error::Pointer { path: file.clone() });
        }
        let mut texts = StringBuilder::new();
        for text in paragraphs(as_text(file, &bytes)?) {
            texts.append_value(text);
        }
        let columns: Vec<ArrayRef> = vec![Arc::new(texts.finish())];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|error| Error::Engine { path: file.display().to_string(), why: error.to_string() })?;
        writer.push(&batch)?;
        progress.advance(1);
    }
    writer.finish()
}

/// Paragraphs of a text, which blank lines separate, each with a line break at its end; the lines of a text that has few
/// blank lines.
fn paragraphs(text: &str) -> Vec<String> {
    let text = text.trim_start_matches('\u{feff}');
    let mut found: Vec<String> = Vec::new();
    let mut continues = false;
    for line in text.lines() {
        let blank = line.trim().is_empty();
        match found.last_mut() {
            Some(last) if continues && !blank => {
                last.push_str(line);
                last.push('\n');
            }
            _ if !blank => found.push(format!("{line}\n")),
            _ => {}
        }
        continues = !blank;
    }
    if found.len() >= FEW_PARAGRAPHS {
        return found;
    }
    text.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_separated_by_blank_lines() {
        let text = "\u{feff}One\r\ntwo.\r\n\r\n \nThree.\n".to_owned() + &"\nMore\n".repeat(20);
        let found = paragraphs(&text);
        assert_eq!((found.len(), found[0].as_str(), found[1].as_str()), (22, "One\ntwo.\n", "Three.\n"));
    }

    #[test]
    fn a_text_of_few_paragraphs_is_read_by_lines() {
        assert_eq!(paragraphs("a\nb\n\nc"), ["a\n", "b\n", "c\n"]);
        assert!(paragraphs(" \n\n").is_empty());
    }
}
