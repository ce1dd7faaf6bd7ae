//! Vectors that a model makes of the rows of a source.

use cupola_monitor::embedding::EmbeddingRows;
use cupola_nn::DeviceChoice;
use cupola_prep::{Examples, FittedTarget, Frame, each_derived};
use cupola_runtime::{EmbeddingOrigin, EngineChoice};
use cupola_spec::Source;

use super::log::files_of;
use crate::error::Error;
use crate::models::inference::{CHUNK, LoadedModel, ModelSelection, explained};
use crate::session::Session;

/// Vectors that are kept, evenly spaced ones of more rows.
const MOST_VECTORS: usize = 2000;

/// Vectors of the rows of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct CollectedEmbeddings {
    /// Vectors.
    pub rows: EmbeddingRows,
    /// Origin of the vectors.
    pub origin: EmbeddingOrigin,
    /// Rows of the source that are examples of the model.
    pub seen: u64,
}

impl Session<'_> {
    /// Vectors that a model makes of the rows of a source, at most 2,000 evenly spaced ones; `None` without rows.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, a model without vectors.
    pub fn collect_embeddings(
        &self,
        model: &ModelSelection,
        data: &str,
    ) -> Result<Option<CollectedEmbeddings>, Error> {
        // The input of the last layer is known on the CPU only.
        let engine = EngineChoice::Candle;
        let selection = ModelSelection { engine, device: DeviceChoice::Flex, ..model.clone() };
        let mut model = self.open_model(&selection)?;
        let (source, plan) = (Source::One(files_of(data)), model.predictor.package.plan.clone());
        let mut found = None;
        if plan.window().is_some() || matches!(plan.targets.first(), FittedTarget::NextToken { .. }) {
            let rows = self.read_rows(&source, &plan)?;
            let examples = plan.apply(&rows.frame).map_err(|error| explained(error, &plan, &rows.origin))?;
            model.add_vectors(&examples, &mut found)?;
            return Ok(found);
        }
        let rows = self.rows_in_pieces(&source, &plan)?;
        let exact = plan.exact_columns();
        let frames = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
            rows.each(&mut |batch| {
                visit(Frame::from_batches(rows.schema(), std::slice::from_ref(batch), &exact)?)
            })
        };
        let done = each_derived(&plan, &frames, true, &mut |_, examples| match examples {
            Some(examples) => model.add_vectors(&examples, &mut found),
            None => Ok(()),
        });
        done.map_err(|error| match error {
            Error::Prepare(error) => explained(error, &plan, rows.origin()).into(),
            other => other,
        })?;
        Ok(found)
    }
}

impl LoadedModel {
    /// Adds the vectors of examples.
    fn add_vectors(
        &mut self,
        examples: &Examples,
        found: &mut Option<CollectedEmbeddings>,
    ) -> Result<(), Error> {
        let indices: Vec<usize> = (0..examples.rows).collect();
        for chunk in indices.chunks(CHUNK) {
            let (origin, values) = self.predictor.embeddings(examples.gather(chunk))?;
            let width = values.len() / chunk.len();
            if width == 0 {
                return Err(Error::NoEmbeddings { package: self.package.label() });
            }
            let collected = found.get_or_insert_with(|| {
                let rows = EmbeddingRows::new(width, MOST_VECTORS);
                CollectedEmbeddings { rows, origin, seen: 0 }
            });
            for vector in values.chunks(width) {
                collected.rows.push(vector.iter().copied());
            }
            collected.seen += chunk.len() as u64;
        }
        Ok(())
    }
}
