//! Weights in an open safetensors file.

use std::collections::BTreeMap;
use std::io;

use safetensors::SafeTensorError;
use safetensors::tensor::{Dtype, Metadata, SafeTensors};

use super::WeightReader;
use crate::error::Error;

/// Number of values that are read at once, unless a row is longer.
const PART: usize = 1 << 18;
/// Largest header in bytes, which is the limit of the `safetensors` crate.
const HEADER_LIMIT: u64 = 100_000_000;
/// Bytes of the header's length, which stands before the header.
const PREFIX: usize = 8;

/// Bytes that can be read at any position, such as an open file.
pub trait ReadAt {
    /// Number of bytes.
    fn length(&self) -> u64;

    /// Fills `buffer` with the bytes from `offset` on.
    ///
    /// # Errors
    /// Errors of the operating system, and an end before the buffer is full.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
}

impl ReadAt for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let part = rest.and_then(|rest| rest.get(..buffer.len()));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }
}

/// An open safetensors file with its parsed header. A weight is read when it is asked for, a part at a time.
#[derive(Debug)]
pub struct SafetensorsFile<R> {
    bytes: R,
    weights: BTreeMap<String, WeightLocation>,
}

/// Shape of a weight and its position in the file.
#[derive(Debug)]
struct WeightLocation {
    shape: Vec<usize>,
    offset: u64,
    /// Number of values.
    count: usize,
}

impl<R: ReadAt> SafetensorsFile<R> {
    /// Parses the header. Its size, all shapes, types and offsets and the file's length are checked before any weight is
    /// read.
    ///
    /// # Errors
    /// [`Error::Safetensors`] for a damaged file, [`Error::Dtype`] for any type but f32, [`Error::Read`] if the file
    /// fails.
    pub fn open(bytes: R) -> Result<Self, Error> {
        let (metadata, start) = read_header(&bytes)?;
        let mut weights = BTreeMap::new();
        for (name, info) in metadata.tensors().into_iter().collect::<BTreeMap<_, _>>() {
            if info.dtype != Dtype::F32 {
                return Err(Error::Dtype { name, found: format!("{:?}", info.dtype) });
            }
            let (from, to) = info.data_offsets;
            let (offset, count) = (start + from as u64, (to - from) / size_of::<f32>());
            weights.insert(name, WeightLocation { shape: info.shape.clone(), offset, count });
        }
        Ok(Self { bytes, weights })
    }
}

impl<R: ReadAt> WeightReader for SafetensorsFile<R> {
    fn names(&self) -> Vec<&str> {
        self.weights.keys().map(String::as_str).collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.weights.get(name).map(|weight| weight.shape.as_slice())
    }

    fn visit(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<(), Error> {
        let weight = self.weights.get(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        let row = if let [_, columns] = *weight.shape { columns.max(1) } else { 1 };
        let most = ((PART / row).max(1) * row).min(weight.count);
        let (mut bytes, mut values) = (vec![0; size_of::<f32>() * most], Vec::with_capacity(most));
        let mut done = 0;
        while done < weight.count {
            let count = most.min(weight.count - done);
            let bytes = &mut bytes[..size_of::<f32>() * count];
            let offset = weight.offset + (size_of::<f32>() * done) as u64;
            self.bytes.read_exact_at(bytes, offset).map_err(read_error)?;
            values.clear();
            values.extend(bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)));
            each(&values);
            done += count;
        }
        Ok(())
    }
}

/// The checked header, and the position of the first weight.
fn read_header(bytes: &impl ReadAt) -> Result<(Metadata, u64), Error> {
    let invalid = |error: SafeTensorError| Error::Safetensors { why: error.to_string() };
    let length = bytes.length();
    let Some(rest) = length.checked_sub(PREFIX as u64) else {
        return Err(invalid(SafeTensorError::HeaderTooSmall));
    };
    let mut prefix = [0; PREFIX];
    bytes.read_exact_at(&mut prefix, 0).map_err(read_error)?;
    let size = u64::from_le_bytes(prefix);
    if size > HEADER_LIMIT {
        return Err(invalid(SafeTensorError::HeaderTooLarge));
    }
    if size > rest {
        return Err(invalid(SafeTensorError::InvalidHeaderLength));
    }
    let size = usize::try_from(size).map_err(|_| invalid(SafeTensorError::HeaderTooLarge))?;
    let mut header = vec![0; PREFIX + size];
    bytes.read_exact_at(&mut header, 0).map_err(read_error)?;
    // Parsing checks shapes, types and offsets. `read_metadata` does too, and has the better messages, but takes a whole
    // file.
    let metadata: Metadata = serde_json::from_slice(&header[PREFIX..]).map_err(|error| {
        let why = SafeTensors::read_metadata(&header).err();
        invalid(why.unwrap_or(SafeTensorError::InvalidHeaderDeserialization(error)))
    })?;
    if metadata.data_len() as u64 != rest - size as u64 {
        return Err(invalid(SafeTensorError::MetadataIncompleteBuffer));
    }
    Ok((metadata, (PREFIX + size) as u64))
}

fn read_error(error: io::Error) -> Error {
    Error::Read { why: error.to_string() }
}

#[cfg(test)]
mod tests;
