//! Builds parameters under their names and remembers which is which.

use std::collections::BTreeMap;

use burn::module::{Param, ParamId};
use burn::tensor::{Device, Tensor, TensorData};
use cupola_spec::Lora;
use xxhash_rust::xxh3::xxh3_64;

use crate::error::Error;
use crate::lora::is_adapter;
use crate::weights::{Start, Weights};

/// How a parameter's memory relates to `PyTorch`'s layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The same.
    Same,
    /// A linear weight: `PyTorch`'s `[out, in]` is Burn's `[in, out]`.
    Transposed,
}

/// A parameter's name on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `PyTorch` name, such as `trunk.0.weight`.
    pub name: String,
    /// A hash of the name: the same in every process, so that optimiser state finds its parameter.
    pub id: ParamId,
    /// Its layout.
    pub order: Order,
    /// Name by the place of its module, such as `trunk.0.weight`.
    pub place: String,
    /// Number of axes.
    pub rank: usize,
}

impl Entry {
    /// Whether the last part of its place tells a weight: not a bias, a scale, a token or a position.
    pub(crate) fn is_weight(&self) -> bool {
        self.place.rsplit('.').next().is_some_and(|part| part.starts_with("weight"))
    }
}

/// Hands out parameters while a network is built.
pub struct Builder<'a> {
    pub(crate) device: &'a Device,
    weights: &'a mut dyn Weights,
    names: &'a BTreeMap<String, String>,
    pub(crate) lora: Option<Lora>,
    pub(crate) entries: Vec<Entry>,
}

impl<'a> Builder<'a> {
    /// `names` are those of modules that are not named by their place.
    pub(crate) fn new(
        device: &'a Device,
        weights: &'a mut dyn Weights,
        names: &'a BTreeMap<String, String>,
        lora: Option<Lora>,
    ) -> Self {
        Self { device, weights, names, lora, entries: Vec::new() }
    }

    /// `trunk.0.weight` under the module's own name, if it has one.
    fn named(&self, name: &str) -> String {
        let Some((place, part)) = name.rsplit_once('.') else { return name.to_owned() };
        self.names.get(place).map_or_else(|| name.to_owned(), |module| format!("{module}.{part}"))
    }

    /// Whether a parameter is trained: with low-rank matrices only those and the head are.
    fn trains(&self, name: &str) -> bool {
        self.device.is_autodiff() && (self.lora.is_none() || is_adapter(name) || name.starts_with("head."))
    }

    /// A trained parameter in `PyTorch`'s layout.
    pub(crate) fn param<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        start: Start,
    ) -> Result<Param<Tensor<D>>, Error> {
        let tensor = self.tensor(name, shape, start)?.set_require_grad(self.trains(name));
        Ok(Param::initialized(self.register(name, D, Order::Same), tensor))
    }

    /// A linear weight: `PyTorch`'s `[out, in]`, kept as `[in, out]`.
    pub(crate) fn linear(
        &mut self,
        name: &str,
        input: usize,
        output: usize,
    ) -> Result<Param<Tensor<2>>, Error> {
        let data =
            self.weights.take(&self.named(name), &[output, input], Start::Uniform { fan_in: input })?;
        let data = transpose(&data, output, input);
        let tensor = Tensor::from_data(TensorData::new(data, [input, output]), self.device)
            .set_require_grad(self.trains(name));
        Ok(Param::initialized(self.register(name, 2, Order::Transposed), tensor))
    }

    /// A tensor that is kept but not trained, and its id.
    pub(crate) fn buffer<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        start: Start,
    ) -> Result<(ParamId, Tensor<D>), Error> {
        let tensor = self.tensor(name, shape, start)?;
        Ok((self.register(name, D, Order::Same), tensor))
    }

    fn tensor<const D: usize>(
        &mut self,
        name: &str,
        shape: [usize; D],
        start: Start,
    ) -> Result<Tensor<D>, Error> {
        let data = self.weights.take(&self.named(name), &shape, start)?;
        Ok(Tensor::from_data(TensorData::new(data, shape), self.device))
    }

    fn register(&mut self, place: &str, rank: usize, order: Order) -> ParamId {
        let name = self.named(place);
        let id = ParamId::from(xxh3_64(name.as_bytes()));
        self.entries.push(Entry { name, id, order, place: place.to_owned(), rank });
        id
    }
}

/// `[rows, columns]` to `[columns, rows]`.
pub(crate) fn transpose(data: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = Vec::with_capacity(data.len());
    for column in 0..columns {
        out.extend((0..rows).map(|row| data[row * columns + column]));
    }
    out
}
