//! Layers of an image: base, program, config and packages.

use std::path::Path;

use cupola_registry::{Manifest, Package};

use super::blob::{Layer, LayerKind, Owner};
use super::documents::{bill_of_materials, provenance};
use super::error::ImageError;
use super::program::Program;

/// User and group of the server, which distroless images have as `nonroot`.
pub(super) const USER: u64 = 65_532;
/// Path of the program.
pub(super) const PROGRAM: &str = "/usr/bin/cupola";
/// Home folder of the server. Nothing has to be written to it.
pub(super) const HOME: &str = "/var/lib/cupola";
/// Config of the server, if there is one.
pub(super) const CONFIG: &str = "/etc/cupola/serve.toml";
/// Bill of materials.
pub(super) const SBOM: &str = "/usr/share/cupola/sbom.cdx.json";

/// Certificates of authorities where Linux distributions have them.
const CERTIFICATES: [&str; 3] =
    ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt", "etc/ssl/cert.pem"];
/// Group of the home folder: `OpenShift` runs images with any user of this group.
const ROOT_GROUP: u64 = 0;

/// Folder of a package in an image.
pub(super) fn model_folder(package: &Package) -> String {
    format!("/models/{}/{}", package.manifest.name, package.manifest.version)
}

/// Path of the provenance of a package in an image.
pub(super) fn provenance_path(package: &Package) -> String {
    let manifest = &package.manifest;
    format!("/usr/share/cupola/provenance/{}-{}.json", manifest.name, manifest.version)
}

/// Layer with the loader and libraries of the program, users, certificates and empty folders.
pub(super) fn base(program: &Program, sysroot: &Path) -> Layer {
    let mut layer = Layer::new("base", LayerKind::Base);
    for library in &program.libraries {
        layer.bytes(&library.path, 0o755, library.bytes.clone());
    }
    let users = format!(
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:{USER}:{USER}:nonroot:{HOME}:/sbin/nologin\n"
    );
    layer.bytes("etc/passwd", 0o644, users);
    layer.bytes("etc/group", 0o644, format!("root:x:0:\nnonroot:x:{USER}:\n"));
    layer.bytes("etc/nsswitch.conf", 0o644, "hosts: files dns\n");
    let certificates = CERTIFICATES.iter().find_map(|path| std::fs::read(sysroot.join(path)).ok());
    if let Some(bytes) = certificates {
        layer.bytes(CERTIFICATES[0], 0o644, bytes);
    }
    layer.folder("tmp", 0o1777, Owner::default());
    // With the set-group-ID bit the files of the server belong to the group.
    layer.folder(inner(HOME), 0o2770, Owner { user: USER, group: ROOT_GROUP });
    layer
}

/// Layer with the program and its bill of materials.
///
/// # Errors
/// [`ImageError::Json`].
pub(super) fn program(program: Program, is_own: bool, base: &Layer) -> Result<Layer, ImageError> {
    let mut layer = Layer::new("program", LayerKind::Program);
    layer.bytes(inner(SBOM), 0o644, bill_of_materials(&program, is_own, base)?);
    layer.hashed_bytes(inner(PROGRAM), 0o755, program.bytes, program.sha256);
    Ok(layer)
}

/// Layer with the config of the server.
pub(super) fn config(text: &str) -> Layer {
    let mut layer = Layer::new("config", LayerKind::Config);
    layer.bytes(inner(CONFIG), 0o644, text);
    layer
}

/// Layer with a package, as files that a server maps, and its provenance.
///
/// # Errors
/// [`ImageError::Read`], [`ImageError::Json`].
pub(super) fn model(package: &Package) -> Result<Layer, ImageError> {
    let mut layer = Layer::new(package.label(), LayerKind::Model);
    let folder = model_folder(package);
    for (name, sha256) in &package.manifest.files {
        layer.file(inner(&format!("{folder}/{name}")), 0o644, &package.path.join(name), sha256)?;
    }
    // The manifest has the digests of all other files; its signature is beside it.
    for (name, required) in [("manifest.json", true), ("manifest.json.minisig", false)] {
        let path = package.path.join(name);
        match std::fs::read(&path) {
            Ok(bytes) if required && !is_manifest(&bytes, package) => {
                return Err(ImageError::Changed { path });
            }
            Ok(bytes) => layer.bytes(inner(&format!("{folder}/{name}")), 0o644, bytes),
            Err(source) if required => return Err(ImageError::Read { path, source }),
            Err(_) => {}
        }
    }
    layer.bytes(inner(&provenance_path(package)), 0o644, provenance(package)?);
    Ok(layer)
}

/// `true` if the bytes are the manifest that the package was opened with.
fn is_manifest(bytes: &[u8], package: &Package) -> bool {
    serde_json::from_slice::<Manifest>(bytes).is_ok_and(|manifest| manifest == package.manifest)
}

/// Path in an archive.
fn inner(path: &str) -> &str {
    path.trim_start_matches('/')
}
