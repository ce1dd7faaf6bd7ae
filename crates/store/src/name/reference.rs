//! References to stored versions: `NAME`, `NAME@ALIAS`, `NAME:VERSION` or a folder.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Name;
use crate::error::Error;
use crate::versions::version_number;

/// A reference to a package as users write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// `NAME@ALIAS`: the version that an alias points to. A bare `NAME` means `NAME@latest`.
    Alias {
        /// Name of the model.
        name: Name,
        /// Name of the alias.
        alias: Name,
    },
    /// `NAME:VERSION`.
    Version {
        /// Name of the model.
        name: Name,
        /// Version number, from 1.
        version: u64,
    },
    /// Path of a package's folder.
    Folder(PathBuf),
}

impl Reference {
    /// Parses a reference. Text with a `/` or a leading `.` is a folder.
    ///
    /// # Errors
    /// [`Error::Reference`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.contains('/') || text.starts_with('.') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let invalid = |_| Error::Reference { text: text.to_owned() };
        let (name, version) = split_version(text).map_err(invalid)?;
        if let Some(version) = version {
            return Ok(Self::Version { name: Name::new(name).map_err(invalid)?, version });
        }
        let (name, alias) = name.split_once('@').unwrap_or((name, "latest"));
        let (name, alias) = (Name::new(name).map_err(invalid)?, Name::new(alias).map_err(invalid)?);
        Ok(Self::Alias { name, alias })
    }
}

impl FromStr for Reference {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::parse(text)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alias { name, alias } => write!(f, "{name}@{alias}"),
            Self::Version { name, version } => write!(f, "{name}:{version}"),
            Self::Folder(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Splits `NAME:VERSION`; the version is `None` without a colon. Does not check the name.
///
/// # Errors
/// [`Error::Version`] for a version that [`version_number`] refuses.
pub fn split_version(text: &str) -> Result<(&str, Option<u64>), Error> {
    let Some((name, version)) = text.split_once(':') else { return Ok((text, None)) };
    let invalid = || Error::Version { name: name.to_owned(), version: version.to_owned() };
    Ok((name, Some(version_number(version).ok_or_else(invalid)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_parse_and_print() {
        for (text, printed) in
            [("m", "m@latest"), ("m@best", "m@best"), ("m:3", "m:3"), ("./m", "./m"), ("/a/b", "/a/b")]
        {
            let reference = Reference::parse(text).unwrap();
            assert_eq!(reference.to_string(), printed);
            assert_eq!(Reference::parse(printed).unwrap(), reference);
        }
        for invalid in [
            "",
            "m:x",
            "m:",
            "m@",
            "@a",
            "a b",
            "m@a:1",
            "m:1:2",
            "m:-1",
            "m:+1",
            "m:01",
            "m:0",
            "m:18446744073709551615",
        ] {
            let error = Reference::parse(invalid).unwrap_err().to_string();
            assert!(error.contains("expected NAME, NAME@ALIAS"), "{invalid:?}: {error}");
        }
    }

    #[test]
    fn a_version_is_split_from_a_name() {
        assert_eq!(split_version("rides:12").unwrap(), ("rides", Some(12)));
        assert_eq!(split_version("rides").unwrap(), ("rides", None));
        let error = split_version("rides:new").unwrap_err().to_string();
        assert_eq!(
            error,
            "invalid version `new` of `rides`: expected a number from 1 to 999999999, as in `rides:1`"
        );
    }
}
