//! File contents in place of a column of paths (`data.files`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryBuilder, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_store::{FileVersion, Sha256Hasher};

use super::batch::SourceBatch;
use super::batch::origin::BatchOrigin;
use crate::error::{Error, io_error};
use crate::file::DataFile;

/// Rows whose files are in memory at once.
const ROWS: usize = 512;
/// Bytes of files that are in memory at once, but for the last of them: 512 MiB.
const PART_BYTES: usize = 512 << 20;
/// Largest size of one file: 1 GiB.
const MAX_FILE_BYTES: u64 = 1 << 30;

/// Column of paths, and the folders that they are relative to.
#[derive(Debug)]
pub struct FileContents {
    column: String,
    roots: Vec<PathBuf>,
    /// Folders that must hold the files of a downloaded table, without links; `None` for a table of this machine.
    within: Option<Vec<PathBuf>>,
}

/// Tables that list files, and what they may name.
#[derive(Clone, Copy)]
pub struct ListedFiles<'a> {
    /// Column of paths.
    pub column: &'a str,
    /// Files of the table.
    pub files: &'a [DataFile],
    /// Folders of downloaded tables; `None` if all tables are of this machine.
    pub downloaded: Option<&'a [PathBuf]>,
    /// Other folders in which a downloaded table may name files.
    pub allowed: &'a [String],
}

/// Digest of all contents in order: the paths alone do not identify a version.
#[derive(Debug, Default)]
pub struct ContentsDigest {
    hasher: Sha256Hasher,
    bytes: u64,
}

impl FileContents {
    /// Resolves paths against the folders of the files that list them, then against `roots`.
    pub fn new(listed: &ListedFiles<'_>, roots: &[PathBuf]) -> Self {
        let own = listed.files.iter().filter_map(|file| file.path.parent().map(Path::to_owned));
        let folders = listed.downloaded.unwrap_or_default();
        let mut all: Vec<PathBuf> = own.chain(folders.iter().cloned()).collect();
        let within = listed.downloaded.map(|_| {
            let allowed =
                listed.allowed.iter().flat_map(|folder| roots.iter().map(move |root| root.join(folder)));
            let folders = all.iter().cloned().chain(allowed);
            folders.filter_map(|folder| std::fs::canonicalize(folder).ok()).collect()
        });
        all.extend(roots.iter().cloned());
        all.dedup();
        Self { column: listed.column.to_owned(), roots: all, within }
    }

    /// Schema with bytes in place of the paths.
    ///
    /// # Errors
    /// [`Error::Location`] for an unknown column.
    pub fn schema(&self, schema: &SchemaRef) -> Result<SchemaRef, Error> {
        let index = schema.index_of(&self.column).map_err(|_| Error::Location {
            text: "data.files".to_owned(),
            why: format!("unknown column `{}`; use the column that holds the paths", self.column),
        })?;
        let mut fields: Vec<Field> = schema.fields().iter().map(|field| field.as_ref().clone()).collect();
        fields[index] = Field::new(&self.column, DataType::Binary, true);
        Ok(Arc::new(Schema::new(fields)))
    }

