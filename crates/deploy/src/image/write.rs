//! From packages and a program to the file of an image.

use std::collections::BTreeMap;
use std::path::PathBuf;

use cupola_registry::Package;
use serde::Serialize;

use super::blob::{Blob, ImageCompression, Layer, LayerBlob, LayerCache};
use super::contents::{self, HOME, PROGRAM, SBOM, USER};
use super::documents::{
    CONFIG_TYPE, IMAGE_NAME, MANIFEST_TYPE, OciConfig, OciDescriptor, OciHealthcheck, OciHistory,
    OciManifest, OciPlatform, OciRootfs, OciRuntime, REFERENCE_NAME,
};
use super::error::ImageError;
use super::output::{Image, ImageFormat};
use super::program::{Platform, Program, ProgramFile};
use super::reference::ImageReference;
use super::serve::ImageServe;

const SECOND: u64 = 1_000_000_000;

/// Everything that decides an image, and its place.
#[derive(Debug, Clone)]
pub struct ImageRequest {
    /// Models and options of the server.
    pub serve: ImageServe,
    /// Program of the image.
    pub program: ProgramFile,
    /// Name of the image.
    pub reference: ImageReference,
    /// Archive or folder to write, see [`ImageFormat::path`].
    pub path: PathBuf,
    /// Form of the image.
    pub format: ImageFormat,
    /// Compression of the layers.
    pub compression: ImageCompression,
    /// Folder that keeps compressed layers of the program for the next image.
    pub cache: Option<PathBuf>,
}

/// An image that was written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageReport {
    /// Name of the image.
    pub image: String,
    /// Digest of the manifest, which names the image in a registry.
    pub digest: String,
    /// `linux/ARCHITECTURE`
    pub platform: String,
    /// Form of the image.
    pub format: ImageFormat,
    /// Compression of the layers.
    pub compression: ImageCompression,
    /// Archive or folder.
    pub file: PathBuf,
    /// Size of its files.
    pub bytes: u64,
    /// Layers, from the base up.
    pub layers: Vec<ImageLayerReport>,
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ImageLayerReport {
    /// `base`, `program`, `config`, or the label of a package.
    pub name: String,
    /// Digest of the blob.
    pub digest: String,
    /// Size of the blob.
    pub bytes: u64,
    /// `true` if the blob was compressed for an earlier image.
    pub cached: bool,
}

/// Writes an image. The same packages, options, program and libraries give the same digest. `progress` receives the
/// bytes that were read or written.
///
/// # Errors
/// [`ImageError`]; no image is then at the path that was not there before. A layout may keep blobs that no image names.
pub fn write_image(
    request: &ImageRequest,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<ImageReport, ImageError> {
    request.format.check(request.compression)?;
    let program = Program::open(&request.program, progress)?;
    let platform = program.platform;
    let layers = layers(request, program)?;
    let cache = LayerCache::new(request.cache.clone());
    let blob = |layer| LayerBlob::new(layer, request.compression, &cache, progress);
    let blobs = layers.iter().map(blob);
    let image = image(request, platform, blobs.collect::<Result<_, _>>()?)?;
    let bytes = image.write(request.format, &request.path, progress)?;
    let layers = image.layers.iter().map(|layer| ImageLayerReport {
        name: layer.layer.name.clone(),
        digest: layer.blob.digest(),
        bytes: layer.blob.size,
        cached: layer.cached,
    });
    Ok(ImageReport {
        image: request.reference.to_string(),
        digest: image.manifest.digest(),
        platform: platform.name(),
        format: request.format,
        compression: request.compression,
        file: request.path.clone(),
        bytes,
        layers: layers.collect(),
    })
}

/// Layers from the base up: what changes most often is on top.
fn layers(request: &ImageRequest, program: Program) -> Result<Vec<Layer>, ImageError> {
    let base = contents::base(&program, &request.program.sysroot);
    let program = contents::program(program, request.program.is_own, &base)?;
    let mut layers = vec![base, program];
    layers.extend(request.serve.config_text()?.map(|text| contents::config(&text)));
    for package in request.serve.packages() {
        layers.push(contents::model(package)?);
    }
    Ok(layers)
}

/// Documents of an image with these layers.
fn image<'a>(
    request: &'a ImageRequest,
    platform: Platform,
    layers: Vec<LayerBlob<'a>>,
) -> Result<Image<'a>, ImageError> {
    let labels = labels(request);
    let platform = OciPlatform {
        architecture: platform.architecture.to_owned(),
        os: "linux".to_owned(),
        variant: platform.variant.map(str::to_owned),
    };
    let config = config(request, platform.clone(), &layers, labels.clone());
    let config = Blob::document(CONFIG_TYPE, serde_json::to_vec(&config)?);
    let manifest = OciManifest {
        schema_version: 2,
        media_type: MANIFEST_TYPE.to_owned(),
        config: descriptor(&config),
        layers: layers.iter().map(|layer| descriptor(&layer.blob)).collect(),
        annotations: labels,
    };
    let manifest = Blob::document(MANIFEST_TYPE, serde_json::to_vec(&manifest)?);
    let names =
        [(IMAGE_NAME, request.reference.qualified()), (REFERENCE_NAME, request.reference.tag().to_owned())];
    let annotations = names.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    let entry = OciDescriptor { platform: Some(platform), annotations, ..descriptor(&manifest) };
    Ok(Image { reference: &request.reference, manifest, entry, config, layers })
}

