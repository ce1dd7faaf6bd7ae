//! Documents of an image: manifest, config, bill of materials, provenance.

mod oci;
mod provenance;
mod sbom;

pub(super) use self::oci::{
    CONFIG_TYPE, IMAGE_NAME, INDEX_TYPE, MANIFEST_TYPE, OciConfig, OciDescriptor, OciHealthcheck, OciHistory,
    OciIndex, OciManifest, OciPlatform, OciRootfs, OciRuntime, REFERENCE_NAME,
};
pub(super) use self::provenance::provenance;
pub(super) use self::sbom::bill_of_materials;
