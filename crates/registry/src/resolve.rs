//! Finding the package that a reference points to.

use std::path::Path;

use cupola_spec::did_you_mean;
use cupola_store::Reference;

use crate::alias::Aliases;
use crate::error::Error;
use crate::home::Home;
use crate::package::Package;

impl Home {
    /// Opens the package of `NAME`, `NAME@ALIAS`, `NAME:VERSION` or a folder.
    ///
    /// # Errors
    /// As [`Reference::parse`] and [`Self::resolve`].
    pub fn package(&self, reference: &str) -> Result<Package, Error> {
        self.resolve(&Reference::parse(reference)?)
    }

    /// Opens the package of a reference.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the most similar name, or an error of [`Package::open`].
    pub fn resolve(&self, reference: &Reference) -> Result<Package, Error> {
        match reference {
            Reference::Folder(path) => {
                let package = Package::open(path)?;
                // A folder elsewhere may have any name. One of this home is the place of a version.
                if let Some((name, version)) = self.place_of(path) {
                    package.check_place(&name, version)?;
                }
                Ok(package)
            }
            Reference::Version { name, version } => {
                self.require_model(name)?;
                self.version(name, *version)
            }
            Reference::Alias { name, alias } => {
                let aliases = Aliases::read(self, name)?;
                // In an object store an alias needs no listing to be found.
                if self.remote().is_none() || !aliases.contains_key(alias.as_str()) {
                    self.require_model(name)?;
                }
                let Some(version) = aliases.get(alias.as_str()) else {
                    if let (true, Some(version)) =
                        (alias.as_str() == "latest", self.versions(name)?.last().copied())
                    {
                        let (name, home) = (name.to_string(), self.location());
                        return Err(Error::NoLatest { name, home, version });
                    }
                    let hint = did_you_mean(alias, aliases.keys().map(String::as_str));
                    return Err(self.unknown("alias", format!("{name}@{alias}"), hint));
                };
                self.version(name, *version)
            }
        }
    }

    /// Name and version that a folder of this home stands for; `None` for any other folder.
    fn place_of(&self, path: &Path) -> Option<(String, u64)> {
        let (models, path) = (self.models().canonicalize().ok()?, path.canonicalize().ok()?);
        let mut parts = path.strip_prefix(models).ok()?.iter();
        let (name, version) = (parts.next()?.to_str()?, parts.next()?.to_str()?.parse().ok()?);
        parts.next().is_none().then(|| (name.to_owned(), version))
    }

    /// Opens a version of a model, and checks that it is the one that its folder stands for.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Misplaced`], or an error of [`Package::open`].
    pub fn version(&self, name: &str, version: u64) -> Result<Package, Error> {
        let path = self.models().join(name).join(version.to_string());
        self.fetch_version(name, version)?;
        if path.is_dir() {
            let package = Package::open(&path)?;
            package.check_place(name, version)?;
            return Ok(package);
        }
        Err(self.unknown("version", format!("{name}:{version}"), String::new()))
    }

    fn require_model(&self, name: &str) -> Result<(), Error> {
        if !self.versions(name)?.is_empty() {
            return Ok(());
        }
        self.refresh_model(name)?;
        if !self.versions(name)?.is_empty() {
            return Ok(());
        }
        let known = self.model_names()?;
        let hint = did_you_mean(name, known.iter().map(String::as_str));
        Err(self.unknown("model", name.to_owned(), hint))
    }

    pub(crate) fn unknown(&self, what: &'static str, name: String, hint: String) -> Error {
        if let Some(remote) = self.remote().filter(|remote| !remote.is_reachable()) {
            let why = format!("no answer, and the cache has no {what} `{name}`; check the network");
            let location = remote.url().to_owned();
            return cupola_store::Error::Remote { location, why, transient: true }.into();
        }
        Error::Unknown { what, name, home: self.location(), hint, list: "cupola models list" }
    }
}
