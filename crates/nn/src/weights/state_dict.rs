//! Named arrays on the host, and their safetensors form.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, View};

use crate::error::Error;

/// A weight in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Sizes of the axes, slowest first.
    pub shape: Vec<usize>,
    /// All values.
    pub data: Vec<f32>,
}

/// Weights by `PyTorch` name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StateDict(BTreeMap<String, Array>);

impl StateDict {
    /// Adds or replaces a weight.
    pub fn insert(&mut self, name: String, array: Array) {
        self.0.insert(name, array);
    }

    /// Removes a weight.
    pub fn remove(&mut self, name: &str) -> Option<Array> {
        self.0.remove(name)
    }

    /// Renames every weight.
    #[must_use]
    pub fn renamed(self, name: impl Fn(&str) -> String) -> Self {
        Self(self.0.into_iter().map(|(old, array)| (name(&old), array)).collect())
    }

    /// Adds or replaces all weights of `other`.
    pub fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// A weight by name.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.0.get(name)
    }

    /// Names in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// `true` if every value is finite.
    pub fn is_finite(&self) -> bool {
        self.0.values().all(|array| array.data.iter().all(|x| x.is_finite()))
    }

    /// Serialises to a file that `safetensors.torch.load_file` reads; its metadata has `format` `pt`.
    ///
    /// # Errors
    /// [`Error::Safetensors`] if the header can't be written.
    pub fn to_safetensors(&self) -> Result<Vec<u8>, Error> {
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        let views = self.0.iter().map(|(name, array)| (name.as_str(), ArrayView(array)));
        safetensors::serialize(views, Some(metadata)).map_err(|e| Error::Safetensors { why: e.to_string() })
    }

    /// Parses a file; header size, offsets and types are checked before anything is copied.
    ///
    /// # Errors
    /// [`Error::Safetensors`] for a damaged file, [`Error::Dtype`] for any type but f32.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Safetensors { why: e.to_string() })?;
        let mut arrays = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(Error::Dtype { name: name.to_owned(), found: format!("{:?}", view.dtype()) });
            }
            let data = view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            arrays.insert(name.to_owned(), Array { shape: view.shape().to_vec(), data });
        }
        Ok(Self(arrays))
    }

    /// Parses a file as [`StateDict::from_safetensors`] does, but makes f32 of f16, bf16 and f64, and skips integers and
    /// booleans.
    ///
    /// # Errors
    /// [`Error::Safetensors`] for a damaged file, [`Error::Dtype`] for floats of fewer bits.
    pub fn from_any_floats(bytes: &[u8]) -> Result<Self, Error> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| Error::Safetensors { why: e.to_string() })?;
        let mut arrays = BTreeMap::new();
        for (name, view) in file.iter() {
            let halves = || view.data().as_chunks::<2>().0.iter().copied();
            let data = match view.dtype() {
                Dtype::F32 => view.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
                Dtype::F16 => halves().map(|b| f16::from_le_bytes(b).to_f32()).collect(),
                Dtype::BF16 => halves().map(|b| bf16::from_le_bytes(b).to_f32()).collect(),
                Dtype::F64 => doubles(view.data()),
                Dtype::BOOL
                | Dtype::U8
                | Dtype::I8
                | Dtype::U16
                | Dtype::I16
                | Dtype::U32
                | Dtype::I32
                | Dtype::U64
                | Dtype::I64 => continue,
                other => return Err(Error::Dtype { name: name.to_owned(), found: format!("{other:?}") }),
            };
            arrays.insert(name.to_owned(), Array { shape: view.shape().to_vec(), data });
        }
        Ok(Self(arrays))
    }
}

#[allow(clippy::cast_possible_truncation, reason = "weights are computed with in single precision")]
fn doubles(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b) as f32).collect()
}

struct ArrayView<'a>(&'a Array);

impl View for ArrayView<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.0.data.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        4 * self.0.data.len()
    }
}

#[cfg(test)]
mod tests;
