//! Layers before the trunk: a block of an example becomes vectors.

use candle_core::{Device, Error as CandleError, Tensor};
use cupola_nn::InputSource;
use cupola_prep::Examples;
use cupola_spec::{Block, TableStem};

use super::layers::{self, LayerOp, MaskedTensor, run};
use super::weights::WeightLookup;
use crate::error::Error;

/// A block of the examples with its embeddings, stem and encoder.
pub(super) struct SourceLayers {
    source: InputSource,
    embeddings: Vec<Tensor>,
    stem: Vec<LayerOp>,
    encoder: Vec<LayerOp>,
}

impl SourceLayers {
    pub fn new(lookup: &WeightLookup<'_>, prefix: &str, source: &InputSource) -> Result<Self, Error> {
        let embeddings = match &source.block {
            Block::Table { indices, .. } => (0..indices.len())
                .map(|index| lookup.get(&format!("{prefix}embeddings.{index}"), "weight"))
                .collect::<Result<_, _>>()?,
            Block::Text { .. } => vec![lookup.get(&format!("{prefix}tokens"), "weight")?],
            Block::Image { .. } | Block::Series { .. } => Vec::new(),
        };
        Ok(Self {
            stem: layers::build(lookup, &format!("{prefix}numbers"), &source.stem_layers())?,
            encoder: layers::build(lookup, &format!("{prefix}layers"), &source.encoder)?,
            embeddings,
            source: source.clone(),
        })
    }

    /// Layout of the block.
    pub fn block(&self) -> &Block {
        &self.source.block
    }

    /// Token embeddings `[vocabulary, width]`; `None` for a block without embeddings.
    pub fn embedding(&self) -> Option<&Tensor> {
        self.embeddings.first()
    }

    /// Runs the layers on the block whose first dense value and index stand at these columns of each row.
    pub fn forward(
        &self,
        examples: &Examples,
        dense_at: usize,
        index_at: usize,
    ) -> Result<MaskedTensor, Error> {
        let rows = examples.rows;
        let block = &self.source.block;
        let dense = columns(&examples.dense, rows, dense_at, block.dense_width());
        let indices: Vec<u32> = columns(&examples.indices, rows, index_at, block.index_width())
            .into_iter()
            .map(|i| u32::try_from(i).unwrap_or_default())
            .collect();
        let flow = match *block {
            Block::Table { .. } => self.table(rows, dense, &indices)?,
            Block::Image { shape: [c, h, w] } => {
                MaskedTensor::unmasked(Tensor::from_vec(dense, (rows, c, h, w), &Device::Cpu)?)
            }
            Block::Series { steps, width } => {
                MaskedTensor::unmasked(Tensor::from_vec(dense, (rows, steps, width), &Device::Cpu)?)
            }
            Block::Text { .. } => self.text(rows, indices)?,
        };
        Ok(run(&self.encoder, flow)?)
    }

    fn text(&self, rows: usize, indices: Vec<u32>) -> Result<MaskedTensor, CandleError> {
        let length = indices.len() / rows.max(1);
        let padding: Vec<f32> = indices.iter().map(|&i| f32::from(u8::from(i == 0))).collect();
        let indices = Tensor::from_vec(indices, rows * length, &Device::Cpu)?;
        let x = self.embeddings[0].index_select(&indices, 0)?.reshape((rows, length, ()))?;
        let mask = Some(Tensor::from_vec(padding, (rows, length), &Device::Cpu)?);
        Ok(MaskedTensor { x, mask })
    }

    fn table(&self, rows: usize, dense: Vec<f32>, indices: &[u32]) -> Result<MaskedTensor, CandleError> {
        let total = dense.len() / rows.max(1);
        let columns = self.embeddings.len();
        let embedded = self.embeddings.iter().enumerate().map(|(column, table)| {
            let index: Vec<u32> = indices.iter().skip(column).step_by(columns).copied().collect();
            table.index_select(&Tensor::from_vec(index, rows, &Device::Cpu)?, 0)
        });
        let embedded = embedded.collect::<Result<Vec<_>, _>>()?;
        let dense = (total > 0).then(|| Tensor::from_vec(dense, (rows, total), &Device::Cpu)).transpose()?;
        let mut parts = Vec::new();
        if matches!(self.source.stem, TableStem::Tokens { .. }) {
            if let Some(dense) = dense {
                parts.push(run(&self.stem, MaskedTensor::unmasked(dense))?.x);
            }
            for vectors in embedded {
                parts.push(vectors.unsqueeze(1)?);
            }
            return Ok(MaskedTensor::unmasked(Tensor::cat(&parts, 1)?));
        }
        if let Some(dense) = dense {
            let width = self.source.stem_width();
            if self.stem.is_empty() {
                parts.push(dense);
            } else {
                let stem = MaskedTensor::unmasked(dense.narrow(1, 0, width)?.contiguous()?);
                parts.push(run(&self.stem, stem)?.x);
                if total > width {
                    parts.push(dense.narrow(1, width, total - width)?);
                }
            }
        }
        parts.extend(embedded);
        Ok(MaskedTensor::unmasked(Tensor::cat(&parts, 1)?))
    }
}

/// Columns `at..at + width` of rows in row-major order.
fn columns<T: Copy>(values: &[T], rows: usize, at: usize, width: usize) -> Vec<T> {
    let all = values.len() / rows.max(1);
    if all == 0 || width == 0 {
        return Vec::new();
    }
    // Texts may come without the padding at their ends.
    let end = (at + width).min(all);
    values.chunks(all).flat_map(|row| &row[at..end]).copied().collect()
}
