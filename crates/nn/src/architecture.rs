//! An architecture as a value: what `config.json` of a package holds.

use cupola_spec::{Layer, ShapeRow, trace};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Everything that the shapes and names of the weights follow from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Family name as configured.
    pub family: String,
    /// Shape of the dense part of one example: `[width]` or `[channels, height, width]`.
    pub input: Vec<usize>,
    /// `[values, width]` of each embedding; their outputs follow the dense part.
    pub embeddings: Vec<[usize; 2]>,
    /// The trunk.
    pub trunk: Vec<Layer>,
    /// Width of the head.
    pub output: usize,
}

impl Architecture {
    /// An architecture whose embeddings have `min(32, ceil(1.6 n^0.56))` dimensions for `n` values
    /// (the rule of fastai's tabular learner, with a lower cap).
    ///
    /// # Errors
    /// A layer that does not fit, a trunk that does not end flat.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn new(
        family: &str,
        input: &[usize],
        indices: &[usize],
        trunk: Vec<Layer>,
        output: usize,
    ) -> Result<Self, Error> {
        let width = |n: usize| ((1.6 * (n as f64).powf(0.56)).ceil() as usize).min(32);
        let embeddings = indices.iter().map(|&n| [n, width(n)]).collect();
        let architecture =
            Self { family: family.to_owned(), input: input.to_vec(), embeddings, trunk, output };
        architecture.table()?;
        Ok(architecture)
    }

    /// Shape that enters the trunk.
    pub fn trunk_input(&self) -> Vec<usize> {
        let embedded: usize = self.embeddings.iter().map(|[_, width]| width).sum();
        match self.input.as_slice() {
            [dense] => vec![dense + embedded],
            image => image.to_vec(),
        }
    }

    /// One row for each layer, embeddings first and head last.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn table(&self) -> Result<Vec<ShapeRow>, Error> {
        let mut rows: Vec<ShapeRow> = Vec::new();
        for (index, &[values, width]) in self.embeddings.iter().enumerate() {
            rows.push(ShapeRow {
                name: format!("embeddings.{index}"),
                kind: "embedding",
                input: vec![1],
                output: vec![width],
                parameters: values * width,
            });
        }
        if !matches!(self.input.len(), 1 | 3) || self.input.contains(&0) || self.output == 0 {
            return Err(Error::Input { found: self.input.clone(), output: self.output });
        }
        let input = self.trunk_input();
        let trunk = trace("trunk", &input, &self.trunk)?;
        let last = trunk.last().map_or(input, |row| row.output.clone());
        rows.extend(trunk);
        let [width] = *last else { return Err(Error::NotFlat { found: last }) };
        rows.push(ShapeRow {
            name: "head".to_owned(),
            kind: "linear",
            input: vec![width],
            output: vec![self.output],
            parameters: (width + 1) * self.output,
        });
        Ok(rows)
    }

    /// Number of trained values.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn parameters(&self) -> Result<usize, Error> {
        Ok(self.table()?.iter().map(|row| row.parameters).sum())
    }
}
