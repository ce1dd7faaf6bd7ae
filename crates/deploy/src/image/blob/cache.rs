//! Compressed layers of earlier images.

use std::fs;
use std::path::PathBuf;

use cupola_store::{StagedFile, sha256_hex};

use super::compression::ImageCompression;
use super::layer::LayerKind;

/// Version of archive and compression: a change makes other bytes of the same content.
const SCHEME: &str = "2";

/// Folder of compressed layers, which may be removed at any time. Failures to read or write it only cost time.
#[derive(Debug)]
pub(in crate::image) struct LayerCache {
    /// `None` without a cache.
    folder: Option<PathBuf>,
}

/// A compressed layer.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::image) struct CompressedLayer {
    /// SHA-256 of the uncompressed archive in hexadecimal.
    pub diff_id: String,
    /// SHA-256 of the compressed bytes in hexadecimal.
    pub sha256: String,
    pub bytes: Vec<u8>,
}

impl LayerCache {
    /// Cache in a folder, which appears with the first layer.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Layer whose content has this digest. Bytes that were damaged are left out.
    pub fn read(
        &self,
        kind: LayerKind,
        compression: ImageCompression,
        content: &str,
    ) -> Option<CompressedLayer> {
        let begin = format!("layer{SCHEME}-{}-{content}-", name_of(kind)?);
        let entries = fs::read_dir(self.folder.as_ref()?).ok()?.flatten();
        entries.into_iter().find_map(|entry| {
            let name = entry.file_name();
            let digests = name.to_str()?.strip_prefix(&begin)?.strip_suffix(compression.extension())?;
            let (diff_id, sha256) = digests.split_once('-')?;
            let bytes = fs::read(entry.path()).ok()?;
            let is_whole = sha256_hex(&bytes) == sha256;
            is_whole.then(|| CompressedLayer {
                diff_id: diff_id.to_owned(),
                sha256: sha256.to_owned(),
                bytes,
            })
        })
    }

    /// Keeps a layer in place of those of its kind and compression that were kept before.
    pub fn write(
        &self,
        kind: LayerKind,
        compression: ImageCompression,
        content: &str,
        layer: &CompressedLayer,
    ) {
        let (Some(folder), Some(kind)) = (&self.folder, name_of(kind)) else { return };
        let extension = compression.extension();
        let name = format!("layer{SCHEME}-{kind}-{content}-{}-{}{extension}", layer.diff_id, layer.sha256);
        let staged = StagedFile::new(&folder.join(&name)).and_then(|mut staged| {
            staged.write_all(&layer.bytes)?;
            // The disk may take its time: a layer that a crash cut off has another digest.
            staged.commit_unsynced()
        });
        if staged.is_err() {
            return;
        }
        let is_old = |found: &str| {
            let rest = found.strip_prefix("layer").and_then(|found| found.split_once('-'));
            let is_kind = rest.is_some_and(|(_, rest)| rest.starts_with(kind));
            is_kind && found != name && found.ends_with(extension)
        };
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.file_name().to_str().is_some_and(is_old) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Name of a kind. Models are packed anew each time: they are many, and seldom packed twice.
fn name_of(kind: LayerKind) -> Option<&'static str> {
    match kind {
        LayerKind::Base => Some("base"),
        LayerKind::Program => Some("program"),
        LayerKind::Config | LayerKind::Model => None,
    }
}

#[cfg(test)]
mod tests {
    use super::ImageCompression::{Gzip, Zstd};
    use super::*;

    #[test]
    fn a_layer_is_found_by_its_content_and_never_damaged() {
        let folder = cupola_testkit::temporary();
        let cache = LayerCache::new(Some(folder.path().join("layers")));
        let layer = |text: &str| CompressedLayer {
            diff_id: sha256_hex(b"archive"),
            sha256: sha256_hex(text.as_bytes()),
            bytes: text.into(),
        };
        assert_eq!(cache.read(LayerKind::Program, Gzip, "a1"), None);
        cache.write(LayerKind::Program, Gzip, "a1", &layer("one"));
        cache.write(LayerKind::Base, Gzip, "b1", &layer("base"));
        assert_eq!(cache.read(LayerKind::Program, Gzip, "a1"), Some(layer("one")));
        assert_eq!(cache.read(LayerKind::Base, Gzip, "a1"), None);
        // The next program takes the place of the first, and of one of an older version.
        fs::write(folder.path().join("layers/layer1-program-a0.gz"), "old").unwrap();
        cache.write(LayerKind::Program, Gzip, "a2", &layer("two"));
        assert_eq!(cache.read(LayerKind::Program, Gzip, "a1"), None);
        assert_eq!(cache.read(LayerKind::Base, Gzip, "b1"), Some(layer("base")));
        assert_eq!(cupola_testkit::names(&folder.path().join("layers")).len(), 2);
        // Each compression has a layer of its own.
        assert_eq!(cache.read(LayerKind::Program, Zstd, "a2"), None);
        cache.write(LayerKind::Program, Zstd, "a2", &layer("zstd"));
        assert_eq!(cache.read(LayerKind::Program, Zstd, "a2"), Some(layer("zstd")));
        assert_eq!(cache.read(LayerKind::Program, Gzip, "a2"), Some(layer("two")));
        let (archive, two) = (sha256_hex(b"archive"), sha256_hex(b"two"));
        let path = folder.path().join(format!("layers/layer{SCHEME}-program-a2-{archive}-{two}.gz"));
        fs::write(&path, "2wo").unwrap();
        assert_eq!(cache.read(LayerKind::Program, Gzip, "a2"), None);
    }
}