fn config(
    request: &ImageRequest,
    platform: OciPlatform,
    layers: &[LayerBlob<'_>],
    labels: BTreeMap<String, String>,
) -> OciConfig {
    let serve = &request.serve;
    let created = created(serve.packages());
    let history = |layer: &LayerBlob<'_>| OciHistory {
        created: created.clone(),
        created_by: format!("cupola deploy image: {}", layer.layer.name),
    };
    let healthcheck = serve.health_command().map(|test| OciHealthcheck {
        test,
        interval: 10 * SECOND,
        timeout: 5 * SECOND,
        start_period: 60 * SECOND,
        retries: 3,
    });
    OciConfig {
        created: created.clone(),
        platform,
        config: OciRuntime {
            user: format!("{USER}:{USER}"),
            exposed_ports: [(format!("{}/tcp", serve.port()), BTreeMap::new())].into(),
            env: vec!["PATH=/usr/bin".to_owned(), format!("HOME={HOME}"), format!("CUPOLA_HOME={HOME}")],
            entrypoint: serve.command(),
            working_dir: HOME.to_owned(),
            labels,
            stop_signal: "SIGTERM".to_owned(),
            healthcheck,
        },
        rootfs: OciRootfs {
            kind: "layers".to_owned(),
            diff_ids: layers.iter().map(|layer| format!("sha256:{}", layer.diff_id)).collect(),
        },
        history: layers.iter().map(history).collect(),
    }
}

/// Labels of the image, and annotations of its manifest.
fn labels(request: &ImageRequest) -> BTreeMap<String, String> {
    let packages = request.serve.packages();
    let join = |text: fn(&Package) -> String| packages.iter().map(text).collect::<Vec<_>>().join(",");
    let labels = [
        ("org.opencontainers.image.title", join(|package| package.manifest.name.clone())),
        ("org.opencontainers.image.version", join(|package| package.manifest.version.to_string())),
        ("org.opencontainers.image.revision", join(|package| package.manifest.lineage.config_sha256.clone())),
        ("org.opencontainers.image.created", created(packages)),
        (
            "org.opencontainers.image.description",
            format!("Predictions of {} by {PROGRAM}", join(Package::label)),
        ),
        ("cupola.models", join(Package::label)),
        ("cupola.runs", join(|package| package.manifest.lineage.run.clone())),
        ("cupola.datasets", join(|package| package.manifest.lineage.dataset_version.clone())),
        ("cupola.provenance", join(contents::provenance_path)),
        ("cupola.sbom", SBOM.to_owned()),
    ];
    labels.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

/// Publication of the newest package: the time of packing would give each image another digest.
fn created(packages: &[Package]) -> String {
    packages.iter().map(|package| package.manifest.created.clone()).max().unwrap_or_default()
}

fn descriptor(blob: &Blob<'_>) -> OciDescriptor {
    OciDescriptor {
        media_type: blob.media_type.to_owned(),
        digest: blob.digest(),
        size: blob.size,
        platform: None,
        annotations: BTreeMap::new(),
    }
}
