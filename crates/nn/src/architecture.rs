//! A network's architecture as a value, as `config.json` of a package holds it.

mod check;
mod decoding;
mod source;

use std::collections::BTreeMap;

use cupola_spec::{Block, Design, Head, Layer, Lora, ShapeRow, WeightSpec, trace};
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use self::source::InputSource;

/// Description of a network, which determines the shapes and names of its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Name of the family, as configured.
    pub family: String,
    /// Entrances of an example's blocks.
    pub sources: Vec<InputSource>,
    /// `true` if the vectors of several sources are stacked as tokens, `false` if they are put side by side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stacked: bool,
    /// Layers between sources and head.
    pub trunk: Vec<Layer>,
    /// Kind of the head.
    #[serde(default)]
    pub head: Head,
    /// Average over the members of an ensemble.
    #[serde(default)]
    pub average: Average,
    /// Logits of each of several targets, side by side; replaces `average` unless empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<LogitPart>,
    /// Column of the series whose mean and deviation are restored to the prediction, while all columns enter the trunk
    /// normalised (Kim et al. 2022); `None` without normalisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// Bound `c` of the logits of a `steps` head, `c * tanh(logit / c)` (Riviere et al. 2024); `None` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_softcap: Option<f64>,
    /// Range to which the logits are clipped outside of training; `None` without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logit_range: Option<[f64; 2]>,
    /// Low-rank adapters that are trained in place of the trunk; published packages have them merged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// Number of logits.
    pub output: usize,
    /// Names of modules that differ from their position, by that position.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// Average over the members of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// Mean of the outputs.
    #[default]
    Output,
    /// Logit of the mean probability of one logit.
    Sigmoid,
    /// Logarithm of the mean probabilities of all logits.
    Softmax,
}

/// Logits of one of several targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogitPart {
    /// Number of logits.
    pub width: usize,
    /// Average over the members of an ensemble.
    pub average: Average,
}

impl Architecture {
    /// Architecture of a design with `sources` side by side.
    ///
    /// # Errors
    /// [`Error::Input`], [`Error::Shape`] or [`Error::NotFlat`] if sizes and layers don't fit each other.
    pub fn new(
        family: &str,
        design: &Design,
        sources: Vec<InputSource>,
        output: usize,
        average: Average,
    ) -> Result<Self, Error> {
        Self::with_stacking(family, design, sources, false, LogitPart { width: output, average })
    }

