//! Trees in `model.safetensors`.

use crate::error::Error;
use crate::{TreeEnsemble, Trees};

impl Trees {
    /// Content of `model.safetensors`.
    ///
    /// # Errors
    /// [`Error::File`] if serialisation fails.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        self.0.to_safetensors()
    }

    /// Reads the output of [`Trees::to_safetensors`].
    ///
    /// # Errors
    /// [`Error::Format`] for trees of an older version, [`Error::File`] for other bytes.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        TreeEnsemble::from_safetensors(bytes).map(Self)
    }
}
