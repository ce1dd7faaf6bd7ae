//! An architecture as a value: what `config.json` of a package holds.

use std::collections::BTreeMap;

use cupola_spec::{Block, Design, Head, Layer, Lora, ShapeRow, WeightSpec, trace};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::source::Source;

/// Everything that the shapes and names of the weights follow from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Architecture {
    /// Family name as configured.
    pub family: String,
    /// Where the values of an example enter; several are concatenated.
    pub sources: Vec<Source>,
    /// Whether the vectors of several sources are stacked as tokens, not put side by side.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stacked: bool,
    /// The trunk.
    pub trunk: Vec<Layer>,
    /// How the head reads what the trunk gives.
    #[serde(default)]
    pub head: Head,
    /// How the members of an ensemble are averaged.
    #[serde(default)]
    pub average: Average,
    /// The same for each of several targets, whose logits stand side by side; in place of `average`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<LogitPart>,
    /// The column of the only source, a series, whose mean and deviation in the window are put back on
    /// the answer; all columns enter the trunk without theirs (Kim et al. 2022).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub level: Option<usize>,
    /// Small matrices that are trained in place of the trunk; what is published has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// Width of the head.
    pub output: usize,
    /// Names of modules that are not those of their place, by that place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, String>,
}

/// What is averaged over the members of an ensemble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Average {
    /// The outputs.
    #[default]
    Output,
    /// The probability that one logit stands for.
    Sigmoid,
    /// The probabilities that the logits stand for.
    Softmax,
}

/// The logits of one of several targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogitPart {
    /// Logits.
    pub width: usize,
    /// How the members of an ensemble are averaged.
    pub average: Average,
}

impl Architecture {
    /// The architecture of a design for what enters at `sources`, side by side.
    ///
    /// # Errors
    /// A layer that does not fit, a trunk that does not end as the head needs it.
    pub fn new(
        family: &str,
        design: &Design,
        sources: Vec<Source>,
        output: usize,
        average: Average,
    ) -> Result<Self, Error> {
        Self::of(family, design, sources, false, output, average)
    }

