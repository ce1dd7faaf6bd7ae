//! Versions of pushed rows: the rows of the previous version and those of the log.

use std::io::{BufRead, BufReader};
use std::path::Path;

use cupola_sources::{
    Collected, DataFile, FileFormat, FileVersion, ProgressSink, SourceCache, TableWriter, TextColumns,
    file_version, open_file,
};
use serde_json::{Map, Value};

use super::ingest::{PendingRows, decoded, schema};
use super::{DatasetManifest, Datasets};
use crate::error::{Error, io_error};
use crate::load::LoadRequest;

/// Number of rows that are decoded at once.
const BATCH: usize = 8192;

impl Datasets {
    /// Collects the previous version and the rows pushed since. A version stores the id of the last pushed
    /// rows, so that rows it already holds are recognised after a crash.
    pub(super) fn pushed(
        &self,
        parent: &DatasetManifest,
        request: &LoadRequest<'_>,
    ) -> Result<Option<(PendingRows, Collected)>, Error> {
        let Some(taken) = PendingRows::of(self, parent)? else { return Ok(None) };
        if parent.pushed.as_ref() == Some(&taken.id) {
            taken.done()?;
            return self.pushed(parent, request);
        }
        let name = format!("pushed-{}.parquet", taken.id);
        let path = SourceCache::new(&self.home).folder("pushed", &taken.id)?.join(&name);
        to_parquet(parent, &taken.path, &path)?;
        let (mut files, mut versions) = self.rows_as_parquet(parent, request.progress)?;
        versions.push(FileVersion { name: name.clone(), ..file_version(&path, request.progress)? });
        files.push(DataFile::named(path, name)?);
        // `data.query` was applied to the previous version, and pushed rows have its schema.
        Ok(Some((taken, Collected { files, versions, queried: true, ..Collected::default() })))
    }

    /// Files of a version, converted to Parquet as the pushed rows are.
    fn rows_as_parquet(
        &self,
        parent: &DatasetManifest,
        progress: &dyn ProgressSink,
    ) -> Result<(Vec<DataFile>, Vec<FileVersion>), Error> {
        let (files, versions): (Vec<_>, Vec<_>) =
            self.files(&parent.name, Some(parent.version))?.files.into_iter().unzip();
        if files.iter().all(|file: &DataFile| file.format == FileFormat::Parquet) {
            return Ok((files, versions));
        }
        let source = cupola_spec::Source::One(format!("dataset:{}", parent.label()));
        let data = parent.data.with_same_format(source);
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &[],
            texts: TextColumns::None,
            roots: &[],
            home: &self.home,
            progress,
        };
        let stream = crate::stream::stream(&request)?;
        let path =
            SourceCache::new(&self.home).folder("pushed", &parent.dataset.sha256)?.join("rows.parquet");
        let mut writer = TableWriter::new(&path, stream.schema())?;
        stream.each(&mut |batch| writer.push(batch))?;
        writer.finish()?;
        let version = file_version(&path, progress)?;
        Ok((vec![DataFile::new(path)?], vec![version]))
    }
}

/// Converts pushed rows to Parquet with the types of the dataset.
fn to_parquet(parent: &DatasetManifest, from: &Path, to: &Path) -> Result<(), Error> {
    let schema = schema(parent)?;
    let wrong = |why: String| Error::Damaged { path: from.to_owned(), why };
    let mut writer = TableWriter::new(to, &schema)?;
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut lines = BufReader::new(open_file(from)?);
    loop {
        let mut line = Vec::new();
        let ended = lines.read_until(b'\n', &mut line).map_err(io_error(from))? == 0;
        // An unfinished line was never acknowledged.
        if line.ends_with(b"\n") {
            rows.push(serde_json::from_slice(&line).map_err(|error| wrong(error.to_string()))?);
        }
        if !rows.is_empty() && (ended || rows.len() == BATCH) {
            writer.push(&decoded(&schema, &rows).map_err(wrong)?)?;
            rows.clear();
        }
        if ended {
            return Ok(writer.finish()?);
        }
    }
}