    /// Architecture of a design with `sources` stacked as tokens or side by side.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn with_stacking(
        family: &str,
        design: &Design,
        sources: Vec<InputSource>,
        stacked: bool,
        logits: LogitPart,
    ) -> Result<Self, Error> {
        let architecture = Self {
            family: family.to_owned(),
            sources,
            stacked,
            trunk: design.layers.clone(),
            head: design.head,
            average: logits.average,
            parts: Vec::new(),
            level: None,
            logit_softcap: None,
            logit_range: None,
            lora: design.lora,
            output: logits.width,
            names: design.names.clone(),
        };
        architecture.table()?;
        Ok(architecture)
    }

    /// Number of real numbers in an example.
    pub fn dense_width(&self) -> usize {
        self.sources.iter().map(|source| source.block.dense_width()).sum()
    }

    /// Number of distinct values of each index of an example.
    pub fn index_sizes(&self) -> Vec<usize> {
        self.sources.iter().flat_map(|source| source.block.index_sizes()).collect()
    }

    /// Blocks of an example, in order.
    pub fn blocks(&self) -> Vec<Block> {
        self.sources.iter().map(|source| source.block.clone()).collect()
    }

    /// Name of the module at a position such as `trunk.4.layers.0`.
    pub fn module_name<'a>(&'a self, position: &'a str) -> &'a str {
        self.names.get(position).map_or(position, String::as_str)
    }

    /// Shape that enters the trunk, and the rows of the layers before it.
    fn trace_sources(&self) -> Result<(Vec<usize>, Vec<ShapeRow>), Error> {
        let mut rows = Vec::new();
        match self.sources.as_slice() {
            [] => Err(Error::Input { output: self.output }),
            [only] => {
                let shape = only.trace("", &mut rows)?;
                Ok((shape, rows))
            }
            many => {
                let mut shapes = Vec::with_capacity(many.len());
                for source in many {
                    shapes.push(source.trace(&source.prefix(), &mut rows)?);
                }
                Ok((joined_shape(&shapes, self.stacked)?, rows))
            }
        }
    }

    fn is_level_valid(&self) -> bool {
        match (self.level, self.sources.as_slice()) {
            (None, _) => true,
            (Some(channel), [only]) if self.head == Head::Vector && only.encoder.is_empty() => {
                matches!(only.block, Block::Series { width, .. } if channel < width)
            }
            (Some(_), _) => false,
        }
    }

    fn is_softcap_valid(&self) -> bool {
        let valid = |cap: f64| self.head == Head::Steps && cap.is_finite() && cap > 0.0;
        self.logit_softcap.is_none_or(valid)
    }

    /// Table of all layers, sources first and head last.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn table(&self) -> Result<Vec<ShapeRow>, Error> {
        let mut rows = self.rows_by_position()?;
        for row in &mut rows {
            if let Some(name) = self.names.get(&row.name) {
                row.name.clone_from(name);
            }
        }
        Ok(rows)
    }

    /// The table with every module named by its position.
    fn rows_by_position(&self) -> Result<Vec<ShapeRow>, Error> {
        let logits = self.logit_parts().iter().map(|part| part.width).sum::<usize>();
        if self.output == 0
            || logits != self.output
            || !self.is_level_valid()
            || !self.is_softcap_valid()
            || !self.is_range_valid()
            || self.sources.iter().any(|source| !source.is_valid())
        {
            return Err(Error::Input { output: self.output });
        }
        let (input, mut rows) = self.trace_sources()?;
        let trunk = trace("trunk", &input, &self.trunk)?;
        let last = trunk.last().map_or(input, |row| row.output.clone());
        rows.extend(trunk);
        let Some(contract) = self.head.contract(&last, self.output) else {
            return Err(Error::NotFlat { found: last });
        };
        if self.head != Head::Identity {
            let row = ShapeRow::new("head".to_owned(), "linear", last, contract);
            rows.push(ShapeRow { output: vec![self.output], ..row });
        }
        Ok(rows)
    }

    /// Names and shapes of all weights and running statistics in the order of the build, as the contracts of the layers
    /// state them; low-rank adapters are not among them.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn weights(&self) -> Result<Vec<(String, WeightSpec)>, Error> {
        let named = |row: ShapeRow| {
            row.weights.into_iter().map(move |weight| {
                let path = format!("{}.{}", row.name, weight.name);
                let Some((module, part)) = path.rsplit_once('.') else { return (path, weight) };
                (format!("{}.{part}", self.module_name(module)), weight)
            })
        };
        Ok(self.rows_by_position()?.into_iter().flat_map(named).collect())
    }

    /// Logits of each target.
    pub fn logit_parts(&self) -> Vec<LogitPart> {
        if self.parts.is_empty() {
            return vec![LogitPart { width: self.output, average: self.average }];
        }
        self.parts.clone()
    }

    /// Number of members that have a loss each in training; 1 for all but ensembles.
    pub fn members(&self) -> usize {
        match self.head {
            Head::Vector | Head::Steps | Head::Identity => 1,
            Head::Members => self
                .trunk
                .iter()
                .find_map(|layer| match layer {
                    Layer::Ensemble { members } => Some(*members),
                    _ => None,
                })
                .unwrap_or(1),
        }
    }

    /// Rows of logits for one example: 1, or one for each step of a sequence.
    pub fn steps(&self) -> usize {
        match (self.head, self.sources.first().map(|source| &source.block)) {
            (Head::Steps, Some(Block::Text { length, .. })) => *length,
            (Head::Steps, Some(Block::Series { steps, .. })) => *steps,
            _ => 1,
        }
    }

    /// Number of trained parameters.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn parameters(&self) -> Result<usize, Error> {
        Ok(self.table()?.iter().map(|row| row.parameters).sum())
    }
}

/// Shape of several sources' vectors side by side, or stacked as tokens.
pub(crate) fn joined_shape(shapes: &[Vec<usize>], stacked: bool) -> Result<Vec<usize>, Error> {
    let mut widths = Vec::with_capacity(shapes.len());
    for shape in shapes {
        let [width] = **shape else { return Err(Error::NotFlat { found: shape.clone() }) };
        widths.push(width);
    }
    if !stacked {
        return Ok(vec![widths.iter().sum()]);
    }
    match widths.iter().find(|width| **width != widths[0]) {
        Some(_) => Err(Error::NotFlat { found: widths }),
        None => Ok(vec![widths.len(), widths[0]]),
    }
}
