//! Types of the OCI image specification 1.0, and the health check that Docker adds to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Media type of a manifest.
pub(in crate::image) const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
/// Media type of an index.
pub(in crate::image) const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
/// Annotation with the full name of an image, as Docker and containerd write and read it.
pub(in crate::image) const IMAGE_NAME: &str = "io.containerd.image.name";
/// Annotation with the tag of an image.
pub(in crate::image) const REFERENCE_NAME: &str = "org.opencontainers.image.ref.name";
/// Media type of a config.
pub(in crate::image) const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";

/// Reference to a blob by its digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::image) struct OciDescriptor {
    pub media_type: String,
    pub digest: String,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<OciPlatform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// Platform of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::image) struct OciPlatform {
    pub architecture: String,
    pub os: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// `index.json` of an image layout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::image) struct OciIndex {
    pub schema_version: u32,
    pub media_type: String,
    pub manifests: Vec<OciDescriptor>,
}

/// Config and layers of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::image) struct OciManifest {
    pub schema_version: u32,
    pub media_type: String,
    pub config: OciDescriptor,
    pub layers: Vec<OciDescriptor>,
    pub annotations: BTreeMap<String, String>,
}

/// Process and file system of an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::image) struct OciConfig {
    pub created: String,
    #[serde(flatten)]
    pub platform: OciPlatform,
    pub config: OciRuntime,
    pub rootfs: OciRootfs,
    pub history: Vec<OciHistory>,
}

/// Process of a container.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::image) struct OciRuntime {
    pub user: String,
    pub exposed_ports: BTreeMap<String, BTreeMap<String, String>>,
    pub env: Vec<String>,
    pub entrypoint: Vec<String>,
    pub working_dir: String,
    pub labels: BTreeMap<String, String>,
    pub stop_signal: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<OciHealthcheck>,
}

/// Health check of Docker, with times in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::image) struct OciHealthcheck {
    pub test: Vec<String>,
    pub interval: u64,
    pub timeout: u64,
    pub start_period: u64,
    pub retries: u32,
}

/// Layers by the digests of their uncompressed archives.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::image) struct OciRootfs {
    #[serde(rename = "type")]
    pub kind: String,
    pub diff_ids: Vec<String>,
}

/// Origin of a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::image) struct OciHistory {
    pub created: String,
    pub created_by: String,
}
