//! Drift of data from the reference of a model.

use cupola_monitor::embedding::EmbeddingMethod;
use cupola_monitor::multivariate::MultivariateDrift;
use cupola_monitor::performance::Chunking;
use cupola_monitor::{
    ColumnDrift, ColumnRole, DatasetDrift, DriftColumnKey, DriftMethod, DriftOptions, NamedColumn,
    ObservedColumn,
};
use cupola_workflow::{CollectedData, CollectionRequest, LoadedModel, ModelSelection, Session};
use serde::Serialize;

use super::embeddings::{EmbeddingOutcome, measure_embeddings, sealed_embeddings};
use super::relations::measure_relations;
use crate::error::Error;

/// Model, data and limits of a comparison.
#[derive(Debug, Clone)]
pub struct DriftRequest<'a> {
    /// Model that decides how the data is read.
    pub model: ModelSelection,
    /// Current data: a source as in a config.
    pub data: &'a str,
    /// Reference data, likewise; `None` for the profile that is sealed in the package.
    pub reference: Option<&'a str>,
    /// `true` to predict the rows, and to compare the predictions.
    pub predict: bool,
    /// Statistics and thresholds.
    pub options: DriftOptions,
    /// Share of drifted columns from which the data has drifted.
    pub max_share: f64,
    /// Division into chunks to compare the relations between the inputs, too; requires reference data.
    pub multivariate: Option<Chunking>,
    /// Methods to compare the embeddings of the rows, too, if any. Without reference data, the package must have some.
    pub embeddings: Vec<EmbeddingMethod>,
}

/// Origin of a reference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftReference {
    /// Profile in the package.
    Profile,
    /// Source.
    Data(String),
}

/// Drift of data.
#[derive(Debug, Clone, Serialize)]
pub struct DriftOutcome {
    /// `NAME:VERSION`
    pub package: String,
    /// Source of the current data.
    pub data: String,
    /// Rows of it.
    pub rows: u64,
    /// Origin of the reference.
    pub reference: DriftReference,
    /// Rows of the reference.
    pub reference_rows: u64,
    /// Columns that were not compared, in sentences.
    pub notes: Vec<String>,
    /// Parts that have drifted.
    pub drifted_by: Vec<DriftedPart>,
    /// Verdict over all parts, and columns.
    #[serde(flatten)]
    pub drift: DatasetDrift,
    /// Drift of the relations between the inputs, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub multivariate: Option<MultivariateDrift>,
    /// Drift of the embeddings of the rows, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<EmbeddingOutcome>,
}

/// Part of the data that can drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DriftedPart {
    /// Share of the columns.
    Columns,
    /// Relations between the columns, in the same share of the chunks.
    Relations,
    /// Embeddings, by one of the methods.
    Embeddings,
}

impl DriftedPart {
    /// Name in the middle of a sentence.
    pub fn name(self) -> &'static str {
        match self {
            Self::Columns => "columns",
            Self::Relations => "relations between columns",
            Self::Embeddings => "embeddings",
        }
    }
}

impl DriftOutcome {
    /// `true` if a part of the data has drifted.
    pub fn has_drifted(&self) -> bool {
        self.drift.drift
    }

    /// Verdict in words: "no drift", "drift", or "drift: embeddings" if not only the columns have drifted.
    pub fn verdict(&self) -> String {
        match self.drifted_by.as_slice() {
            [] => "no drift".to_owned(),
            [DriftedPart::Columns] => "drift".to_owned(),
            parts => {
                let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
                format!("drift: {}", names.join(", "))
            }
        }
    }
}

/// Columns of a reference.
struct ReferenceSide {
    origin: DriftReference,
    rows: u64,
    columns: Vec<(DriftColumnKey, ObservedColumn)>,
    /// Names of columns whose values are pseudonyms.
    pseudonyms: Vec<String>,
}

/// Compares data with the reference of a model. Rows are read piece by piece in bounded memory.
///
/// # Errors
/// [`Error::NoProfile`], [`Error::NoReferenceRows`], [`Error::NoReferenceEmbeddings`],
/// [`Error::EmbeddingWidth`], [`Error::NoRows`], [`Error::NothingToCompare`], [`Error::Threshold`]; the errors of the workflow for a model that is unknown
/// or damaged, and for rows that do not fit it.
pub fn measure_drift(session: &Session<'_>, request: &DriftRequest<'_>) -> Result<DriftOutcome, Error> {
    check_threshold(&request.options, &request.options.methods)?;
    let before = match (request.multivariate, request.reference) {
        (Some(chunking), data) => Some((chunking, data.ok_or(Error::NoReferenceRows)?)),
        (None, _) => None,
    };
    let mut model = session.open_model(&request.model)?;
    let sealed = match (request.embeddings.as_slice(), request.reference) {
        ([], _) | (_, Some(_)) => None,
        _ => Some(sealed_embeddings(&model)?),
    };
    let package = model.package.label();
    let reference = reference(session, &mut model, request)?;
    let current = collected(session, &mut model, request.data, request.predict)?;
    let mut notes = Vec::new();
    let mut columns = Vec::new();
    for (key, side) in reference.columns {
        let is_compared =
            request.predict || !matches!(key.role, ColumnRole::Prediction | ColumnRole::Probability);
        match current.columns.iter().find(|column| is_same(column, &key)) {
            _ if !is_compared => {}
            Some(_) if is_hashed(&key, &current.pseudonyms, &reference.pseudonyms) => notes.push(format!(
                "the log has pseudonyms of `{}` (`[log] hash`), so its drift is not known",
                key.name
            )),
            Some(found) => columns.push(ColumnDrift::between(key, &side, &found.column, &request.options)),
            None if key.role == ColumnRole::Target => {
                notes.push(format!("the data has no target `{}`, so its drift is not known", key.name));
            }
            None => notes.push(format!("the data has no values to compare with `{}`", key.name)),
        }
    }
    if columns.is_empty() {
        return Err(Error::NothingToCompare { package: model.package.label() });
    }
    let used: Vec<DriftMethod> = columns.iter().map(|column| column.method).collect();
    check_threshold(&request.options, &used)?;
    notes.extend(method_notes(&request.options.methods, &columns));
    let relations =
        |(chunking, before)| measure_relations(session, &model, [before, request.data], chunking, &mut notes);
    let multivariate = before.map(relations).transpose()?;
    let embeddings = match request.embeddings.as_slice() {
        [] => None,
        _ => Some(measure_embeddings(session, request, (&package, sealed), &mut notes)?),
    };
    let mut drift = DatasetDrift::of(columns, request.max_share);
    let drifted_by = drifted_parts(&drift, multivariate.as_ref(), embeddings.as_ref());
    drift.drift = !drifted_by.is_empty();
    Ok(DriftOutcome {
        package,
        data: request.data.to_owned(),
        rows: current.rows,
        reference: reference.origin,
        reference_rows: reference.rows,
        notes,
        drifted_by,
        drift,
        multivariate,
        embeddings,
    })
}

