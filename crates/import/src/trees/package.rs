//! Imported trees, ready to be published.

use cupola_prep::{Plan, Signature};
use cupola_registry::{Home, Lineage, Package, PackageContents, publish, sha256_hex};
use cupola_trees::TreeEnsemble;
use serde_json::{Map, json};

use crate::error::Error;

/// Trees of another library with their plan.
#[derive(Debug)]
pub struct ImportedTrees {
    /// Trees.
    pub trees: TreeEnsemble,
    /// Plan of the columns and the target.
    pub plan: Plan,
    /// SHA-256 of the file.
    pub digest: String,
    /// Name of the library.
    pub library: &'static str,
    /// Remarks for whoever imports it, a sentence each.
    pub notes: Vec<String>,
}

impl ImportedTrees {
    /// Publishes the model as the next version of the package `name`.
    ///
    /// # Errors
    /// [`Error::Registry`] if the package can't be written.
    pub fn publish(&self, home: &Home, name: &str, code_version: &str) -> Result<Package, Error> {
        let about = json!({ "width": self.plan.width(), "columns": self.plan.layout() });
        let config = json!({ "family": self.library.to_lowercase(), "trees": about });
        let config = serde_json::to_vec_pretty(&config)?;
        let plan = serde_json::to_vec_pretty(&self.plan)?;
        let metrics = serde_json::to_vec_pretty(&Map::new())?;
        let weights = self.trees.to_safetensors()?;
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
