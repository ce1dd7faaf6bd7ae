//! Folders with an OCI image layout, to which several processes add images at once.

use std::fs;
use std::io::{BufWriter, ErrorKind, Write};
use std::path::Path;

use cupola_store::{Lock, StagedFile, create_folder, sha256_file, write_file};
use serde_json::{Map, Value, json};

use super::{BLOBS, BUFFER, INDEX_FILE, Image, LAYOUT_FILE};
use crate::image::blob::{Blob, Progress};
use crate::image::documents::{IMAGE_NAME, INDEX_TYPE, OciDescriptor, REFERENCE_NAME};
use crate::image::error::{ImageError, at, output};

/// File that writers of a layout lock, see [`Lock::folder`].
const LOCK_FILE: &str = ".lock";

/// `true` for a layout, and for a folder that may become one.
pub(super) fn is_layout(folder: &Path) -> bool {
    let is_empty = || {
        let names = fs::read_dir(folder).map(|entries| entries.flatten().map(|entry| entry.file_name()));
        names.is_ok_and(|names| names.into_iter().all(|name| name == LOCK_FILE))
    };
    folder.join(LAYOUT_FILE).is_file() || is_empty()
}

impl Image<'_> {
    /// Adds the image to a layout, in place of one of the same name. Blobs are named by their digest, so only the index
    /// needs a lock; it comes last, and names whole images only.
    pub(super) fn write_layout(&self, path: &Path, progress: Progress<'_>) -> Result<u64, ImageError> {
        let layout = serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?;
        {
            let _lock = Lock::folder(path).map_err(output)?;
            self.check_tag(path, &read_index(&path.join(INDEX_FILE))?)?;
            let file = path.join(LAYOUT_FILE);
            if !file.exists() {
                write_file(&file, &layout).map_err(output)?;
            }
        }
        let folder = path.join(BLOBS);
        create_folder(&folder).map_err(output)?;
        let mut size = layout.len() as u64;
        for (sha256, blob) in self.blobs() {
            add_blob(&folder.join(sha256), blob, progress)?;
            size += blob.size;
        }
        let _lock = Lock::folder(path).map_err(output)?;
        let file = path.join(INDEX_FILE);
        let index = read_index(&file)?;
        self.check_tag(path, &index)?;
        let index = serde_json::to_vec(&with_image(index, &self.entry)?)?;
        write_file(&file, &index).map_err(output)?;
        Ok(size + index.len() as u64)
    }

    /// Checks that no image of another name has the tag: tools that find images by their tag alone take the first one.
    fn check_tag(&self, path: &Path, index: &Map<String, Value>) -> Result<(), ImageError> {
        let new = serde_json::to_value(&self.entry)?;
        let manifests = index.get("manifests").and_then(Value::as_array);
        let is_taken = |old: &&Value| {
            let tag = &old["annotations"][REFERENCE_NAME];
            tag.is_string() && *tag == new["annotations"][REFERENCE_NAME] && !is_same_name(old, &new)
        };
        let Some(old) = manifests.into_iter().flatten().find(is_taken) else { return Ok(()) };
        let other = old["annotations"][IMAGE_NAME].as_str().unwrap_or_default().to_owned();
        Err(ImageError::Tag { path: path.to_owned(), tag: self.reference.tag().to_owned(), other })
    }
}

/// Writes a blob, unless it is there already.
fn add_blob(path: &Path, blob: &Blob<'_>, progress: Progress<'_>) -> Result<(), ImageError> {
    if sha256_file(path, drop).is_ok_and(|(sha256, _)| sha256 == blob.sha256) {
        progress(blob.size);
        return Ok(());
    }
    let mut staged = StagedFile::new(path).map_err(output)?;
    let mut out = BufWriter::with_capacity(BUFFER, staged.file_mut());
    blob.write(path, &mut out, progress)?;
    out.flush().map_err(at(path))?;
    drop(out);
    staged.commit().map_err(output)
}

/// Index of a layout, with everything that other tools wrote into it; a new one if there is none.
fn read_index(path: &Path) -> Result<Map<String, Value>, ImageError> {
    let invalid = |reason: String| ImageError::Index { path: path.to_owned(), reason };
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let fields =
                [("schemaVersion", json!(2)), ("mediaType", json!(INDEX_TYPE)), ("manifests", json!([]))];
            return Ok(fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
        }
        Err(source) => return Err(ImageError::Read { path: path.to_owned(), source }),
    };
    let index: Map<String, Value> =
        serde_json::from_slice(&bytes).map_err(|error| invalid(error.to_string()))?;
    if !index.get("manifests").is_some_and(Value::is_array) {
        return Err(invalid("`manifests` must be a list".to_owned()));
    }
    Ok(index)
}

/// Index with an image in place of that of the same name.
fn with_image(
    mut index: Map<String, Value>,
    entry: &OciDescriptor,
) -> Result<Map<String, Value>, ImageError> {
    let new = serde_json::to_value(entry)?;
    if let Some(manifests) = index.get_mut("manifests").and_then(Value::as_array_mut) {
        manifests.retain(|old| !is_same_name(old, &new));
        manifests.push(new);
    }
    Ok(index)
}

