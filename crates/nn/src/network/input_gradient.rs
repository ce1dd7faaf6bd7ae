//! Gradients of a network's output with respect to its input, with indices replaced by their embeddings.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cupola_spec::Block;

use super::Network;
use super::source::part;
use crate::device::catch_panic;
use crate::error::Error;
use crate::input::InputBatch;
use crate::layers::{Hidden, LayerModule};

/// A network in inference on the CPU whose input has gradients.
///
/// A point is an example in which every index is replaced by its embedding: real values, then the embeddings of the
/// indices in their order. The weights are constants, which the network that was given shares.
pub struct DifferentiableNetwork {
    network: Network,
    device: Device,
    /// Width of the embedding of each index of an example.
    widths: Vec<usize>,
}

/// Values and gradients at several points.
#[derive(Debug, Clone, PartialEq)]
pub struct InputGradient {
    /// Weighted sum of the logits at each point.
    pub values: Vec<f32>,
    /// `[points, width]`
    pub gradients: Vec<f32>,
}

impl DifferentiableNetwork {
    /// Network whose weights are on `device`, which must be a CPU.
    pub fn new(network: &Network, device: &Device) -> Self {
        let mut network = network.clone().valid();
        network.trunk.iter_mut().for_each(LayerModule::disable_drop_path);
        network.sources.iter_mut().for_each(super::source::InputModule::disable_drop_path);
        let widths = network.sources.iter().flat_map(|source| {
            let widths: Vec<usize> = source.embedding_weights().map(|weight| weight.dims()[1]).collect();
            match source.block() {
                Block::Text { length, .. } => vec![widths.first().copied().unwrap_or_default(); *length],
                _ => widths,
            }
        });
        let widths = widths.collect();
        Self { network, device: device.clone(), widths }
    }

    /// Width of the embedding of each index of an example.
    pub fn embedding_widths(&self) -> &[usize] {
        &self.widths
    }

    /// Point of one example.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn point(&self, dense: &[f32], indices: &[i32]) -> Result<Vec<f32>, Error> {
        self.attempt(|| {
            let mut point = dense.to_vec();
            let input = InputBatch::new(1, Vec::new(), indices.to_vec(), &self.device);
            let mut at = 0;
            for source in &self.network.sources {
                let width = source.block().index_width();
                if let Some(own) = part(input.indices.as_ref(), at, width) {
                    for embedded in source.embedded(own) {
                        point.extend(self.read(embedded)?);
                    }
                }
                at += width;
            }
            Ok(point)
        })
    }

    /// Baseline of one example's point: `dense`, the mean embedding of each index column, and the embedding of padding
    /// for every token.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn baseline(&self, dense: &[f32], indices: &[i32]) -> Result<Vec<f32>, Error> {
        self.attempt(|| {
            let mut point = dense.to_vec();
            for source in &self.network.sources {
                for weight in source.embedding_weights() {
                    let width = weight.dims()[1];
                    if matches!(source.block(), Block::Text { .. }) {
                        let padding = self.read(weight.narrow(0, 0, 1))?;
                        let tokens = self.tokens(source.block(), indices.len());
                        point.extend(padding.repeat(tokens));
                    } else {
                        point.extend(self.read(weight.mean_dim(0).reshape([1, width]))?);
                    }
                }
            }
            Ok(point)
        })
    }

    /// Tokens of a text in examples of `found` indices: padding at the end of a single text may be left out.
    fn tokens(&self, block: &Block, found: usize) -> usize {
        if self.network.sources.len() == 1 { found } else { block.index_width() }
    }

    /// Weighted sums of the logits and their gradients at `points`, `[points, width]`. `indices` are those of the one
    /// example that all points belong to: they tell which tokens are padding.
    ///
    /// # Errors
    /// [`Error::Device`] if the device fails.
    pub fn gradient(&self, points: &[f32], indices: &[i32], weights: &[f32]) -> Result<InputGradient, Error> {
        self.attempt(|| {
            let widths = &self.widths[..self.widths.len().min(indices.len())];
            let dense: usize = self.network.sources.iter().map(|source| source.block().dense_width()).sum();
            let width = dense + widths.iter().sum::<usize>();
            let rows = points.len() / width.max(1);
            let data = TensorData::new(points.to_vec(), [rows, width]);
            let x: Tensor<2> = Tensor::from_data(data, &self.device).autodiff().require_grad();
            let logits = self.network.head.average(self.forward(&x, dense, indices));
            let output = weights.len();
            let weights =
                Tensor::<2>::from_data(TensorData::new(weights.to_vec(), [1, output]), &self.device);
            let sums = (logits * weights).sum_dim(1);
            let values = self.read(sums.clone().inner())?;
            let gradient = x.grad(&sums.sum().backward());
            // An output that does not depend on the input has no gradient.
            let gradients = gradient.map_or_else(|| Ok(vec![0.0; points.len()]), |found| self.read(found))?;
            Ok(InputGradient { values, gradients })
        })
    }

    /// Logits of all members at points `[points, width]`.
    fn forward(&self, points: &Tensor<2>, dense: usize, indices: &[i32]) -> Tensor<2> {
        let rows = points.dims()[0];
        let repeated = InputBatch::new(rows, Vec::new(), indices.repeat(rows), &self.device);
        let (mut dense_at, mut index_at, mut embedded_at) = (0, 0, dense);
        let mut outputs: Vec<Hidden> = Vec::with_capacity(self.network.sources.len());
        for source in &self.network.sources {
            let block = source.block();
            let own = part(repeated.indices.as_ref(), index_at, block.index_width());
            let count = own.as_ref().map_or(0, |indices| indices.dims()[1]);
            let widths = &self.widths[index_at..index_at + count];
            let mut vectors: Vec<Tensor<3>> = Vec::new();
            if matches!(block, Block::Text { .. }) {
                let width = widths.first().copied().unwrap_or_default();
                let tokens = points.clone().narrow(1, embedded_at, count * width);
                vectors.push(tokens.reshape([rows, count, width]));
                embedded_at += count * width;
            } else {
                for width in widths {
                    let vector = points.clone().narrow(1, embedded_at, *width);
                    vectors.push(vector.reshape([rows, 1, *width]));
                    embedded_at += width;
                }
            }
            let width = block.dense_width();
            let own_dense = (width > 0).then(|| points.clone().narrow(1, dense_at, width));
            outputs.push(source.forward_embedded(rows, own_dense, vectors, source.padding(own.as_ref())));
            dense_at += width;
            index_at += block.index_width();
        }
        self.network.leave(self.network.joined(outputs))
    }

    fn read<const D: usize>(&self, tensor: Tensor<D>) -> Result<Vec<f32>, Error> {
        tensor.try_into_vec_as::<f32>().map_err(|error| self.failed(error.to_string()))
    }

    fn failed(&self, why: String) -> Error {
        Error::Device { device: format!("{:?}", self.device), why }
    }

    /// Runs work on the device; its panic is an error.
    fn attempt<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
        catch_panic(work).map_err(|panic| self.failed(panic.into()))?
    }
}
