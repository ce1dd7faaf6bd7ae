//! Blobs that are encrypted at rest, in the format of age (<https://age-encryption.org/v1>).
//!
//! Where `data/recipients.txt` of the home names recipients, new blobs are written encrypted to them.
//! Reading one takes the identity file that `CUPOLA_AGE_IDENTITY` names: its bytes then stand in a
//! temporary file, of this user alone, for as long as they are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempPath;

use crate::error::Error;

/// The variable that names the file of identities.
#[cfg(feature = "age")]
const IDENTITY: &str = "CUPOLA_AGE_IDENTITY";

/// Decrypted bytes, which go when nothing reads them any more.
#[derive(Debug, Clone)]
pub(crate) struct Plain(Arc<TempPath>);

impl Plain {
    pub fn path(&self) -> PathBuf {
        self.0.to_path_buf()
    }
}

impl PartialEq for Plain {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Plain {}

/// Where the recipients of a home are named.
pub(super) fn recipients(blobs: &Path) -> PathBuf {
    blobs.parent().unwrap_or(blobs).join("recipients.txt")
}

#[cfg(feature = "age")]
mod with {
    use std::fs::File;
    use std::io::{BufReader, Read, Seek, Write};

    use age::x25519::Recipient;
    use age::{Decryptor, Encryptor, IdentityFile};

    use super::{Arc, Error, IDENTITY, Path, Plain};
    use crate::collect::io;

    fn damaged(path: &Path, why: String) -> Error {
        Error::Damaged { path: path.to_owned(), why }
    }

    /// Writes what `from` holds, encrypted to the recipients that a file names.
    pub fn encrypt(recipients: &Path, from: &mut impl Read, to: &mut File) -> Result<(), Error> {
        let text = std::fs::read_to_string(recipients).map_err(io(recipients))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let each = lines.map(|line| {
            line.parse::<Recipient>().map_err(|why| Error::Place {
                text: recipients.display().to_string(),
                why: format!("`{line}` is no recipient of age ({why}); write one `age1...` a line"),
            })
        });
        let each: Vec<Recipient> = each.collect::<Result<_, _>>()?;
        let encryptor = Encryptor::with_recipients(each.iter().map(|one| one as &dyn age::Recipient));
        let encryptor = encryptor.map_err(|error| Error::Place {
            text: recipients.display().to_string(),
            why: format!("{error}; write one `age1...` a line"),
        })?;
        let mut writer = encryptor.wrap_output(to).map_err(io(recipients))?;
        std::io::copy(from, &mut writer).map_err(io(recipients))?;
        writer.finish().and_then(Write::flush).map_err(io(recipients))
    }

    /// The bytes of an encrypted blob.
    pub fn decrypt(path: &Path) -> Result<Plain, Error> {
        let no_identity = |why: String| Error::Secret { name: IDENTITY.to_owned(), why };
        let file = std::env::var(IDENTITY).map_err(|_| {
            no_identity(
                "is not set, and the dataset is encrypted; set it to the path of an identity file of age"
                    .into(),
            )
        })?;
        let identities = IdentityFile::from_file(file)
            .map_err(|error| error.to_string())
            .and_then(|file| file.into_identities().map_err(|error| error.to_string()))
            .map_err(|error| no_identity(format!("names no readable identity file ({error}); check it")))?;
        let decryptor = Decryptor::new(BufReader::new(File::open(path).map_err(io(path))?))
            .map_err(|error| damaged(path, error.to_string()))?;
        let each = identities.iter().map(|one| &**one as &dyn age::Identity);
        let mut reader = decryptor.decrypt(each).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => {
                no_identity("names an identity that the dataset is not encrypted to; name another".into())
            }
            other => damaged(path, other.to_string()),
        })?;
        // Only this user may read it.
        let mut plain = tempfile::NamedTempFile::new().map_err(io(path))?;
        std::io::copy(&mut reader, &mut plain).map_err(|error| damaged(path, error.to_string()))?;
        plain.rewind().map_err(io(path))?;
        Ok(Plain(Arc::new(plain.into_temp_path())))
    }
}

#[cfg(not(feature = "age"))]
mod with {
    use std::fs::File;
    use std::io::Read;

    use super::{Error, Path, Plain};

    fn without(path: &Path) -> Error {
        Error::without(&format!("encryption ({})", path.display()), "age")
    }

    pub fn encrypt(recipients: &Path, _: &mut impl Read, _: &mut File) -> Result<(), Error> {
        Err(without(recipients))
    }

    pub fn decrypt(path: &Path) -> Result<Plain, Error> {
        Err(without(path))
    }
}

pub(super) use with::{decrypt, encrypt};
