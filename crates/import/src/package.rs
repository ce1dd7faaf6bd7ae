//! Publication of imported models.

use cupola_prep::{Plan, Signature};
use cupola_registry::{Home, Lineage, Package, PackageContents, publish, sha256_hex};
use serde_json::Map;

use crate::error::Error;

/// Contents of the package of an imported model, of any kind.
pub(crate) struct ImportedContents<'a> {
    /// `config.json`
    pub config: Vec<u8>,
    /// `plan.json`
    pub plan: &'a Plan,
    /// `model.safetensors`
    pub weights: Vec<u8>,
    /// SHA-256 of the files that were imported.
    pub digest: &'a str,
}

impl ImportedContents<'_> {
    /// Publishes the next version of the package `name`, without metrics.
    ///
    /// # Errors
    /// [`Error::Registry`] if the package can't be written.
    pub fn publish(&self, home: &Home, name: &str, code_version: &str) -> Result<Package, Error> {
        let plan = serde_json::to_vec_pretty(self.plan)?;
        let metrics = serde_json::to_vec_pretty(&Map::new())?;
        let files: [(&str, &[u8]); 4] = [
            ("model.safetensors", &self.weights),
            ("config.json", &self.config),
            ("plan.json", &plan),
            ("metrics.json", &metrics),
        ];
        let package = PackageContents {
            name,
            files: &files,
            signature: serde_json::to_value(Signature::of(self.plan))?,
            lineage: Lineage {
                run: "imported".to_owned(),
                dataset_version: self.digest.to_owned(),
                config_sha256: sha256_hex(&self.config),
                code_version: code_version.to_owned(),
                parent: None,
            },
            metrics: Map::new(),
            keep_latest: false,
        };
        Ok(publish(home, &package)?)
    }
}