fn drifted_parts(
    drift: &DatasetDrift,
    relations: Option<&MultivariateDrift>,
    embeddings: Option<&EmbeddingOutcome>,
) -> Vec<DriftedPart> {
    let parts = [
        (drift.drift, DriftedPart::Columns),
        (relations.is_some_and(|own| own.has_drifted(drift.max_share)), DriftedPart::Relations),
        (embeddings.is_some_and(EmbeddingOutcome::has_drifted), DriftedPart::Embeddings),
    ];
    parts.into_iter().filter(|(drifted, _)| *drifted).map(|(_, part)| part).collect()
}

/// A p-value and the area under a curve are at most 1, so a larger threshold decides without the data.
fn check_threshold(options: &DriftOptions, methods: &[DriftMethod]) -> Result<(), Error> {
    let Some(threshold) = options.threshold.filter(|threshold| *threshold > 1.0) else { return Ok(()) };
    let bounded = methods.iter().find(|method| method.is_p_value() || method.is_area());
    bounded.map_or(Ok(()), |method| Err(Error::Threshold { threshold, method: method.name() }))
}

/// Sentences about methods that no column used, and about columns whose statistic has no value.
fn method_notes(methods: &[DriftMethod], columns: &[ColumnDrift]) -> Vec<String> {
    let unused = methods.iter().filter(|method| columns.iter().all(|column| column.method != **method));
    let unused = unused.map(|method| {
        let (name, kind) = (method.name(), method.compares());
        format!("`{name}` compares {kind}, and no column is left for it; every column has another statistic")
    });
    let missing = columns.iter().filter(|column| column.is_not_computable()).map(|column| {
        let (label, method) = (column.key.label(), column.method.name());
        format!("`{method}` is not computable for `{label}`: {}", column.reason.unwrap_or_default())
    });
    unused.chain(missing).collect()
}

fn reference(
    session: &Session<'_>,
    model: &mut LoadedModel,
    request: &DriftRequest<'_>,
) -> Result<ReferenceSide, Error> {
    if let Some(data) = request.reference {
        let CollectedData { rows, columns, pseudonyms } = collected(session, model, data, request.predict)?;
        let columns = columns.into_iter().map(|named| (key_of(&named), named.column));
        return Ok(ReferenceSide {
            origin: DriftReference::Data(data.to_owned()),
            rows,
            columns: columns.collect(),
            pseudonyms,
        });
    }
    let no_profile = || Error::NoProfile { package: model.package.label() };
    let profile = model.reference_profile()?.ok_or_else(no_profile)?;
    let columns = profile.columns.iter().map(|column| {
        let key =
            DriftColumnKey { name: column.name.clone(), role: column.role, class: column.class.clone() };
        (key, column.observed())
    });
    Ok(ReferenceSide {
        origin: DriftReference::Profile,
        rows: profile.rows,
        columns: columns.collect(),
        pseudonyms: Vec::new(),
    })
}

/// Columns of a source, which must have rows.
fn collected(
    session: &Session<'_>,
    model: &mut LoadedModel,
    data: &str,
    predict: bool,
) -> Result<CollectedData, Error> {
    let found = session.collect_columns(model, CollectionRequest { data, predict })?;
    if found.rows == 0 {
        return Err(Error::NoRows { data: data.to_owned() });
    }
    Ok(found)
}

/// `true` for a value of rows that only one of the sides has as pseudonyms.
fn is_hashed(key: &DriftColumnKey, current: &[String], reference: &[String]) -> bool {
    let is_value = matches!(key.role, ColumnRole::Input | ColumnRole::Target);
    is_value && current.contains(&key.name) != reference.contains(&key.name)
}

fn key_of(column: &NamedColumn) -> DriftColumnKey {
    DriftColumnKey { name: column.name.clone(), role: column.role, class: column.class.clone() }
}

fn is_same(column: &NamedColumn, key: &DriftColumnKey) -> bool {
    column.role == key.role && column.name == key.name && column.class == key.class
}
