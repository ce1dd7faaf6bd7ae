//! Pseudonyms of values that must not be recorded.

use std::io::Write as _;
use std::path::Path;

use cupola_store::{Error as StoreError, Sha256Hasher, create_file, read_limited};

/// Bytes of a block of SHA-256.
const BLOCK: usize = 64;
/// Bytes of a pseudonym.
const PSEUDONYM: usize = 16;

/// Source of pseudonyms: HMAC-SHA256 (RFC 2104) of the value with a secret key. Equal values have equal pseudonyms; without
/// the key nobody can find the value by trying.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
}

impl std::fmt::Debug for Pseudonyms {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pseudonyms")
    }
}

impl Pseudonyms {
    /// Pseudonyms by a key.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Pseudonyms by the key of a file, which is created with a random key if it is missing.
    ///
    /// # Errors
    /// [`StoreError::Io`] if the file cannot be read or written, [`StoreError::Damaged`] if it holds something else.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut key = [0; 32];
        if path.exists() {
            let bytes = read_limited(path, 2 * BLOCK as u64)?;
            let text = String::from_utf8_lossy(&bytes);
            let wrong = || StoreError::Damaged {
                path: path.to_owned(),
                reason: "expected 64 hexadecimal digits".to_owned(),
            };
            const_hex::decode_to_slice(text.trim(), &mut key).map_err(|_| wrong())?;
            return Ok(Self { key });
        }
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        getrandom::fill(&mut key).map_err(|error| io(std::io::Error::other(error)))?;
        let mut file = create_file(path)?;
        writeln!(file, "{}", const_hex::encode(key)).and_then(|()| file.sync_all()).map_err(io)?;
        Ok(Self { key })
    }

    /// Pseudonym of a value: 32 hexadecimal digits.
    pub fn of(&self, value: &str) -> String {
        let mut digest = hmac_sha256(&self.key, value.as_bytes());
        digest.truncate(2 * PSEUDONYM);
        digest
    }
}

/// HMAC-SHA256 in hexadecimal, for keys of at most a block.
fn hmac_sha256(key: &[u8], message: &[u8]) -> String {
    let padded = |pad: u8| {
        let mut block = [pad; BLOCK];
        block.iter_mut().zip(key).for_each(|(own, key)| *own ^= key);
        let mut hasher = Sha256Hasher::new();
        hasher.update(&block);
        hasher
    };
    let mut inner = padded(0x36);
    inner.update(message);
    let mut outer = padded(0x5c);
    outer.update(&const_hex::decode(inner.finish()).unwrap_or_default());
    outer.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_rfc_4231() {
        let cases: [(&[u8], &[u8], &str); 2] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (
                b"Jefe",
                b"what do ya want for nothing?",
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
        ];
        for (key, message, expected) in cases {
            assert_eq!(hmac_sha256(key, message), expected);
        }
    }

    #[test]
    fn a_key_is_created_once_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log.key");
        let first = Pseudonyms::open(&path).unwrap().of("ada@example.org");
        assert_eq!(Pseudonyms::open(&path).unwrap().of("ada@example.org"), first);
        assert_eq!(first.len(), 32);
        std::fs::write(&path, "rubbish").unwrap();
        assert!(Pseudonyms::open(&path).is_err());
    }
}
