//! Encryption of blobs at rest, in the age format (<https://age-encryption.org/v1>).
//!
//! If `data/recipients.txt` of the home exists, new blobs are encrypted to its recipients. A blob is
//! decrypted with the identity file in `CUPOLA_AGE_IDENTITY`, to a temporary file that only this user can
//! read and that is removed after use.

use std::path::{Path, PathBuf};

use cupola_sources::{Decrypted, Error as SourceError};

use crate::error::Error;

/// Environment variable with the path of the identity file.
#[cfg(feature = "age")]
const IDENTITY: &str = "CUPOLA_AGE_IDENTITY";

/// File with the recipients of a home, which need not exist.
pub(super) fn recipients(blobs: &Path) -> PathBuf {
    blobs.parent().unwrap_or(blobs).join("recipients.txt")
}

#[cfg(feature = "age")]
mod with {
    use std::fs::File;
    use std::io::{BufReader, Read, Seek, Write};

    use age::x25519::Recipient;
    use age::{Decryptor, Encryptor, IdentityFile};

    use super::{Decrypted, Error, IDENTITY, Path, SourceError};
    use crate::error::io_error;

    fn damaged(path: &Path, why: String) -> Error {
        Error::Damaged { path: path.to_owned(), why }
    }

    /// Encrypts `from` to the recipients listed in a file.
    pub fn encrypt(recipients: &Path, from: &mut impl Read, to: &mut File) -> Result<(), Error> {
        let text = std::fs::read_to_string(recipients).map_err(io_error(recipients))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let each = lines.map(|line| {
            line.parse::<Recipient>().map_err(|why| SourceError::Location {
                text: recipients.display().to_string(),
                why: format!("invalid age recipient `{line}`: {why}; expected one `age1...` a line"),
            })
        });
        let each: Vec<Recipient> = each.collect::<Result<_, _>>()?;
        let encryptor = Encryptor::with_recipients(each.iter().map(|one| one as &dyn age::Recipient));
        let encryptor = encryptor.map_err(|error| SourceError::Location {
            text: recipients.display().to_string(),
            why: format!("{error}; write one `age1...` a line"),
        })?;
        let mut writer = encryptor.wrap_output(to).map_err(io_error(recipients))?;
        std::io::copy(from, &mut writer).map_err(io_error(recipients))?;
        writer.finish().and_then(Write::flush).map_err(io_error(recipients))
    }

    /// Decrypts a blob to a temporary file.
    pub fn decrypt(path: &Path) -> Result<Decrypted, Error> {
        let no_identity = |why: String| Error::from(SourceError::Secret { name: IDENTITY.to_owned(), why });
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
        let decryptor = Decryptor::new(BufReader::new(File::open(path).map_err(io_error(path))?))
            .map_err(|error| damaged(path, error.to_string()))?;
        let each = identities.iter().map(|one| &**one as &dyn age::Identity);
        let mut reader = decryptor.decrypt(each).map_err(|error| match error {
            age::DecryptError::NoMatchingKeys => {
                no_identity("names an identity that the dataset is not encrypted to; name another".into())
            }
            other => damaged(path, other.to_string()),
        })?;
        // `NamedTempFile` is readable by this user only.
        let mut plain = tempfile::NamedTempFile::new().map_err(io_error(path))?;
        std::io::copy(&mut reader, &mut plain).map_err(|error| damaged(path, error.to_string()))?;
        plain.rewind().map_err(io_error(path))?;
        Ok(Decrypted::new(plain.into_temp_path()))
    }
}

#[cfg(not(feature = "age"))]
mod with {
    use std::fs::File;
    use std::io::Read;

    use super::{Decrypted, Error, Path, SourceError};

    fn without(path: &Path) -> Error {
        SourceError::without(&format!("encryption ({})", path.display()), "age").into()
    }

    pub fn encrypt(recipients: &Path, _: &mut impl Read, _: &mut File) -> Result<(), Error> {
        Err(without(recipients))
    }

    pub fn decrypt(path: &Path) -> Result<Decrypted, Error> {
        Err(without(path))
    }
}

pub(super) use with::{decrypt, encrypt};
