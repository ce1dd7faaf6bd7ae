//! The last layer, and what becomes of the members of an ensemble.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use cupola_spec::Head as Spec;

use crate::architecture::{Average, LogitPart};
use crate::builder::Builder;
use crate::error::Error;
use crate::input::Flow;
use crate::layer::linear;
use crate::precision::{self, like};
use crate::weights::Start;

/// Keeps a logarithm finite.
const TINY: f64 = 1e-12;

/// The last layer.
#[derive(Module, Debug)]
pub enum Head {
    /// `torch.nn.Linear`, on a vector or on each step of a sequence.
    Vector(Linear),
    /// One linear layer for each member.
    Members(Members),
    /// The vector as it is.
    Identity(Identity),
}

/// No layer.
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

impl Head {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        spec: Spec,
        shape: &[usize],
        parts: Vec<LogitPart>,
    ) -> Result<Self, Error> {
        let output = parts.iter().map(|part| part.width).sum();
        Ok(match (spec, shape) {
            (Spec::Vector, &[width]) | (Spec::Steps, &[_, width]) => {
                Self::Vector(linear(builder, "head", width, output, true)?)
            }
            (Spec::Identity, &[width]) if width == output => Self::Identity(Identity { width }),
            (Spec::Members, &[members, width]) => {
                let start = Start::Uniform { fan_in: width };
                Self::Members(Members {
                    weight: builder.param("head.weight", [members, width, output], start)?,
                    bias: builder.param("head.bias", [members, output], start)?,
                    parts,
                })
            }
            _ => return Err(Error::NotFlat { found: shape.to_vec() }),
        })
    }

    /// Logits `[batch * members, output]`, the members (or the steps) of one example one after the
    /// other.
    pub(crate) fn each(&self, x: Flow) -> Tensor<2> {
        match (self, x) {
            (Self::Vector(layer), Flow::Flat(x)) => precision::linear(layer, x),
            (Self::Identity(layer), Flow::Flat(x)) => {
                debug_assert_eq!(x.dims()[1], layer.width);
                x
            }
            (Self::Vector(layer), Flow::Sequence(x, _)) => {
                let [batch, time, width] = x.dims();
                precision::linear(layer, x.reshape([batch * time, width]))
            }
            (Self::Members(layer), Flow::Sequence(x, _)) => {
                let [batch, members, _] = x.dims();
                let weight = like(layer.weight.val(), &x);
                let x = x.swap_dims(0, 1).matmul(weight);
                let output = x.dims()[2];
                let bias: Tensor<3> = like(layer.bias.val(), &x).unsqueeze_dim(1);
                (x + bias).swap_dims(0, 1).reshape([batch * members, output])
            }
            // `Architecture::new` has traced every shape.
            (head, x) => unreachable!("{head:?} after {:?}", x.shape()),
        }
    }

    /// Logits `[batch, output]` from those of [`Head::each`].
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

/// `[batch * members, width]` to `[batch, width]`.
fn averaged(each: Tensor<2>, members: usize, average: Average) -> Tensor<2> {
    let [rows, width] = each.dims();
    let mean = |x: Tensor<2>| {
        x.reshape([rows / members, members, width]).mean_dim(1).reshape([rows / members, width])
    };
    match average {
        Average::Output => mean(each),
        Average::Sigmoid => {
            let p = mean(activation::sigmoid(each)).clamp(TINY, 1.0 - 1e-7);
            p.clone().log() - p.neg().add_scalar(1.0).log()
        }
        Average::Softmax => mean(activation::softmax(each, 1)).clamp_min(TINY).log(),
    }
}
