//! Trees of `XGBoost` and `LightGBM`.
//!
//! Each library has a reader that makes a [`ForeignModel`]: columns, trees with the indices of the file in order, and
//! the meaning of their sum. [`convert`] puts the columns into the places of an example.

mod convert;
mod foreign;
mod lightgbm;
mod package;
mod plan;
mod xgboost;

use std::path::Path;

use cupola_registry::sha256_hex;

use self::foreign::ForeignModel;
pub use self::package::ImportedTrees;
pub use self::plan::TreeTarget;
use crate::error::{Error, refuse_pointer};

/// Reads a model that `XGBoost` saved as JSON or UBJSON.
///
/// # Errors
/// A file that can't be read or is damaged, and models that these trees don't compute.
pub fn from_xgboost(path: &Path, target: &TreeTarget) -> Result<ImportedTrees, Error> {
    ImportedTrees::from_xgboost(&read(path)?, target)
}

/// Reads a model that `LightGBM` saved as text.
///
/// # Errors
/// As [`from_xgboost`].
pub fn from_lightgbm(path: &Path, target: &TreeTarget) -> Result<ImportedTrees, Error> {
    ImportedTrees::from_lightgbm(&read(path)?, target)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let file = path.display().to_string();
    // A pipe would never end, and a device neither.
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(Error::invalid_file(&file, "it is not a regular file", "name the file of the model"));
    }
    let bytes = std::fs::read(path).map_err(|error| {
        Error::invalid_file(&file, format!("failed to read it: {error}"), "name the file of the model")
    })?;
    refuse_pointer(&file, &bytes)?;
    Ok(bytes)
}

impl ImportedTrees {
    /// Parses the bytes of an `XGBoost` file.
    ///
    /// # Errors
    /// As [`from_xgboost`], but for reading.
    pub fn from_xgboost(bytes: &[u8], target: &TreeTarget) -> Result<Self, Error> {
        Self::new(xgboost::parse(bytes)?, sha256_hex(bytes), target)
    }

    /// Parses the bytes of a `LightGBM` file.
    ///
    /// # Errors
    /// As [`from_lightgbm`], but for reading.
    pub fn from_lightgbm(bytes: &[u8], target: &TreeTarget) -> Result<Self, Error> {
        Self::new(lightgbm::parse(bytes)?, sha256_hex(bytes), target)
    }

    fn new(model: ForeignModel, digest: String, target: &TreeTarget) -> Result<Self, Error> {
        let places = convert::places(&model)?;
        let trees = convert::ensemble(&model, &places)?;
        let plan = plan::plan(&model, &places, target)?;
        Ok(Self { trees, plan, digest, library: model.library, notes: model.notes })
    }
}

#[cfg(test)]
mod tests;
