//! SHA-256 digests of bytes, files and streams, in lower-case hexadecimal.

mod verified;

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::error::{Error, at};

pub use verified::VerifiedFile;

/// SHA-256 of a stream that arrives in parts. Implements [`Write`], so that [`std::io::copy`] can
/// feed it.
#[derive(Debug, Clone, Default)]
pub struct Sha256Hasher {
    inner: Sha256,
}

impl Sha256Hasher {
    /// Creates a hasher of an empty stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes to the stream.
    pub fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    /// Appends a text preceded by its length, so that `["ab", "c"]` and `["a", "bc"]` differ.
    pub fn update_text(&mut self, text: &str) {
        self.update(&(text.len() as u64).to_le_bytes());
        self.update(text.as_bytes());
    }

    /// Digest of the whole stream in lower-case hexadecimal.
    pub fn finish(self) -> String {
        hex(&self.inner.finalize())
    }
}

impl Write for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Lower-case hexadecimal text of bytes.
pub fn hex(bytes: &[u8]) -> String {
    const_hex::encode(bytes)
}

/// SHA-256 of bytes in lower-case hexadecimal.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// SHA-256 of texts in hexadecimal. Each text is preceded by its length, so that their borders count.
pub fn digest_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256Hasher::new();
    texts.into_iter().for_each(|text| hasher.update_text(text));
    hasher.finish()
}

/// SHA-256 and length of a file. `progress` receives the size of each part that was read.
///
/// # Errors
/// [`Error::Io`].
pub fn sha256_file(path: &Path, mut progress: impl FnMut(u64)) -> Result<(String, u64), Error> {
    let mut file = File::open(path).map_err(at(path))?;
    let (mut hasher, mut length, mut buffer) = (Sha256Hasher::new(), 0, vec![0; 1 << 18]);
    loop {
        let count = file.read(&mut buffer).map_err(at(path))?;
        if count == 0 {
            return Ok((hasher.finish(), length));
        }
        hasher.update(&buffer[..count]);
        length += count as u64;
        progress(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_file_in_parts_has_the_digest_of_its_bytes() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("abc");
        std::fs::write(&path, "abc").unwrap();
        let mut seen = 0;
        assert_eq!(sha256_file(&path, |count| seen += count).unwrap(), (ABC.to_owned(), 3));
        assert_eq!(seen, 3);
        assert_eq!(sha256_hex(b"abc"), ABC);
        let mut hasher = Sha256Hasher::new();
        hasher.write_all(b"a").unwrap();
        hasher.update(b"bc");
        assert_eq!(hasher.finish(), ABC);
        assert!(sha256_file(&folder.path().join("none"), drop).is_err());
    }

    #[test]
    fn texts_do_not_run_into_each_other() {
        assert_ne!(digest_texts(["ab", "c"]), digest_texts(["a", "bc"]));
    }
}
