//! Drift of the vectors that a model makes of its rows.

use cupola_monitor::embedding::{EmbeddingDrift, EmbeddingMethod, EmbeddingRows, ReferenceEmbeddings};
use cupola_runtime::EmbeddingOrigin;
use cupola_workflow::{CollectedEmbeddings, LoadedModel, Session};
use serde::Serialize;

use super::DriftRequest;
use crate::error::Error;

/// Drift of embeddings by the methods that were asked for.
#[derive(Debug, Clone, Serialize)]
pub struct EmbeddingOutcome {
    /// Part of the model that the vectors come from.
    pub origin: EmbeddingOrigin,
    /// Values of a vector.
    pub width: usize,
    /// Vectors of the reference that were compared.
    pub reference: usize,
    /// Split of the vectors that are sealed with the model; `None` for reference data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub split: Option<String>,
    /// Vectors of the current data that were compared.
    pub current: usize,
    /// Scores and verdicts.
    pub methods: Vec<EmbeddingDrift>,
}

impl EmbeddingOutcome {
    /// `true` if a method finds drift.
    pub fn has_drifted(&self) -> bool {
        self.methods.iter().any(|method| method.drifted)
    }
}

/// Embeddings that are sealed with a model.
pub(super) fn sealed_embeddings(model: &LoadedModel) -> Result<ReferenceEmbeddings, Error> {
    let missing = || Error::NoReferenceEmbeddings { package: model.package.label() };
    model.reference_embeddings()?.ok_or_else(missing)
}

/// Compares the embeddings of current data with sealed ones, or with those of reference data. Adds notes about rows that are left out.
pub(super) fn measure_embeddings(
    session: &Session<'_>,
    request: &DriftRequest<'_>,
    (package, sealed): (&str, Option<ReferenceEmbeddings>),
    notes: &mut Vec<String>,
) -> Result<EmbeddingOutcome, Error> {
    let mut collected = |data: &str| -> Result<CollectedEmbeddings, Error> {
        let found = session.collect_embeddings(&request.model, data)?;
        let found = found.ok_or_else(|| Error::NoRows { data: data.to_owned() })?;
        if found.rows.every() > 1 {
            notes.push(format!(
                "one row in {} of {data} counts for the drift of embeddings",
                found.rows.every()
            ));
        }
        Ok(found)
    };
    let of_data = request.reference.map(&mut collected).transpose()?;
    let current = collected(request.data)?;
    let drifts = |reference: &EmbeddingRows, split: Option<String>| {
        let drift = |method: &EmbeddingMethod| match split {
            Some(_) => EmbeddingDrift::between_samples(reference, &current.rows, *method),
            None => EmbeddingDrift::between(reference, &current.rows, *method, None),
        };
        EmbeddingOutcome {
            origin: current.origin,
            width: reference.width(),
            reference: reference.len(),
            current: current.rows.len(),
            methods: request.embeddings.iter().map(drift).collect(),
            split,
        }
    };
    match (of_data, sealed) {
        (Some(reference), _) => {
            if reference.origin == EmbeddingOrigin::Inputs {
                notes.push(
                    "the model has no layers, so its prepared inputs are compared as embeddings".to_owned(),
                );
            }
            Ok(drifts(&reference.rows, None))
        }
        (None, Some(ReferenceEmbeddings { origin, rows })) => {
            let (sealed, found) = (rows.width(), current.rows.width());
            if sealed != found {
                return Err(Error::EmbeddingWidth { package: package.to_owned(), sealed, found });
            }
            Ok(drifts(&rows, Some(origin.split)))
        }
        (None, None) => Err(Error::NoReferenceEmbeddings { package: package.to_owned() }),
    }
}
