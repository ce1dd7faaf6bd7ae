//! An imported model, ready to be published.

use cupola_nn::{Architecture, StateDict};
use cupola_prep::Plan;
use cupola_registry::{Home, Package};

use crate::error::Error;
use crate::package::ImportedContents;

/// A model in Cupola's layers and names.
#[derive(Debug)]
pub struct ImportedModel {
    /// Architecture, as `config.json` of the package holds it.
    pub architecture: Architecture,
    /// Weights under Cupola's names.
    pub weights: StateDict,
    /// Plan with the tokenizer.
    pub plan: Plan,
    /// SHA-256 of the files of weights.
    pub digest: String,
    /// Number of transformer blocks.
    pub layers: usize,
    /// Task of the model.
    pub task: TextTask,
    /// Remarks for whoever imports it, a sentence each.
    pub notes: Vec<String>,
}

/// Task of a model for texts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextTask {
    /// A vector for each text.
    Embedding,
    /// A class for each text.
    Classification,
    /// Text generation, without a chat template.
    Generation,
    /// Text generation with a chat template.
    Chat,
}

impl ImportedModel {
    /// Publishes the model as the next version of the package `name`.
    ///
    /// # Errors
    /// [`Error::Registry`] if the package can't be written.
    pub fn publish(&self, home: &Home, name: &str, code_version: &str) -> Result<Package, Error> {
        let config = serde_json::to_vec_pretty(&self.architecture)?;
        let weights = self.weights.to_safetensors()?;
        ImportedContents { config, plan: &self.plan, weights, digest: &self.digest }.publish(
            home,
            name,
            code_version,
        )
    }
}
