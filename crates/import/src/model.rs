//! An imported model, ready to be published.

use cupola_nn::{Architecture, StateDict};
use cupola_prep::{Plan, Signature};
use cupola_registry::{Home, Lineage, Package, PackageContents, publish, sha256_hex};
use serde_json::Map;

use crate::error::Error;

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
        let plan = serde_json::to_vec_pretty(&self.plan)?;
        let metrics = serde_json::to_vec_pretty(&Map::new())?;
        let weights = self.weights.to_safetensors()?;
        let files: [(&str, &[u8]); 4] = [
            ("model.safetensors", &weights),
            ("config.json", &config),
            ("plan.json", &plan),
            ("metrics.json", &metrics),
        ];
        let package = PackageContents {
            name,
            files: &files,
            signature: serde_json::to_value(Signature::of(&self.plan))?,
            lineage: Lineage {
                run: "imported".to_owned(),
                dataset_version: self.digest.clone(),
                config_sha256: sha256_hex(&config),
                code_version: code_version.to_owned(),
                parent: None,
            },
            metrics: Map::new(),
            keep_latest: false,
        };
        Ok(publish(home, &package)?)
    }
}
