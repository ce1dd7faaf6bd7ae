//! Imported trees, ready to be published.

use cupola_prep::Plan;
use cupola_registry::{Home, Package};
use cupola_trees::TreeEnsemble;
use serde_json::json;

use crate::error::Error;
use crate::package::ImportedContents;

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
        let weights = self.trees.to_safetensors()?;
        ImportedContents { config, plan: &self.plan, weights, digest: &self.digest }.publish(
            home,
            name,
            code_version,
        )
    }
}
