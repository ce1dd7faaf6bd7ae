//! Signatures made with minisign (Ed25519).

use std::path::Path;

use minisign_verify::{PublicKey, Signature};

use crate::disk::local::read_limited;
use crate::error::Error;

/// Largest accepted signature file in bytes.
const SIGNATURE_LIMIT: u64 = 1 << 16;

/// Checks that one of the trusted minisign public keys signed `bytes`. `path` is the signature's
/// file.
///
/// # Errors
/// [`Error::Signature`].
pub fn verify_signature(bytes: &[u8], path: &Path, trusted: &[String]) -> Result<(), Error> {
    let wrong = |reason: String| Error::Signature { path: path.to_owned(), reason };
    let text = read_limited(path, SIGNATURE_LIMIT).map_err(|_| wrong("there is no signature".to_owned()))?;
    let text = String::from_utf8(text).map_err(|error| wrong(error.to_string()))?;
    let signature = Signature::decode(&text).map_err(|error| wrong(error.to_string()))?;
    for key in trusted {
        let key = PublicKey::from_base64(key)
            .map_err(|error| wrong(format!("invalid minisign public key `{key}`: {error}")))?;
        if key.verify(bytes, &signature, false).is_ok() {
            return Ok(());
        }
    }
    Err(wrong("no trusted key made this signature".to_owned()))
}