/// `true` if two entries have one name. Tools that write no name of an image know it by its tag alone.
fn is_same_name(old: &Value, new: &Value) -> bool {
    let key = if old["annotations"][IMAGE_NAME].is_string() { IMAGE_NAME } else { REFERENCE_NAME };
    old["annotations"][key] == new["annotations"][key]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageReference;
    use crate::image::documents::MANIFEST_TYPE;

    fn index_of(manifests: &Value) -> Map<String, Value> {
        serde_json::from_value(
            json!({ "schemaVersion": 2, "annotations": { "a": "b" }, "manifests": manifests }),
        )
        .unwrap()
    }

    #[test]
    fn an_image_takes_the_place_of_its_name_and_other_entries_stay() {
        let entry = |name: Option<&str>, tag: &str| {
            let mut annotations = json!({ REFERENCE_NAME: tag });
            if let Some(name) = name {
                annotations[IMAGE_NAME] = name.into();
            }
            json!({ "mediaType": "m", "digest": "sha256:old", "size": 1, "annotations": annotations })
        };
        let new = json!({ "mediaType": "m", "digest": "sha256:new", "size": 2,
            "annotations": { IMAGE_NAME: "docker.io/library/digits:1", REFERENCE_NAME: "1" } });
        let others = [
            entry(Some("docker.io/library/digits:2"), "2"),
            entry(Some("docker.io/library/diamonds:1"), "1"),
            entry(None, "2"),
            // An image without a name, as other tools write it.
            json!({ "mediaType": "m", "digest": "sha256:x", "size": 3, "urls": ["u"] }),
        ];
        let replaced = [entry(Some("docker.io/library/digits:1"), "1"), entry(None, "1")];
        let before = index_of(&Value::Array([&others[..], &replaced].concat()));
        let after = with_image(before, &serde_json::from_value(new.clone()).unwrap()).unwrap();
        let expected = index_of(&Value::Array([&others[..], &[new]].concat()));
        assert_eq!(after, expected);
    }

    #[test]
    fn a_damaged_index_is_named_and_stays() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join(INDEX_FILE);
        assert_eq!(read_index(&path).unwrap()["manifests"], json!([]));
        for text in ["", "{", "[]", "{}", "{\"manifests\": {}}"] {
            fs::write(&path, text).unwrap();
            let error = read_index(&path).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains("index.json is not"), "{error}");
        }
    }

    #[test]
    fn writers_at_once_are_all_in_the_index() {
        const WRITERS: usize = 16;
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("layout");
        std::thread::scope(|scope| {
            for writer in 0..WRITERS {
                let path = &path;
                scope.spawn(move || write(path, writer));
            }
        });
        let index = read_index(&path.join(INDEX_FILE)).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        let mut tags: Vec<&str> =
            manifests.iter().map(|entry| entry["annotations"][REFERENCE_NAME].as_str().unwrap()).collect();
        tags.sort_unstable();
        let mut expected: Vec<String> = (0..WRITERS).map(|writer| format!("v{writer}")).collect();
        expected.sort_unstable();
        assert_eq!(tags, expected);
        for entry in manifests {
            let sha256 = entry["digest"].as_str().unwrap().trim_start_matches("sha256:");
            let found = sha256_file(&path.join(BLOBS).join(sha256), drop).unwrap();
            assert_eq!((found.0.as_str(), found.1), (sha256, entry["size"].as_u64().unwrap()));
        }
        // All have one config, and a manifest each.
        assert_eq!(cupola_testkit::names(&path.join(BLOBS)).len(), WRITERS + 1);
    }

    #[test]
    fn a_tag_names_one_image_of_a_layout() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("layout");
        try_write(&path, "digits:1").unwrap();
        try_write(&path, "digits:1").unwrap();
        let before = (fs::read(path.join(INDEX_FILE)).unwrap(), cupola_testkit::names(&path.join(BLOBS)));
        let error = try_write(&path, "registry.example.org/diamonds:1").unwrap_err();
        assert!(error.is_user_error() && error.to_string().contains("docker.io/library/digits:1"), "{error}");
        assert_eq!(
            (fs::read(path.join(INDEX_FILE)).unwrap(), cupola_testkit::names(&path.join(BLOBS))),
            before
        );
        try_write(&path, "diamonds:2").unwrap();
    }

    /// Adds an image without layers to a layout.
    fn write(path: &Path, writer: usize) {
        try_write(path, &format!("digits:v{writer}")).unwrap();
    }

    fn try_write(path: &Path, name: &str) -> Result<u64, ImageError> {
        let reference = ImageReference::parse(name).unwrap();
        let manifest = Blob::document(MANIFEST_TYPE, format!("manifest {name}").into_bytes());
        let names = [(IMAGE_NAME, reference.qualified()), (REFERENCE_NAME, reference.tag().to_owned())];
        let entry = OciDescriptor {
            media_type: MANIFEST_TYPE.to_owned(),
            digest: manifest.digest(),
            size: manifest.size,
            platform: None,
            annotations: names.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        };
        let config = Blob::document("config", b"{}".to_vec());
        let image = Image { reference: &reference, manifest, entry, config, layers: Vec::new() };
        image.write_layout(path, &drop)
    }
}
