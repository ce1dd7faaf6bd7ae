//! Compressed layers of earlier images.

use std::fs;
use std::path::PathBuf;

use cupola_store::{sha256_hex, write_file};

use super::layer::LayerKind;

/// Version of the compression: a change makes other bytes of the same content.
const SCHEME: &str = "1";

/// Folder of compressed layers, which may be removed at any time. Failures to read or write it only cost time.
#[derive(Debug)]
pub(in crate::image) struct LayerCache {
    /// `None` without a cache.
    folder: Option<PathBuf>,
}

impl LayerCache {
    /// Cache in a folder, which appears with the first layer.
    pub fn new(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// Compressed bytes of a layer with this digest of its content. Bytes that were damaged are left out.
    pub fn read(&self, kind: LayerKind, diff_id: &str) -> Option<Vec<u8>> {
        let begin = format!("{}{diff_id}-", prefix(kind)?);
        let entries = fs::read_dir(self.folder.as_ref()?).ok()?.flatten();
        entries.into_iter().find_map(|entry| {
            let name = entry.file_name();
            let sha256 = name.to_str()?.strip_prefix(&begin)?.strip_suffix(".gz")?;
            let bytes = fs::read(entry.path()).ok()?;
            (sha256_hex(&bytes) == sha256).then_some(bytes)
        })
    }

    /// Keeps the bytes of a layer in place of those of its kind that were kept before.
    pub fn write(&self, kind: LayerKind, diff_id: &str, sha256: &str, bytes: &[u8]) {
        let (Some(folder), Some(prefix)) = (&self.folder, prefix(kind)) else { return };
        let name = format!("{prefix}{diff_id}-{sha256}.gz");
        if write_file(&folder.join(&name), bytes).is_err() {
            return;
        }
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let found = entry.file_name();
            if found.to_str().is_some_and(|found| found.starts_with(&prefix) && found != name) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// Start of the file names of a kind. Models are packed anew each time: they are many, and seldom packed twice.
fn prefix(kind: LayerKind) -> Option<String> {
    let kind = match kind {
        LayerKind::Base => "base",
        LayerKind::Program => "program",
        LayerKind::Config | LayerKind::Model => return None,
    };
    Some(format!("layer{SCHEME}-{kind}-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_layer_is_found_by_its_content_and_never_damaged() {
        let folder = cupola_testkit::temporary();
        let cache = LayerCache::new(Some(folder.path().join("layers")));
        assert_eq!(cache.read(LayerKind::Program, "a1"), None);
        cache.write(LayerKind::Program, "a1", &sha256_hex(b"one"), b"one");
        cache.write(LayerKind::Base, "b1", &sha256_hex(b"base"), b"base");
        assert_eq!(cache.read(LayerKind::Program, "a1").unwrap(), b"one");
        assert_eq!(cache.read(LayerKind::Base, "a1"), None);
        // The next program takes the place of the first.
        cache.write(LayerKind::Program, "a2", &sha256_hex(b"two"), b"two");
        assert_eq!(cache.read(LayerKind::Program, "a1"), None);
        assert_eq!(cache.read(LayerKind::Base, "b1").unwrap(), b"base");
        let path = folder.path().join(format!("layers/layer1-program-a2-{}.gz", sha256_hex(b"two")));
        fs::write(&path, "2wo").unwrap();
        assert_eq!(cache.read(LayerKind::Program, "a2"), None);
    }
}
