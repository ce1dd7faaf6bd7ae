//! The last layer and the average over the members of an ensemble.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use cupola_spec::Head;

use crate::architecture::{Average, LogitPart};
use crate::error::Error;
use crate::layers::Hidden;
use crate::precision::{self, cast_like, in_f32};
use crate::weights::Builder;

/// Smallest probability of which a logarithm is taken.
const MIN_PROBABILITY: f64 = 1e-12;

/// The last layer of a network.
#[derive(Module, Debug)]
pub enum HeadModule {
    /// `torch.nn.Linear`, on a vector or on each step of a sequence.
    Vector(Linear),
    /// `torch.nn.Linear` whose outputs are bounded.
    Bounded(BoundedLinear),
    /// One linear layer for each member.
    Members(Members),
    /// No layer: the trunk's vector is the output.
    Identity(Identity),
}

/// A linear layer with outputs `c * tanh(y / c)` (Riviere et al. 2024).
#[derive(Module, Debug)]
pub struct BoundedLinear {
    linear: Linear,
    #[module(skip)]
    bound: f64,
}

/// A head without weights.
#[derive(Module, Debug)]
pub struct Identity {
    #[module(skip)]
    width: usize,
}

/// A linear layer for each member.
#[derive(Module, Debug)]
pub struct Members {
    /// `[members, in, out]`
    weight: Param<Tensor<3>>,
    /// `[members, out]`
    bias: Param<Tensor<2>>,
    #[module(skip)]
    parts: Vec<LogitPart>,
}

impl HeadModule {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        head: Head,
        shape: &[usize],
        parts: Vec<LogitPart>,
        bound: Option<f64>,
    ) -> Result<Self, Error> {
        let output = parts.iter().map(|part| part.width).sum();
        let Some(contract) = head.contract(shape, output) else {
            return Err(Error::NotFlat { found: shape.to_vec() });
        };
        let mut module = builder.module("head", contract.weights);
        Ok(match head {
            Head::Vector | Head::Steps => match (module.linear("")?, bound) {
                (linear, None) => Self::Vector(linear),
                (linear, Some(bound)) => Self::Bounded(BoundedLinear { linear, bound }),
            },
            Head::Identity => Self::Identity(Identity { width: output }),
            Head::Members => {
                let (weight, bias) = (module.param("weight")?, module.param("bias")?);
                Self::Members(Members { weight, bias, parts })
            }
        })
    }

    /// Logits `[batch * members, output]`, with the members (or the steps) of an example in consecutive rows.
    pub(crate) fn forward(&self, x: Hidden) -> Tensor<2> {
        match (self, x) {
            (Self::Vector(layer), Hidden::Flat(x)) => precision::linear(layer, x),
            (Self::Identity(layer), Hidden::Flat(x)) => {
                debug_assert_eq!(x.dims()[1], layer.width);
                x
            }
            (Self::Vector(layer), Hidden::Sequence(x, _)) => precision::linear(layer, steps(x)),
            (Self::Bounded(layer), Hidden::Sequence(x, _)) => {
                let logits = precision::linear(&layer.linear, steps(x));
                in_f32(logits, |x| x.div_scalar(layer.bound).tanh().mul_scalar(layer.bound))
            }
            (Self::Members(layer), Hidden::Sequence(x, _)) => {
                let [batch, members, _] = x.dims();
                let weight = cast_like(layer.weight.val(), &x);
                let x = x.swap_dims(0, 1).matmul(weight);
                let output = x.dims()[2];
                let bias: Tensor<3> = cast_like(layer.bias.val(), &x).unsqueeze_dim(1);
                (x + bias).swap_dims(0, 1).reshape([batch * members, output])
            }
            (head, x) => unreachable!("{head:?} after a traced shape {:?}", x.shape()),
        }
    }

    /// Averages the logits of [`HeadModule::forward`] over the members, to `[batch, output]`.
    pub(crate) fn average(&self, each: Tensor<2>) -> Tensor<2> {
        let Self::Members(layer) = self else { return each };
        let members = layer.weight.dims()[0];
        let mut at = 0;
        let parts = layer.parts.iter().map(|part| {
            at += part.width;
            averaged(each.clone().narrow(1, at - part.width, part.width), members, part.average)
        });
        let mut parts: Vec<Tensor<2>> = parts.collect();
        if parts.len() == 1 { parts.remove(0) } else { Tensor::cat(parts, 1) }
    }
}

/// `[batch, time, width]` to `[batch * time, width]`.
fn steps(x: Tensor<3>) -> Tensor<2> {
    let [batch, time, width] = x.dims();
    x.reshape([batch * time, width])
}

/// `[batch * members, width]` to `[batch, width]`.
fn averaged(each: Tensor<2>, members: usize, average: Average) -> Tensor<2> {
    let [rows, width] = each.dims();
    let mean = |x: Tensor<2>| {
        x.reshape([rows / members, members, width]).mean_dim(1).reshape([rows / members, width])
    };
    match average {
        Average::Output => mean(each),
        Average::Sigmoid => {
            let p = mean(activation::sigmoid(each)).clamp(MIN_PROBABILITY, 1.0 - 1e-7);
            p.clone().log() - p.neg().add_scalar(1.0).log()
        }
        Average::Softmax => mean(activation::softmax(each, 1)).clamp_min(MIN_PROBABILITY).log(),
    }
}
