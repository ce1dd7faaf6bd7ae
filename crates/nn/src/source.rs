//! Where the values of one block enter: embeddings, number embeddings, tokens.

use burn::module::Module;
use burn::nn::{Embedding, EmbeddingConfig};
use burn::tensor::kind::Basic;
use burn::tensor::{Int, Tensor};
use cupola_spec::{
    Activation, Block, Design, Embedding as SpecEmbedding, Layer as Spec, LayerContract, ShapeRow, TableStem,
    trace,
};
use serde::{Deserialize, Serialize};

use crate::builder::Builder;
use crate::error::Error;
use crate::input::{Flow, Input};
use crate::layer::{Layer, build_all, run_all};
use crate::weights::Start;

/// A block of an example with the widths of its embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Names the encoder's weights where there are several sources.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What it takes.
    pub block: Block,
    /// Width of each embedding: one for each index column of a table, one for all tokens of a text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub widths: Vec<usize>,
    /// How the columns of a table enter.
    #[serde(default)]
    pub stem: TableStem,
    /// Layers of its own before the trunk.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<Spec>,
}

impl Source {
    /// The source of a design's only block. An index column of a table gets an embedding of
    /// `min(32, ceil(1.6 n^0.56))` dimensions for `n` values (the rule of fastai's tabular learner,
    /// with a lower cap), or of a token's width.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn of(design: &Design, block: Block) -> Self {
        let rule = |n: usize| ((1.6 * (n as f64).powf(0.56)).ceil() as usize).min(32);
        let widths = match &block {
            Block::Table { indices, .. } => indices
                .iter()
                .map(|&n| if let TableStem::Tokens { width } = design.table { width } else { rule(n) })
                .collect(),
            Block::Text { .. } => vec![design.token_width],
            Block::Image { .. } | Block::Series { .. } => Vec::new(),
        };
        Self { name: String::new(), block, widths, stem: design.table, encoder: Vec::new() }
    }

    /// Start of the weights' names where there are several sources.
    pub fn prefix(&self) -> String {
        format!("encoders.{}.", self.name)
    }

    /// Whether all sizes can be: a package's file has not been made by [`Source::of`].
    pub(crate) fn is_sound(&self) -> bool {
        let wide = !self.widths.contains(&0);
        wide && match &self.block {
            Block::Table { numbers, encoded, indices } => {
                let tokens = match self.stem {
                    TableStem::Tokens { width } => width > 0 && self.widths.iter().all(|w| *w == width),
                    TableStem::Concat | TableStem::Periodic { .. } => true,
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

    /// Layers on the numbers of a table, if it has any, before the columns come together.
    pub fn stem_layers(&self) -> Vec<Spec> {
        match (&self.block, self.stem) {
            (Block::Table { numbers, .. }, TableStem::Periodic { frequencies, sigma, width })
                if *numbers > 0 =>
            {
                vec![
                    Spec::Periodic { frequencies, sigma },
                    Spec::Linear { out: width, bias: true },
                    Spec::Activation { function: Activation::Relu },
                    Spec::Flatten {},
                ]
            }
            (Block::Table { numbers, encoded, .. }, TableStem::Tokens { width }) if numbers + encoded > 0 => {
                vec![Spec::FeatureTokens { width }]
            }
            _ => Vec::new(),
        }
    }

    /// Numbers that go through [`Source::stem_layers`].
    pub fn stem_width(&self) -> usize {
        match (&self.block, self.stem) {
            (Block::Table { numbers, .. }, TableStem::Periodic { .. }) => *numbers,
            (Block::Table { numbers, encoded, .. }, TableStem::Tokens { .. }) => numbers + encoded,
            _ => 0,
        }
    }

    /// Adds its rows to the layer table and gives the shape that leaves its encoder.
    pub(crate) fn trace(&self, prefix: &str, rows: &mut Vec<ShapeRow>) -> Result<Vec<usize>, Error> {
        let embedding = |name: String, places: usize, contract: LayerContract| {
            ShapeRow::new(name, "embedding", vec![places], contract)
        };
        let shape = match &self.block {
            Block::Table { numbers, encoded, indices } => {
                for (index, (&values, &width)) in indices.iter().zip(&self.widths).enumerate() {
                    let contract = SpecEmbedding::Column.contract(values, width);
                    rows.push(embedding(format!("{prefix}embeddings.{index}"), 1, contract));
                }
                let (layers, width) = (self.stem_layers(), self.stem_width());
                let embedded: usize = self.widths.iter().sum();
                let out = if layers.is_empty() {
                    Vec::new()
                } else {
                    let stem = trace(&format!("{prefix}numbers"), &[width], &layers)?;
                    let out = stem.last().map_or(Vec::new(), |row| row.output.clone());
                    rows.extend(stem);
                    out
                };
                match self.stem {
                    TableStem::Tokens { width } => vec![numbers + encoded + indices.len(), width],
                    TableStem::Periodic { .. } if *numbers > 0 => vec![out[0] + encoded + embedded],
                    TableStem::Concat | TableStem::Periodic { .. } => vec![numbers + encoded + embedded],
                }
            }
            Block::Image { shape } => shape.to_vec(),
            Block::Series { steps, width } => vec![*steps, *width],
            Block::Text { length, vocabulary } => {
                let (length, width) = (*length, self.widths[0]);
                let contract = SpecEmbedding::Tokens { length }.contract(*vocabulary, width);
                rows.push(embedding(format!("{prefix}tokens"), length, contract));
                vec![length, width]
            }
        };
        let encoder = trace(&format!("{prefix}layers"), &shape, &self.encoder)?;
        let last = encoder.last().map_or(shape, |row| row.output.clone());
        rows.extend(encoder);
        Ok(last)
    }
}

/// The modules of a source.
#[derive(Module, Debug)]
pub struct SourceModule {
    embeddings: Vec<Embedding>,
    stem: Vec<Layer>,
    encoder: Vec<Layer>,
    #[module(skip)]
    source: Source,
}

impl SourceModule {
    /// Builds the modules; gives the shape that leaves too.
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        prefix: &str,
        source: &Source,
    ) -> Result<(Self, Vec<usize>), Error> {
        let table = |builder: &mut Builder<'_>, name: String, values: usize, width: usize, start| {
            let mut embedding = EmbeddingConfig::new(values, width).init(builder.device);
            embedding.weight = builder.param(&format!("{name}.weight"), [values, width], start)?;
            Ok::<_, Error>(embedding)
        };
        let mut embeddings = Vec::new();
        match &source.block {
            Block::Table { indices, .. } => {
                for (index, (&values, &width)) in indices.iter().zip(&source.widths).enumerate() {
                    let start = Start::Normal { deviation: 1.0 };
                    let name = format!("{prefix}embeddings.{index}");
                    embeddings.push(table(builder, name, values, width, start)?);
                }
            }
            Block::Text { vocabulary, .. } => {
                let start = Start::Normal { deviation: 0.02 };
                let name = format!("{prefix}tokens");
                embeddings.push(table(builder, name, *vocabulary, source.widths[0], start)?);
            }
            Block::Image { .. } | Block::Series { .. } => {}
        }
        let layers = source.stem_layers();
        let stem = if layers.is_empty() {
            Vec::new()
        } else {
            build_all(builder, &format!("{prefix}numbers"), &layers, vec![source.stem_width()])?.0
        };
        let shape = Source { encoder: Vec::new(), ..source.clone() }.trace(prefix, &mut Vec::new())?;
        let (encoder, shape) = build_all(builder, &format!("{prefix}layers"), &source.encoder, shape)?;
        Ok((Self { embeddings, stem, encoder, source: source.clone() }, shape))
    }

    /// What it takes.
    pub(crate) fn block(&self) -> &Block {
        &self.source.block
    }

    /// Runs the part of `input` that starts at `dense_at` and `index_at`.
    pub(crate) fn forward(&self, input: &Input, dense_at: usize, index_at: usize) -> Flow {
        let block = &self.source.block;
        let dense = part(input.dense.as_ref(), dense_at, block.dense_width());
        let indices = part(input.indices.as_ref(), index_at, block.index_width());
        let rows = input.rows;
        let flow = match (block, dense, indices) {
            (Block::Table { .. }, dense, indices) => self.table(rows, dense, indices),
            (&Block::Image { shape: [c, h, w] }, Some(dense), _) => {
                Flow::Image(dense.reshape([rows, c, h, w]))
            }
            (&Block::Series { steps, width }, Some(dense), _) => {
                Flow::Sequence(dense.reshape([rows, steps, width]), None)
            }
            (Block::Text { .. }, _, Some(indices)) => {
                let padding = indices.clone().equal_elem(0);
                Flow::Sequence(self.embeddings[0].forward(indices), Some(padding))
            }
            // `Plan::apply` fills every block, and `is_sound` has refused empty ones.
            (block, ..) => unreachable!("a batch without the values of {block:?}"),
        };
        run_all(&self.encoder, flow)
    }

    /// Vectors `[1, tokens, width]` of tokens `[1, tokens]`; none for a source without such.
    pub(crate) fn embed(&self, tokens: Tensor<2, Int>) -> Option<Tensor<3>> {
        self.embeddings.first().map(|embedding| embedding.forward(tokens))
    }

    fn table(&self, rows: usize, dense: Option<Tensor<2>>, indices: Option<Tensor<2, Int>>) -> Flow {
        let embedded = self.embeddings.iter().enumerate().filter_map(|(column, embedding)| {
            let index = indices.clone()?.narrow(1, column, 1);
            Some(embedding.forward(index))
        });
        let width = self.source.stem_width();
        if matches!(self.source.stem, TableStem::Tokens { .. }) {
            let mut parts: Vec<Tensor<3>> = Vec::new();
            if let Some(dense) = dense
                && let Flow::Sequence(tokens, _) = run_all(&self.stem, Flow::Flat(dense))
            {
                parts.push(tokens);
            }
            parts.extend(embedded);
            return Flow::Sequence(one_or_cat(parts), None);
        }
        let mut parts = Vec::new();
        if let Some(dense) = dense {
            let total = dense.dims()[1];
            if self.stem.is_empty() {
                parts.push(dense);
            } else {
                let numbers = Flow::Flat(dense.clone().narrow(1, 0, width));
                if let Flow::Flat(numbers) = run_all(&self.stem, numbers) {
                    parts.push(numbers);
                }
                if total > width {
                    parts.push(dense.narrow(1, width, total - width));
                }
            }
        }
        parts.extend(embedded.map(|vectors| {
            let width = vectors.dims()[2];
            vectors.reshape([rows, width])
        }));
        Flow::Flat(one_or_cat(parts))
    }
}

/// Columns of `whole`; the tensor itself where they are all of them.
fn part<K: Basic>(whole: Option<&Tensor<2, K>>, at: usize, width: usize) -> Option<Tensor<2, K>> {
    let whole = whole.filter(|_| width > 0)?;
    // Texts may come without the padding at their ends.
    let width = width.min(whole.dims()[1] - at);
    let all = at == 0 && whole.dims()[1] == width;
    Some(if all { whole.clone() } else { whole.clone().narrow(1, at, width) })
}

/// Along axis 1.
pub(crate) fn one_or_cat<const D: usize>(mut parts: Vec<Tensor<D>>) -> Tensor<D> {
    if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 1) }
}