    /// The same, the sources `stacked` as tokens or side by side.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn of(
        family: &str,
        design: &Design,
        sources: Vec<Source>,
        stacked: bool,
        output: usize,
        average: Average,
    ) -> Result<Self, Error> {
        let architecture = Self {
            family: family.to_owned(),
            sources,
            stacked,
            trunk: design.layers.clone(),
            head: design.head,
            average,
            parts: Vec::new(),
            level: None,
            lora: design.lora,
            output,
            names: design.names.clone(),
        };
        architecture.table()?;
        Ok(architecture)
    }

    /// Real numbers in one example.
    pub fn dense_width(&self) -> usize {
        self.sources.iter().map(|source| source.block.dense_width()).sum()
    }

    /// Number of values of each index in one example.
    pub fn index_sizes(&self) -> Vec<usize> {
        self.sources.iter().flat_map(|source| source.block.index_sizes()).collect()
    }

    /// Blocks of one example, in order.
    pub fn blocks(&self) -> Vec<Block> {
        self.sources.iter().map(|source| source.block.clone()).collect()
    }

    /// The name of the module at a place such as `trunk.4.layers.0`.
    pub fn name_of<'a>(&'a self, place: &'a str) -> &'a str {
        self.names.get(place).map_or(place, String::as_str)
    }

    /// Shape that enters the trunk, and the rows of the table before it.
    fn entry(&self) -> Result<(Vec<usize>, Vec<ShapeRow>), Error> {
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
                Ok((met(&shapes, self.stacked)?, rows))
            }
        }
    }

    fn level_fits(&self) -> bool {
        match (self.level, self.sources.as_slice()) {
            (None, _) => true,
            (Some(channel), [only]) if self.head == Head::Vector && only.encoder.is_empty() => {
                matches!(only.block, Block::Series { width, .. } if channel < width)
            }
            (Some(_), _) => false,
        }
    }

    /// One row for each layer, inputs first and head last.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn table(&self) -> Result<Vec<ShapeRow>, Error> {
        let mut rows = self.rows()?;
        for row in &mut rows {
            if let Some(name) = self.names.get(&row.name) {
                row.name.clone_from(name);
            }
        }
        Ok(rows)
    }

    /// The same with every module under the name of its place.
    fn rows(&self) -> Result<Vec<ShapeRow>, Error> {
        let parts = self.logit_parts().iter().map(|part| part.width).sum::<usize>();
        if self.output == 0
            || parts != self.output
            || !self.level_fits()
            || self.sources.iter().any(|source| !source.is_sound())
        {
            return Err(Error::Input { output: self.output });
        }
        let (input, mut rows) = self.entry()?;
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

    /// Names and shapes of all weights and running statistics, in the order of the build, as the contracts
    /// of the layers state them. The adapters of a network with `lora` are not among them.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn weights(&self) -> Result<Vec<(String, WeightSpec)>, Error> {
        let named = |row: ShapeRow| {
            row.weights.into_iter().map(move |weight| {
                let place = format!("{}.{}", row.name, weight.name);
                let Some((module, part)) = place.rsplit_once('.') else { return (place, weight) };
                (format!("{}.{part}", self.name_of(module)), weight)
            })
        };
        Ok(self.rows()?.into_iter().flat_map(named).collect())
    }

    /// The logits of each target.
    pub fn logit_parts(&self) -> Vec<LogitPart> {
        if self.parts.is_empty() {
            return vec![LogitPart { width: self.output, average: self.average }];
        }
        self.parts.clone()
    }

    /// Members that each answer for themselves in training; 1 for all but ensembles.
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

    /// Logits for one example: 1, or one for each step of a sequence.
    pub fn steps(&self) -> usize {
        match (self.head, self.sources.first().map(|source| &source.block)) {
            (Head::Steps, Some(Block::Text { length, .. })) => *length,
            (Head::Steps, Some(Block::Series { steps, .. })) => *steps,
            _ => 1,
        }
    }

    /// Whether padding at the end of every text of a batch can be cut off without a change of the
    /// answers: no layer before the texts become vectors knows how long they are.
    pub fn trims(&self) -> bool {
        let text = matches!(
            self.sources.as_slice(),
            [Source { block: Block::Text { .. }, encoder, .. }] if encoder.is_empty()
        );
        text && self.head != Head::Steps && trims(&self.trunk)
    }

    /// Whether the answer at each step of a text needs only keys and values of the steps before: see
    /// [`crate::Cache`].
    pub fn caches(&self) -> bool {
        let text = matches!(
            self.sources.as_slice(),
            [Source { block: Block::Text { .. }, encoder, .. }] if encoder.is_empty()
        );
        text && self.head == Head::Steps && self.trunk.iter().all(causal)
    }

    /// Number of trained values.
    ///
    /// # Errors
    /// As [`Architecture::new`].
    pub fn parameters(&self) -> Result<usize, Error> {
        Ok(self.table()?.iter().map(|row| row.parameters).sum())
    }
}

/// The shape of several sources' vectors side by side, or stacked as tokens.
pub(crate) fn met(shapes: &[Vec<usize>], stacked: bool) -> Result<Vec<usize>, Error> {
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

/// Whether the layers up to the one vector of a text go step by step, or look at padding with a mask.
fn trims(layers: &[Layer]) -> bool {
    let before = layers.iter().take_while(|layer| !matches!(layer, Layer::Take { .. }));
    before.clone().count() < layers.len()
        && before.into_iter().all(|layer| match layer {
            Layer::Residual { layers, shortcut, .. } => layers.iter().chain(shortcut).all(step_by_step),
            layer => step_by_step(layer),
        })
}

/// Whether a step sees nothing after it, and nothing before it but by attention.
fn causal(layer: &Layer) -> bool {
    match layer {
        Layer::Attention { causal, .. } => *causal,
        Layer::Residual { layers, shortcut, .. } => layers.iter().chain(shortcut).all(causal),
        layer => step_by_step(layer),
    }
}

fn step_by_step(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Position {}
            | Layer::LayerNorm { .. }
            | Layer::RmsNorm { .. }
            | Layer::Dropout { .. }
            | Layer::Linear { .. }
            | Layer::Activation { .. }
            | Layer::Glu { .. }
            | Layer::Attention { .. }
    )
}