    /// Rows with bytes in place of the paths, in batches of at most 512 rows. `schema` is that of [`Self::schema`].
    pub fn read(
        &self,
        batch: &SourceBatch,
        schema: &SchemaRef,
    ) -> impl Iterator<Item = Result<SourceBatch, Error>> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let start = next.take()?;
            let part = self.part(batch, schema, start);
            if let Ok(part) = &part {
                let end = start + part.rows.num_rows();
                next = (end < batch.rows.num_rows()).then_some(end);
            }
            Some(part)
        })
    }

    /// Rows from `start` on, as many as fit into a part.
    fn part(&self, batch: &SourceBatch, schema: &SchemaRef, start: usize) -> Result<SourceBatch, Error> {
        let rows = &batch.rows;
        let part = rows.slice(start, ROWS.min(rows.num_rows() - start));
        let origin = batch.origin.as_ref().map(|origin| origin.after(start));
        let index = schema.index_of(&self.column).unwrap_or_default();
        let contents = self.read_column(part.column(index), origin.as_ref())?;
        let mut columns: Vec<ArrayRef> = part.slice(0, contents.len()).columns().to_vec();
        columns[index] = contents;
        let rows = RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|error| Error::Engine { path: self.column.clone(), why: error.to_string() })?;
        let rejected = if start == 0 { batch.rejected.clone() } else { Vec::new() };
        Ok(SourceBatch { rows, origin, rejected })
    }

    /// Adds the contents of a batch to a digest.
    pub fn update_digest(&self, batch: &RecordBatch, digest: &mut ContentsDigest) {
        let column = batch.column_by_name(&self.column).and_then(|column| column.as_binary_opt::<i32>());
        for bytes in column.into_iter().flatten() {
            let bytes = bytes.unwrap_or_default();
            digest.hasher.update(&(bytes.len() as u64).to_le_bytes());
            digest.hasher.update(bytes);
            digest.bytes += bytes.len() as u64;
        }
    }

    /// All contents as one file of a version.
    pub fn version(&self, digest: ContentsDigest) -> FileVersion {
        let name = format!("contents of `{}`", self.column);
        let sha256 = digest.hasher.finish();
        FileVersion { name, bytes: digest.bytes, sha256 }
    }

    fn read_column(&self, paths: &ArrayRef, origin: Option<&BatchOrigin>) -> Result<ArrayRef, Error> {
        let wrong = |row: usize, why: String| Error::Row {
            path: format!("column `{}`", self.column),
            row: origin.map_or(String::new(), |origin| format!("row {}: ", origin.number(row))),
            why,
        };
        let paths = cast(paths, &DataType::Utf8).map_err(|error| wrong(0, error.to_string()))?;
        let paths =
            paths.as_any().downcast_ref::<StringArray>().ok_or_else(|| wrong(0, "expected text".into()))?;
        let (mut contents, mut bytes) = (BinaryBuilder::new(), 0);
        for (row, path) in paths.iter().enumerate() {
            let Some(path) = path else {
                contents.append_null();
                continue;
            };
            let found = self.find(path).map_err(|why| wrong(row, why))?;
            let size = std::fs::metadata(&found).map_err(io_error(&found))?.len();
            if size > MAX_FILE_BYTES {
                return Err(wrong(row, format!("{path} has more than 1 GiB; leave the row out")));
            }
            // The part ends before its bytes are too many for one column.
            let size = usize::try_from(size).unwrap_or(usize::MAX);
            if row > 0 && size.saturating_add(bytes) > PART_BYTES {
                break;
            }
            let content = cupola_store::read_limited(&found, MAX_FILE_BYTES)?;
            bytes += content.len();
            contents.append_value(content);
        }
        Ok(Arc::new(contents.finish()))
    }

    /// Finds the file that a path names.
    fn find(&self, path: &str) -> Result<PathBuf, String> {
        let mut outside = false;
        for found in self.roots.iter().map(|root| root.join(path)).filter(|path| path.is_file()) {
            let Some(folders) = &self.within else { return Ok(found) };
            // Links are resolved first: the path that is read is the one that was checked.
            if let Ok(real) = std::fs::canonicalize(&found)
                && folders.iter().any(|folder| real.starts_with(folder))
            {
                return Ok(real);
            }
            outside = true;
        }
        let shown = path.escape_debug();
        Err(if outside {
            format!(
                "the downloaded table names {shown}, which is not in its own folder; if that is meant, add the folder of the files to `data.allow_outside`"
            )
        } else {
            format!("no file {shown}; correct the path")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(folder: &Path, downloaded: bool, allowed: &[&str]) -> FileContents {
        let table = DataFile::new(folder.join("table").join("rows.csv")).unwrap();
        let allowed: Vec<String> = allowed.iter().map(|text| (*text).to_owned()).collect();
        let folders = [folder.join("table")];
        let listed = ListedFiles {
            column: "file",
            files: std::slice::from_ref(&table),
            downloaded: downloaded.then_some(folders.as_slice()),
            allowed: &allowed,
        };
        FileContents::new(&listed, &[folder.to_owned()])
    }

    #[test]
    fn a_downloaded_table_names_files_of_its_own_folder() {
        let dir = tempfile::tempdir().unwrap();
        let folder = std::fs::canonicalize(dir.path()).unwrap();
        for path in ["table/in/1.png", "secret.png", "pictures/2.png"] {
            std::fs::create_dir_all(folder.join(path).parent().unwrap()).unwrap();
            std::fs::write(folder.join(path), path).unwrap();
        }
        let secret = folder.join("secret.png");
        let absolute = secret.to_string_lossy().into_owned();
        #[cfg(unix)]
        std::os::unix::fs::symlink(&secret, folder.join("table/link.png")).unwrap();
        let downloaded = contents(&folder, true, &[]);
        assert!(downloaded.find("in/1.png").is_ok() && downloaded.find("in/../in/1.png").is_ok());
        for path in
            ["../secret.png", "secret.png", "pictures/2.png", &absolute, "in/../../secret.png", "link.png"]
        {
            let error = downloaded.find(path).unwrap_err();
            assert!(
                error.contains("allow_outside") || path == "link.png" && cfg!(not(unix)),
                "{path}: {error}"
            );
        }
        for path in ["file:///etc/passwd", "none.png", "in", "/dev/zero", "a\0b"] {
            assert!(downloaded.find(path).is_err(), "{path}");
        }
        let allowed = contents(&folder, true, &["pictures"]);
        assert!(allowed.find("pictures/2.png").is_ok() && allowed.find("secret.png").is_err());
        // The user's own table may name any file.
        let local = contents(&folder, false, &[]);
        assert!(local.find(&absolute).is_ok() && local.find("../secret.png").is_ok());
    }
}
