//! Identity of the rows of a source, and the version before them.

use arrow::datatypes::Schema;
use cupola_sources::{Error as SourceError, FileVersion};
use cupola_spec::{Data, parse_data};
use cupola_store::DatasetVersion;

use super::LoadRequest;
use crate::dataset::Datasets;
use crate::error::Error;
use crate::profile::Profile;

/// Profile of the version before the one that a source names, which expectations of small drift compare with; `None` if
/// there is none here, or the caller knows one.
pub(super) fn previous_profile(
    request: &LoadRequest<'_>,
    known: Option<&Profile>,
    datasets: &[String],
) -> Result<Option<Profile>, Error> {
    let compares = request.expect.iter().any(|expectation| expectation.drift.is_some());
    let [label] = datasets else { return Ok(None) };
    if known.is_some() || !compares {
        return Ok(None);
    }
    let store = Datasets::new(request.home);
    let manifest = store.named(label)?;
    let here = store.versions(&manifest.name);
    let parent = manifest.parent.filter(|parent| here.contains(parent));
    let parent = parent.map(|parent| store.manifest(&manifest.name, Some(parent))).transpose()?;
    Ok(parent.map(|parent| parent.profile))
}

/// Identity of a source with that many rows.
pub(super) fn version(
    request: &LoadRequest<'_>,
    files: Vec<FileVersion>,
    schema: &Schema,
    rows: usize,
) -> Result<DatasetVersion, Error> {
    let query = request.data.query.as_deref();
    if rows == 0 {
        let after = if query.is_some() { " after data.query" } else { "" };
        return Err(SourceError::Empty { path: request.label(), after }.into());
    }
    let columns = schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect();
    let version = DatasetVersion::new(request.source.patterns(), query, files, columns, rows);
    Ok(match reading(request.data) {
        Some(settings) => version.distinguished_by(&settings),
        None => version,
    })
}

/// Settings by which the same files have other rows, as text; `None` for the defaults.
pub(crate) fn reading(data: &Data) -> Option<String> {
    let format = data.format();
    // A config without them has the defaults of `[data]`.
    let plain =
        parse_data("the defaults", "data.source = '-'").map(|(data, _)| data.null).unwrap_or_default();
    if format.is_default() && (data.null == plain || data.null.is_empty()) {
        return None;
    }
    serde_json::to_string(&(&data.null, &format)).ok()
}
