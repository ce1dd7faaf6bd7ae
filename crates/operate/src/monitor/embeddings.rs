//! Drift of the vectors that a model makes of its rows.

use cupola_monitor::embedding::{EmbeddingDrift, EmbeddingMethod};
use cupola_workflow::{CollectedEmbeddings, EmbeddingOrigin, Session};
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

/// Compares the embeddings of current data with those of reference data. Adds notes about rows that are left out.
pub(super) fn measure_embeddings(
    session: &Session<'_>,
    request: &DriftRequest<'_>,
    methods: &[EmbeddingMethod],
    notes: &mut Vec<String>,
) -> Result<EmbeddingOutcome, Error> {
    let before = request.reference.ok_or(Error::NoReferenceEmbeddings)?;
    let collected = |data: &str| -> Result<CollectedEmbeddings, Error> {
        let found = session.collect_embeddings(&request.model, data)?;
        found.ok_or_else(|| Error::NoRows { data: data.to_owned() })
    };
    let (reference, current) = (collected(before)?, collected(request.data)?);
    for (side, data) in [(&reference, before), (&current, request.data)] {
        if side.rows.every() > 1 {
            notes.push(format!(
                "one row in {} of {data} counts for the drift of embeddings",
                side.rows.every()
            ));
        }
    }
    if reference.origin == EmbeddingOrigin::Inputs {
        notes.push("the model has no layers, so its prepared inputs are compared as embeddings".to_owned());
    }
    let drift =
        |method: &EmbeddingMethod| EmbeddingDrift::between(&reference.rows, &current.rows, *method, None);
    Ok(EmbeddingOutcome {
        origin: reference.origin,
        width: reference.rows.width(),
        reference: reference.rows.len(),
        current: current.rows.len(),
        methods: methods.iter().map(drift).collect(),
    })
}
