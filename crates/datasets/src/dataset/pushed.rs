//! A version of what was pushed: the rows of the version before, and those of the inbox.

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::{Map, Value};

use super::ingest::{PendingRows, decoded, schema};
use super::{DatasetManifest, Datasets};
use crate::error::{Error, io_error};
use crate::load::LoadRequest;
use cupola_sources::FileVersion;
use cupola_sources::ProgressSink;
use cupola_sources::{Collected, SourceCache, TableWriter};
use cupola_sources::{DataFile, FileFormat, open_file};

/// SourceRows that are decoded at once.
const BATCH: usize = 8192;

impl Datasets {
    /// What was pushed since the last version, with that version before it. A version has the id of what it
    /// took last, so what it holds already is known again after a crash.
    pub(super) fn pushed(
        &self,
        parent: &DatasetManifest,
        request: &LoadRequest<'_>,
    ) -> Result<Option<(PendingRows, Collected)>, Error> {
        let Some(taken) = PendingRows::of(self, &parent.name)? else { return Ok(None) };
        if parent.pushed.as_ref() == Some(&taken.id) {
            taken.done()?;
            return self.pushed(parent, request);
        }
        let name = format!("pushed-{}.parquet", taken.id);
        let path = SourceCache::new(&self.home).folder("pushed", &taken.id)?.join(&name);
        to_parquet(parent, &taken.path, &path)?;
        let (mut files, mut versions) = self.rows_as_parquet(parent, request.progress)?;
        versions.push(FileVersion { name: name.clone(), ..FileVersion::of(&path, request.progress)? });
        files.push(DataFile::named(path, name)?);
        // These are rows after `data.query`.
        Ok(Some((taken, Collected { files, versions, queried: true, ..Collected::default() })))
    }

    /// The files of a version, in the one form that pushed rows have.
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
        let data =
            cupola_spec::Data { null: parent.data.null.clone(), ..cupola_spec::Data::plain(source, &[]) };
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &[],
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
        let version = FileVersion::of(&path, progress)?;
        Ok((vec![DataFile::new(path)?], vec![version]))
    }
}

/// Lines of the inbox in the types of the dataset.
fn to_parquet(parent: &DatasetManifest, from: &Path, to: &Path) -> Result<(), Error> {
    let schema = schema(parent)?;
    let wrong = |why: String| Error::Damaged { path: from.to_owned(), why };
    let mut writer = TableWriter::new(to, &schema)?;
    let mut rows: Vec<Map<String, Value>> = Vec::new();
    let mut lines = BufReader::new(open_file(from)?);
    loop {
        let mut line = Vec::new();
        let ended = lines.read_until(b'\n', &mut line).map_err(io_error(from))? == 0;
        // A line without an end was never answered for.
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
