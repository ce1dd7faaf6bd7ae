//! Modules of an input source: embeddings, the stem of a table, and the encoder.

use burn::module::Module;
use burn::tensor::kind::Basic;
use burn::tensor::{Bool, Int, Tensor};
use cupola_spec::{Block, Embedding, LayerContract, TableStem};

use crate::architecture::InputSource;
use crate::error::Error;
use crate::input::InputBatch;
use crate::layers::{Hidden, LayerModule, build_all, concat, forward_all};
use crate::weights::Builder;

/// Embeddings, stem and encoder of a source.
#[derive(Module, Debug)]
pub struct InputModule {
    embeddings: Vec<burn::nn::Embedding>,
    stem: Vec<LayerModule>,
    encoder: Vec<LayerModule>,
    #[module(skip)]
    source: InputSource,
}

impl InputModule {
    /// Builds the modules; returns them and the shape of the encoder's output.
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        prefix: &str,
        source: &InputSource,
    ) -> Result<(Self, Vec<usize>), Error> {
        let embedding = |builder: &mut Builder<'_>, name: String, contract: LayerContract| {
            let weight = builder.module(&name, contract.weights).param::<2>("weight")?;
            Ok::<_, Error>(burn::nn::Embedding { weight })
        };
        let mut embeddings = Vec::new();
        match &source.block {
            Block::Table { indices, .. } => {
                for (index, (&values, &width)) in indices.iter().zip(&source.widths).enumerate() {
                    let name = format!("{prefix}embeddings.{index}");
                    embeddings.push(embedding(builder, name, Embedding::Column.contract(values, width))?);
                }
            }
            &Block::Text { length, vocabulary } => {
                let contract = Embedding::Tokens { length }.contract(vocabulary, source.widths[0]);
                embeddings.push(embedding(builder, format!("{prefix}tokens"), contract)?);
            }
            Block::Image { .. } | Block::Series { .. } => {}
        }
        let layers = source.stem_layers();
        let stem = if layers.is_empty() {
            Vec::new()
        } else {
            build_all(builder, &format!("{prefix}numbers"), &layers, vec![source.stem_width()])?.0
        };
        let shape = source.trace_block(prefix, &mut Vec::new())?;
        let (encoder, shape) = build_all(builder, &format!("{prefix}layers"), &source.encoder, shape)?;
        Ok((Self { embeddings, stem, encoder, source: source.clone() }, shape))
    }

    /// Block that the source takes.
    pub(crate) fn block(&self) -> &Block {
        &self.source.block
    }

    /// Forward pass of the part of `input` whose numbers start at `dense_at` and whose indices start at `index_at`.
    pub(crate) fn forward(&self, input: &InputBatch, dense_at: usize, index_at: usize) -> Hidden {
        let block = &self.source.block;
        let dense = part(input.dense.as_ref(), dense_at, block.dense_width());
        let indices = part(input.indices.as_ref(), index_at, block.index_width());
        let padding = self.padding(indices.as_ref());
        let embedded = indices.map_or_else(Vec::new, |indices| self.embedded(indices));
        self.forward_embedded(input.rows, dense, embedded, padding)
    }

    /// Embeddings of the source's indices: `[batch, 1, width]` for each column of a table, `[batch, tokens, width]` of a
    /// text.
    pub(crate) fn embedded(&self, indices: Tensor<2, Int>) -> Vec<Tensor<3>> {
        if matches!(self.source.block, Block::Text { .. }) {
            return self.embeddings.iter().map(|embedding| embedding.forward(indices.clone())).collect();
        }
        let columns = self.embeddings.iter().enumerate();
        columns.map(|(column, embedding)| embedding.forward(indices.clone().narrow(1, column, 1))).collect()
    }

    /// Mask of a text's padding; `None` for any other source.
    pub(crate) fn padding(&self, indices: Option<&Tensor<2, Int>>) -> Option<Tensor<2, Bool>> {
        let is_text = matches!(self.source.block, Block::Text { .. });
        indices.filter(|_| is_text).map(|indices| indices.clone().equal_elem(0))
    }

    /// Weights `[values, width]` of the embedding of each index column, or of all tokens.
    pub(crate) fn embedding_weights(&self) -> impl Iterator<Item = Tensor<2>> + '_ {
        self.embeddings.iter().map(|embedding| embedding.weight.val())
    }

    /// Forward pass of embedded values.
    pub(crate) fn forward_embedded(
        &self,
        rows: usize,
        dense: Option<Tensor<2>>,
        embedded: Vec<Tensor<3>>,
        padding: Option<Tensor<2, Bool>>,
    ) -> Hidden {
        let flow = match (&self.source.block, dense, embedded.as_slice()) {
            (Block::Table { .. }, dense, _) => self.table(rows, dense, embedded),
            (&Block::Image { shape: [c, h, w] }, Some(dense), _) => {
                Hidden::Image(dense.reshape([rows, c, h, w]))
            }
            (&Block::Series { steps, width }, Some(dense), _) => {
                Hidden::Sequence(dense.reshape([rows, steps, width]), None)
            }
            (Block::Text { .. }, _, [tokens]) => Hidden::Sequence(tokens.clone(), padding),
            // Every block has values: `InputSource::is_valid` refuses empty ones.
            (block, ..) => unreachable!("a batch without the values of {block:?}"),
        };
        forward_all(&self.encoder, flow)
    }

    /// Sets the encoder and the stem to inference on an autodiff device.
    pub(crate) fn disable_drop_path(&mut self) {
        self.stem.iter_mut().chain(&mut self.encoder).for_each(LayerModule::disable_drop_path);
    }

    /// Embeddings `[1, tokens, width]` of tokens `[1, tokens]`; `None` for a source without embeddings.
    pub(crate) fn embed(&self, tokens: Tensor<2, Int>) -> Option<Tensor<3>> {
        self.embeddings.first().map(|embedding| embedding.forward(tokens))
    }

    fn table(&self, rows: usize, dense: Option<Tensor<2>>, embedded: Vec<Tensor<3>>) -> Hidden {
        let width = self.source.stem_width();
        if matches!(self.source.stem, TableStem::Tokens { .. }) {
            let mut parts: Vec<Tensor<3>> = Vec::new();
            if let Some(dense) = dense
                && let Hidden::Sequence(tokens, _) = forward_all(&self.stem, Hidden::Flat(dense))
            {
                parts.push(tokens);
            }
            parts.extend(embedded);
            return Hidden::Sequence(concat(parts), None);
        }
        let mut parts = Vec::new();
        if let Some(dense) = dense {
            let total = dense.dims()[1];
            if self.stem.is_empty() {
                parts.push(dense);
            } else {
                let numbers = Hidden::Flat(dense.clone().narrow(1, 0, width));
                if let Hidden::Flat(numbers) = forward_all(&self.stem, numbers) {
                    parts.push(numbers);
                }
                if total > width {
                    parts.push(dense.narrow(1, width, total - width));
                }
            }
        }
        parts.extend(embedded.into_iter().map(|vectors| {
            let width = vectors.dims()[2];
            vectors.reshape([rows, width])
        }));
        Hidden::Flat(concat(parts))
    }
}

/// Columns of `whole` from `at` on; the tensor itself if these are all.
pub(super) fn part<K: Basic>(whole: Option<&Tensor<2, K>>, at: usize, width: usize) -> Option<Tensor<2, K>> {
    let whole = whole.filter(|_| width > 0)?;
    // Padding at the end of all texts may have been trimmed.
    let width = width.min(whole.dims()[1] - at);
    let all = at == 0 && whole.dims()[1] == width;
    Some(if all { whole.clone() } else { whole.clone().narrow(1, at, width) })
}
