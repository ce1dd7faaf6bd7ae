//! Drift of the relations between columns.

use cupola_monitor::multivariate::MultivariateDrift;
use cupola_monitor::performance::{ChunkRows, Chunking};
use cupola_workflow::{CollectedFeatures, LoadedModel, Session};
use jiff::Timestamp;

use crate::error::Error;

/// Compares the relations between the inputs of current data with those of reference data, which is the first of the two, chunk
/// by chunk. Adds notes about rows and columns that are left out.
pub(super) fn measure_relations(
    session: &Session<'_>,
    model: &LoadedModel,
    [data_before, data_now]: [&str; 2],
    chunking: Chunking,
    notes: &mut Vec<String>,
) -> Result<MultivariateDrift, Error> {
    let reference = session.collect_features(model, data_before)?;
    let current = session.collect_features(model, data_now)?;
    for (features, data) in [(&reference, data_before), (&current, data_now)] {
        if features.every > 1 {
            notes.push(format!("one row in {} of {data} counts for multivariate drift", features.every));
        }
    }
    let current_chunks = split(&current, chunking)?;
    // Rows without times have no periods.
    let has_times = reference.times.is_some();
    let of_reference =
        if matches!(chunking, Chunking::Period(_)) && !has_times { Chunking::default() } else { chunking };
    let reference_chunks = split(&reference, of_reference)?;
    let found =
        MultivariateDrift::between((&reference.table, &reference_chunks), (&current.table, &current_chunks))?;
    if !found.left_out.is_empty() {
        let names =
            found.left_out.iter().take(5).map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        notes.push(format!("{} columns do not count for multivariate drift: {names}", found.left_out.len()));
    }
    if found.components == found.columns.len() {
        notes.push(
            "the columns of the reference are not related, so multivariate drift sees no change".to_owned(),
        );
    }
    Ok(found)
}

fn split(features: &CollectedFeatures, chunking: Chunking) -> Result<Vec<ChunkRows>, Error> {
    let times: Option<Vec<Option<Timestamp>>> = features
        .times
        .as_ref()
        .map(|times| times.iter().map(|time| Timestamp::from_millisecond((*time)?).ok()).collect());
    Ok(chunking.split(features.table.rows(), times.as_deref())?)
}
