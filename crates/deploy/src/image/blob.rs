//! Blobs of an image: documents and layers, with the digests that address them.

mod cache;
mod compression;
mod layer;

use std::io::{self, Write};
use std::path::Path;

use cupola_store::{Sha256Hasher, sha256_hex};

use self::cache::CompressedLayer;
pub(super) use self::cache::LayerCache;
use self::compression::CompressionWriter;
pub use self::compression::ImageCompression;
pub(super) use self::layer::{Layer, LayerKind, Owner};
use super::error::ImageError;

const PLAIN_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Largest layer of a model that is compressed, in bytes. Weights shrink by a tenth, at 100 MB/s and core.
const COMPRESSED_MODEL: u64 = 64 << 20;

/// Receives the number of bytes that were read or written.
pub(super) type Progress<'a> = &'a (dyn Fn(u64) + Sync);

/// A blob, whose bytes are in memory or made from their files again.
#[derive(Debug)]
pub(super) struct Blob<'a> {
    /// Media type of the content.
    pub media_type: &'static str,
    /// SHA-256 of the content in hexadecimal.
    pub sha256: String,
    /// Size of the content in bytes.
    pub size: u64,
    content: Content<'a>,
}

#[derive(Debug)]
enum Content<'a> {
    Bytes(Vec<u8>),
    Layer(&'a Layer),
}

/// A layer as a blob.
#[derive(Debug)]
pub(super) struct LayerBlob<'a> {
    /// Layer that the blob was made of.
    pub layer: &'a Layer,
    /// SHA-256 of the uncompressed archive in hexadecimal.
    pub diff_id: String,
    /// Compressed or plain archive.
    pub blob: Blob<'a>,
    /// `true` if the blob was made for an earlier image.
    pub cached: bool,
}

impl Blob<'_> {
    /// Blob of a document.
    pub fn document(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let (sha256, size) = (sha256_hex(&bytes), bytes.len() as u64);
        Self { media_type, sha256, size, content: Content::Bytes(bytes) }
    }

    /// Digest as documents name it.
    pub fn digest(&self) -> String {
        format!("sha256:{}", self.sha256)
    }

    /// Writes the content to the file at `path`, which errors name.
    ///
    /// # Errors
    /// [`ImageError::Write`]; [`ImageError::Changed`] if a file is not what it was.
    pub fn write(&self, path: &Path, out: &mut dyn Write, progress: Progress<'_>) -> Result<(), ImageError> {
        match &self.content {
            Content::Bytes(bytes) => {
                out.write_all(bytes).map_err(super::error::at(path))?;
                progress(self.size);
                Ok(())
            }
            Content::Layer(layer) => {
                let mut out = Hashing::new(out);
                layer.write_tar(path, &mut out, progress)?;
                if out.hasher.finish() == self.sha256 {
                    return Ok(());
                }
                Err(ImageError::Changed { path: layer.name.clone().into() })
            }
        }
    }
}

impl<'a> LayerBlob<'a> {
    /// Makes the blob of a layer: of the base and the program from the cache, if it was made before.
    ///
    /// # Errors
    /// [`ImageError::Read`], or an error of the digest of a file.
    pub fn new(
        layer: &'a Layer,
        compression: ImageCompression,
        cache: &LayerCache,
        progress: Progress<'_>,
    ) -> Result<Self, ImageError> {
        if layer.kind == LayerKind::Model && layer.content_size() > COMPRESSED_MODEL {
            return Self::plain(layer, progress);
        }
        let content = layer.content_digest();
        let cached = cache.read(layer.kind, compression, &content);
        let is_cached = cached.is_some();
        let compressed = cached.map_or_else(|| compress(layer, compression, progress), Ok)?;
        if !is_cached {
            cache.write(layer.kind, compression, &content, &compressed);
        }
        let CompressedLayer { diff_id, sha256, bytes } = compressed;
        let size = bytes.len() as u64;
        let media_type = compression.media_type();
        let blob = Blob { media_type, sha256, size, content: Content::Bytes(bytes) };
        Ok(Self { layer, diff_id, blob, cached: is_cached })
    }

    /// Blob that is the archive itself, which is read again when it is written.
    fn plain(layer: &'a Layer, progress: Progress<'_>) -> Result<Self, ImageError> {
        let mut archive = Hashing::new(io::sink());
        layer.write_tar(Path::new(&layer.name), &mut archive, progress)?;
        let (size, sha256) = (archive.size, archive.hasher.finish());
        let (diff_id, content) = (sha256.clone(), Content::Layer(layer));
        let blob = Blob { media_type: PLAIN_LAYER, sha256, size, content };
        Ok(Self { layer, diff_id, blob, cached: false })
    }
}

/// Compresses the archive of a layer, with both digests on the way.
fn compress(
    layer: &Layer,
    compression: ImageCompression,
    progress: Progress<'_>,
) -> Result<CompressedLayer, ImageError> {
    let path = Path::new(&layer.name);
    let mut archive = Hashing::new(CompressionWriter::new(Hashing::new(Vec::new()), compression));
    layer.write_tar(path, &mut archive, progress)?;
    let Hashing { out, hasher, .. } = archive;
    let compressed = out.finish().map_err(super::error::at(path))?;
    Ok(CompressedLayer {
        diff_id: hasher.finish(),
        sha256: compressed.hasher.finish(),
        bytes: compressed.out,
    })
}

/// Writer that computes the digest and the size of the bytes that pass.
struct Hashing<W> {
    out: W,
    hasher: Sha256Hasher,
    size: u64,
}

impl<W> Hashing<W> {
    fn new(out: W) -> Self {
        Self { out, hasher: Sha256Hasher::new(), size: 0 }
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.out.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
