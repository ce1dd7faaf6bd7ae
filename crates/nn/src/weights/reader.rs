//! Interface to trained weights, whether in memory or in a file.

use super::{Array, StateDict};
use crate::error::Error;

/// Trained weights by `PyTorch` name, each of which can be read at any time.
pub trait WeightReader {
    /// Names in alphabetical order.
    fn names(&self) -> Vec<&str>;

    /// Sizes of a weight's axes; `None` if there is no such weight.
    fn shape(&self, name: &str) -> Option<&[usize]>;

    /// Passes the values of a weight to `each`, part by part in row-major order. The parts of a matrix are whole rows.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no such weight, [`Error::Read`] if its file fails.
    fn visit(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<(), Error>;

    /// A copy of a weight.
    ///
    /// # Errors
    /// As [`WeightReader::visit`].
    fn read(&self, name: &str) -> Result<Array, Error> {
        let shape = self.shape(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?.to_vec();
        let mut data = Vec::with_capacity(shape.iter().product());
        self.visit(name, &mut |part| data.extend_from_slice(part))?;
        Ok(Array { shape, data })
    }

    /// A copy of a matrix `[rows, columns]` as `[columns, rows]`.
    ///
    /// # Errors
    /// As [`WeightReader::visit`], or [`Error::WeightShape`] if the weight is not a matrix.
    fn read_transposed(&self, name: &str) -> Result<Array, Error> {
        let shape = self.shape(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        let &[rows, columns] = shape else {
            let (expected, found) = (vec![0; 2], shape.to_vec());
            return Err(Error::WeightShape { name: name.to_owned(), expected, found });
        };
        let (mut data, mut row) = (vec![0.0; rows * columns], 0);
        self.visit(name, &mut |part| {
            let count = part.len() / columns.max(1);
            for column in 0..columns {
                let out = &mut data[column * rows + row..][..count];
                out.iter_mut()
                    .zip(part.chunks_exact(columns))
                    .for_each(|(out, values)| *out = values[column]);
            }
            row += count;
        })?;
        Ok(Array { shape: vec![columns, rows], data })
    }
}

impl WeightReader for StateDict {
    fn names(&self) -> Vec<&str> {
        self.names().collect()
    }

    fn shape(&self, name: &str) -> Option<&[usize]> {
        self.get(name).map(|array| array.shape.as_slice())
    }

    fn visit(&self, name: &str, each: &mut dyn FnMut(&[f32])) -> Result<(), Error> {
        each(&self.get(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?.data);
        Ok(())
    }
}
