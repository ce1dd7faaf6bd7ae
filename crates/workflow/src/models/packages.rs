//! Published packages: aliases and verification.

use cupola_registry::{Aliases, Home, Package};

use crate::error::Error;

/// Move of an alias.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AliasChange {
    /// Version before; `None` for a new alias.
    pub before: Option<u64>,
    /// Version now.
    pub version: u64,
}

/// Points an alias at a version. With `expected` only if it points there now; `Some(None)` expects that
/// the alias does not exist yet. With `force` also at a version that broke its gate.
///
/// # Errors
/// Unknown models and versions; an alias that is elsewhere; a version that broke its gate.
pub fn set_alias(
    home: &Home,
    name: &str,
    alias: &str,
    version: u64,
    expected: Option<Option<u64>>,
    force: bool,
) -> Result<AliasChange, Error> {
    // Reports an unknown model before the aliases are read.
    home.package(&format!("{name}:{version}"))?;
    let set = if force { Aliases::force } else { Aliases::set };
    let before = set(home, name, alias, version, expected)?;
    Ok(AliasChange { before, version })
}

/// Points an alias back at its previous version. With `force` also at one that broke its gate.
///
/// # Errors
/// Unknown models and aliases; an alias that was never moved; a version that broke its gate.
pub fn roll_back_alias(home: &Home, name: &str, alias: &str, force: bool) -> Result<AliasChange, Error> {
    let (before, version) = Aliases::roll_back(home, name, alias, force)?;
    Ok(AliasChange { before: Some(before), version })
}

/// Checks every file's digest, and the signature if there are trusted keys. Without a model all packages
/// are checked; `verified` receives each that passes.
///
/// # Errors
/// The first package that is damaged, in the place of another one, or signed by none of `trusted`.
pub fn verify_packages(
    home: &Home,
    model: Option<&str>,
    trusted: &[String],
    verified: &mut dyn FnMut(&Package),
) -> Result<Vec<Package>, Error> {
    let packages = match model {
        Some(model) => vec![home.package(model)?],
        None => all(home)?,
    };
    for package in &packages {
        package.verify()?;
        if !trusted.is_empty() {
            package.verify_signature(trusted)?;
        }
        verified(package);
    }
    Ok(packages)
}

fn all(home: &Home) -> Result<Vec<Package>, Error> {
    let mut packages = Vec::new();
    for name in home.model_names()? {
        for version in home.versions(&name)? {
            packages.push(home.version(&name, version)?);
        }
    }
    Ok(packages)
}
