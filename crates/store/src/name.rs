//! Names of models, datasets and runs, and references to their versions.

mod reference;

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use reference::{Reference, split_version};

/// A valid name of a model, dataset, alias or run: 1 to 64 ASCII letters, digits, `_` and `-`,
/// the first of them not `-`. It is safe as a file name and as an argument.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// Checks a name.
    ///
    /// # Errors
    /// [`Error::Name`].
    pub fn new(text: &str) -> Result<Self, Error> {
        if cupola_spec::is_name(text) {
            Ok(Self(text.to_owned()))
        } else {
            Err(Error::Name { text: text.to_owned() })
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::new(text)
    }
}

impl TryFrom<String> for Name {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        if cupola_spec::is_name(&text) { Ok(Self(text)) } else { Err(Error::Name { text }) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

/// `true` if a file name of a package is safe to join to a folder: ASCII letters, digits, `.`, `_`
/// and `-`, no leading dot.
pub fn is_plain_file_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_letters_digits_underscores_and_hyphens() {
        for valid in ["m", "0", "iris-2", "_x", &"a".repeat(64)] {
            assert_eq!(Name::new(valid).unwrap().as_str(), valid);
        }
        for invalid in ["", "-m", "a.b", "a b", "../m", "a/b", "ä", "a\0", &"a".repeat(65)] {
            let error = Name::new(invalid).unwrap_err().to_string();
            assert!(error.contains("1 to 64 letters"), "{error}");
            assert!(serde_json::from_value::<Name>(invalid.into()).is_err());
        }
    }

    #[test]
    fn a_plain_file_name_has_no_path() {
        assert!(is_plain_file_name("model.safetensors"));
        for unsafe_name in ["", ".", "..", ".hidden", "a/b", "a\\b", "/etc/passwd", "a\0b"] {
            assert!(!is_plain_file_name(unsafe_name), "{unsafe_name:?}");
        }
    }
}
