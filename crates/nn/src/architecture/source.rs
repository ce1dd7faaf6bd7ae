//! Entrance of an example's blocks into a network.

use cupola_spec::{Activation, Block, Design, Embedding, Layer, LayerContract, ShapeRow, TableStem, trace};
use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Entrance of one block of an example: its embeddings and its encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InputSource {
    /// Part of the names of its weights if there are several sources.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Values that it takes.
    pub block: Block,
    /// Width of each embedding: one for each index column of a table, or one for all tokens of a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widths: Vec<usize>,
    /// Treatment of the columns of a table.
    #[serde(default)]
    pub stem: TableStem,
    /// Layers between this source and the trunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<Layer>,
}

impl InputSource {
    /// Source of a design's only block. An index column of a table with `n` values gets an embedding of
    /// `min(32, ceil(1.6 n^0.56))` dimensions (the rule of fastai's tabular learner with a lower cap), of the width that the
    /// design states, or of a token's width.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn new(design: &Design, block: Block) -> Self {
        let rule = |n: usize| ((1.6 * (n as f64).powf(0.56)).ceil() as usize).min(32);
        let widths = match &block {
            Block::Table { indices, .. } => indices
                .iter()
                .map(|&n| match design.table {
                    TableStem::Tokens { width } => width,
                    _ => design.columns.embedding.unwrap_or_else(|| rule(n)),
                })
                .collect(),
            Block::Text { .. } => vec![design.token_width],
            Block::Image { .. } | Block::Series { .. } => Vec::new(),
        };
        Self { name: String::new(), block, widths, stem: design.table, encoder: Vec::new() }
    }

    /// Prefix of the names of its weights if there are several sources.
    pub fn prefix(&self) -> String {
        format!("encoders.{}.", self.name)
    }

    /// `true` if the sizes are positive and consistent, which the file of a package doesn't guarantee.
    pub(super) fn is_valid(&self) -> bool {
        let wide = !self.widths.contains(&0);
        wide && match &self.block {
            Block::Table { numbers, encoded, indices } => {
                let tokens = match self.stem {
                    TableStem::Tokens { width } => width > 0 && self.widths.iter().all(|w| *w == width),
                    TableStem::Concat | TableStem::Periodic { .. } | TableStem::Pbld { .. } => true,
                };
                tokens
                    && numbers + encoded + indices.len() > 0
                    && !indices.contains(&0)
                    && indices.len() == self.widths.len()
            }
            Block::Image { shape } => !shape.contains(&0),
            Block::Series { steps, width } => steps * width > 0,
            Block::Text { length, vocabulary } => length * vocabulary > 0 && self.widths.len() == 1,
        }
    }

    /// Layers for the numbers of a table before all columns are joined; empty if the numbers enter as they are.
    pub fn stem_layers(&self) -> Vec<Layer> {
        match (&self.block, self.stem) {
            (Block::Table { numbers, .. }, TableStem::Periodic { frequencies, sigma, width })
                if *numbers > 0 =>
            {
                vec![
                    Layer::Periodic { frequencies, sigma },
                    Layer::Linear { out: width, bias: true },
                    Layer::Activation { function: Activation::Relu },
                    Layer::Flatten {},
                ]
            }
            (Block::Table { numbers, .. }, TableStem::Pbld { frequencies, sigma, width }) if *numbers > 0 => {
                vec![Layer::PeriodicDense { frequencies, sigma, width }, Layer::Flatten {}]
            }
            (Block::Table { numbers, encoded, .. }, TableStem::Tokens { width }) if numbers + encoded > 0 => {
                vec![Layer::FeatureTokens { width }]
            }
            _ => Vec::new(),
        }
    }

    /// Number of columns that [`InputSource::stem_layers`] take.
    pub fn stem_width(&self) -> usize {
        match (&self.block, self.stem) {
            (Block::Table { numbers, .. }, TableStem::Periodic { .. } | TableStem::Pbld { .. }) => *numbers,
            (Block::Table { numbers, encoded, .. }, TableStem::Tokens { .. }) => numbers + encoded,
            _ => 0,
        }
    }

    /// Appends its layers to `rows`; returns the shape of the encoder's output.
    pub(crate) fn trace(&self, prefix: &str, rows: &mut Vec<ShapeRow>) -> Result<Vec<usize>, Error> {
        let shape = self.trace_block(prefix, rows)?;
        let encoder = trace(&format!("{prefix}layers"), &shape, &self.encoder)?;
        let last = encoder.last().map_or(shape, |row| row.output.clone());
        rows.extend(encoder);
        Ok(last)
    }

    /// Appends the embeddings and the stem to `rows`; returns the shape that enters the encoder.
    pub(crate) fn trace_block(&self, prefix: &str, rows: &mut Vec<ShapeRow>) -> Result<Vec<usize>, Error> {
        let embedding = |name: String, steps: usize, contract: LayerContract| {
            ShapeRow::new(name, "embedding", vec![steps], contract)
        };
        Ok(match &self.block {
            Block::Table { numbers, encoded, indices } => {
                for (index, (&values, &width)) in indices.iter().zip(&self.widths).enumerate() {
                    let contract = Embedding::Column.contract(values, width);
                    rows.push(embedding(format!("{prefix}embeddings.{index}"), 1, contract));
                }
                let stem = self.trace_stem(prefix, rows)?;
                let embedded: usize = self.widths.iter().sum();
                match self.stem {
                    TableStem::Tokens { width } => vec![numbers + encoded + indices.len(), width],
                    TableStem::Periodic { .. } | TableStem::Pbld { .. } if *numbers > 0 => {
                        vec![stem + encoded + embedded]
                    }
                    TableStem::Concat | TableStem::Periodic { .. } | TableStem::Pbld { .. } => {
                        vec![numbers + encoded + embedded]
                    }
                }
            }
            Block::Image { shape } => shape.to_vec(),
            Block::Series { steps, width } => vec![*steps, *width],
            Block::Text { length, vocabulary } => {
                let (length, width) = (*length, self.widths[0]);
                let contract = Embedding::Tokens { length }.contract(*vocabulary, width);
                rows.push(embedding(format!("{prefix}tokens"), length, contract));
                vec![length, width]
            }
        })
    }

    /// Appends the stem to `rows`; returns the first size of its output, 0 without a stem.
    fn trace_stem(&self, prefix: &str, rows: &mut Vec<ShapeRow>) -> Result<usize, Error> {
        let layers = self.stem_layers();
        if layers.is_empty() {
            return Ok(0);
        }
        let stem = trace(&format!("{prefix}numbers"), &[self.stem_width()], &layers)?;
        let size = stem.last().and_then(|row| row.output.first().copied()).unwrap_or_default();
        rows.extend(stem);
        Ok(size)
    }
}
