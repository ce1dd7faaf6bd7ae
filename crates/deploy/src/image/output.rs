//! Files of an image: an archive, which appears whole or not at all, or a folder, to which the image is added.

mod layout;

use std::collections::BTreeMap;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use cupola_store::StagedFile;
use serde::Serialize;
use serde_json::json;
use tar::{EntryType, Header};

use super::blob::{Blob, ImageCompression, LayerBlob, Progress};
use super::documents::{INDEX_TYPE, OciDescriptor, OciIndex};
use super::error::{ImageError, at, output};
use super::reference::ImageReference;

const LAYOUT_FILE: &str = "oci-layout";
const INDEX_FILE: &str = "index.json";
const BLOBS: &str = "blobs/sha256";
/// Size of a block of a tar archive.
const BLOCK: usize = 512;
const BUFFER: usize = 1 << 18;
/// Most symbolic links that are followed to a file, as Linux does.
const LINK_LIMIT: usize = 40;

/// Form of an image on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageFormat {
    /// An archive that Docker, Podman, containerd and skopeo load.
    OciArchive,
    /// An archive as older versions of Docker save it.
    DockerArchive,
    /// A folder with the layout of the OCI image specification.
    Oci,
}

/// An image before it is written.
pub(super) struct Image<'a> {
    pub reference: &'a ImageReference,
    pub manifest: Blob<'a>,
    /// Entry of the manifest in the index.
    pub entry: OciDescriptor,
    pub config: Blob<'a>,
    pub layers: Vec<LayerBlob<'a>>,
}

impl ImageFormat {
    /// Name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::OciArchive => "oci-archive",
            Self::DockerArchive => "docker-archive",
            Self::Oci => "oci",
        }
    }

    /// Path of an image: as given, in the given folder, or in the current one.
    ///
    /// # Errors
    /// [`ImageError::Occupied`] if something else than an image would be replaced.
    pub fn path(self, out: Option<&Path>, reference: &ImageReference) -> Result<PathBuf, ImageError> {
        let stem = reference.file_stem();
        if self == Self::Oci {
            let path = out.map_or_else(|| PathBuf::from(stem), Path::to_owned);
            return if !path.exists() || layout::is_layout(&path) {
                Ok(path)
            } else {
                Err(ImageError::Occupied { path, expected: "an image layout" })
            };
        }
        let name = format!("{stem}.tar");
        let path = match out {
            None => PathBuf::from(name),
            Some(folder) if folder.is_dir() => folder.join(name),
            Some(file) => file.to_owned(),
        };
        if path.exists() && !path.is_file() {
            return Err(ImageError::Occupied { path, expected: "a file" });
        }
        Ok(path)
    }

    /// Checks that those who read this form know a compression.
    pub(super) fn check(self, compression: ImageCompression) -> Result<(), ImageError> {
        match (self, compression) {
            (Self::DockerArchive, ImageCompression::Zstd) => Err(ImageError::Compression),
            _ => Ok(()),
        }
    }
}

impl Image<'_> {
    /// Writes the image, to the target of a symbolic link if there is one, and returns the size of its files.
    ///
    /// # Errors
    /// [`ImageError::Write`], or an error of a file that is read again; the old image is then still there.
    pub fn write(&self, format: ImageFormat, path: &Path, progress: Progress<'_>) -> Result<u64, ImageError> {
        let path = follow_links(path)?;
        match format {
            ImageFormat::Oci => self.write_layout(&path, progress),
            ImageFormat::OciArchive | ImageFormat::DockerArchive => {
                self.write_archive(format, &path, progress)
            }
        }
    }

    /// Blobs by their digest: layers with equal content are one.
    fn blobs(&self) -> BTreeMap<&str, &Blob<'_>> {
        let layers = self.layers.iter().map(|layer| &layer.blob);
        layers.chain([&self.config, &self.manifest]).map(|blob| (blob.sha256.as_str(), blob)).collect()
    }

    fn write_archive(
        &self,
        format: ImageFormat,
        path: &Path,
        progress: Progress<'_>,
    ) -> Result<u64, ImageError> {
        let mut staged = StagedFile::new(path).map_err(output)?;
        let mut out = BufWriter::with_capacity(BUFFER, staged.file_mut());
        for folder in ["blobs/", "blobs/sha256/"] {
            out.write_all(&header(folder, EntryType::Directory, 0).map_err(at(path))?).map_err(at(path))?;
        }
        for (sha256, blob) in self.blobs() {
            let header = header(&format!("{BLOBS}/{sha256}"), EntryType::Regular, blob.size);
            out.write_all(&header.map_err(at(path))?).map_err(at(path))?;
            blob.write(path, &mut out, progress)?;
            out.write_all(padding(blob.size)).map_err(at(path))?;
        }
        for (name, bytes) in self.top_files(format)? {
            let size = bytes.len() as u64;
            let header = header(name, EntryType::Regular, size).map_err(at(path))?;
            for part in [header.as_slice(), &bytes, padding(size)] {
                out.write_all(part).map_err(at(path))?;
            }
        }
        out.write_all(&[0; 2 * BLOCK]).and_then(|()| out.flush()).map_err(at(path))?;
        drop(out);
        let size = staged.file_mut().metadata().map_err(at(path))?.len();
        staged.commit().map_err(output)?;
        Ok(size)
    }

    /// Names and contents of the files beside the blobs of an archive, sorted.
    fn top_files(&self, format: ImageFormat) -> Result<Vec<(&'static str, Vec<u8>)>, ImageError> {
        let index = OciIndex {
            schema_version: 2,
            media_type: INDEX_TYPE.to_owned(),
            manifests: vec![self.entry.clone()],
        };
        let index = (INDEX_FILE, serde_json::to_vec(&index)?);
        let layout = (LAYOUT_FILE, serde_json::to_vec(&json!({ "imageLayoutVersion": "1.0.0" }))?);
        let path = |blob: &Blob<'_>| format!("{BLOBS}/{}", blob.sha256);
        let layers: Vec<String> = self.layers.iter().map(|layer| path(&layer.blob)).collect();
        let docker = json!([{
            "Config": path(&self.config),
            "RepoTags": [self.reference.to_string()],
            "Layers": layers,
        }]);
        // Docker before version 25 reads this file only.
        let docker = ("manifest.json", serde_json::to_vec(&docker)?);
        Ok(if format == ImageFormat::DockerArchive { vec![docker] } else { vec![index, docker, layout] })
    }
}

/// Path of the file that is written in place of a symbolic link, which stays. It need not exist.
fn follow_links(path: &Path) -> Result<PathBuf, ImageError> {
    let mut found = path.to_owned();
    for _ in 0..LINK_LIMIT {
        if !found.is_symlink() {
            return Ok(found);
        }
        let target = found.read_link().map_err(at(path))?;
        found = found.parent().unwrap_or(Path::new("")).join(target);
    }
    Err(at(path)(std::io::Error::other("too many symbolic links")))
}

/// Header of an entry from 1970 that everybody may read.
fn header(path: &str, kind: EntryType, size: u64) -> std::io::Result<[u8; BLOCK]> {
    let mut header = Header::new_ustar();
    header.set_path(path)?;
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(*header.as_bytes())
}

/// Zeros up to the next block.
fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let rest = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    &ZEROS[..(BLOCK - rest) % BLOCK]
}
