//! `NAME`, `NAME@ALIAS`, `NAME:VERSION` or a folder.

use std::path::{Path, PathBuf};

use crate::alias::Aliases;
use crate::error::Error;
use crate::home::Home;
use crate::package::Package;

/// How a user names a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// The package an alias points at; a bare name means `latest`.
    Alias {
        /// Of the model.
        name: String,
        /// Of the alias.
        alias: String,
    },
    /// A version by number.
    Version {
        /// Of the model.
        name: String,
        /// Its number.
        version: u64,
    },
    /// A package's folder, wherever it is.
    Folder(PathBuf),
}

impl Reference {
    /// Reads a reference. Text with a `/` or a leading `.` is a folder.
    ///
    /// # Errors
    /// [`Error::Reference`].
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.contains('/') || text.starts_with('.') {
            return Ok(Self::Folder(PathBuf::from(text)));
        }
        let wrong = || Error::Reference { text: text.to_owned() };
        let plain = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        };
        let (name, found) = if let Some((name, version)) = text.split_once(':') {
            let version = version.parse().map_err(|_| wrong())?;
            (name, Self::Version { name: name.to_owned(), version })
        } else {
            let (name, alias) = text.split_once('@').unwrap_or((text, "latest"));
            if !plain(alias) {
                return Err(wrong());
            }
            (name, Self::Alias { name: name.to_owned(), alias: alias.to_owned() })
        };
        if plain(name) { Ok(found) } else { Err(wrong()) }
    }

    /// Opens the package.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest name, or what [`Package::open`] says.
    pub fn resolve(&self, home: &Home) -> Result<Package, Error> {
        let unknown = |what, name: String, known: Vec<String>| {
            let word = name.split([':', '@']).next_back().unwrap_or_default().to_owned();
            let near = cupola_spec::nearest(&word, known.iter().map(String::as_str));
            Error::Unknown {
                what,
                near: near.map_or(String::new(), |near| format!(" (near it: {near})")),
                name,
                home: home.root().to_owned(),
                list: "cupola models list",
            }
        };
        let at = |name: &str, version: u64| -> Result<Package, Error> {
            let path: PathBuf = Path::new(&home.models()).join(name).join(version.to_string());
            if path.is_dir() {
                return Package::open(&path);
            }
            Err(unknown("version", format!("{name}:{version}"), Vec::new()))
        };
        let known = |name: &str| -> Result<(), Error> {
            if home.versions(name)?.is_empty() {
                Err(unknown("model", name.to_owned(), home.model_names()?))
            } else {
                Ok(())
            }
        };
        match self {
            Self::Folder(path) => Package::open(path),
            Self::Version { name, version } => known(name).and_then(|()| at(name, *version)),
            Self::Alias { name, alias } => {
                known(name)?;
                let aliases = Aliases::read(home, name)?;
                match aliases.get(alias) {
                    Some(version) => at(name, *version),
                    None => Err(unknown("alias", format!("{name}@{alias}"), aliases.into_keys().collect())),
                }
            }
        }
    }
}
