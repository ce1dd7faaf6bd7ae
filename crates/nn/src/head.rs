//! The last layer, and what becomes of the members of an ensemble.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, activation};
use cupola_spec::Head as Spec;

use crate::architecture::Average;
use crate::builder::Builder;
use crate::error::Error;
use crate::input::Flow;
use crate::layer::linear;
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
    average: Average,
}

impl Head {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        spec: Spec,
        shape: &[usize],
        output: usize,
        average: Average,
    ) -> Result<Self, Error> {
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
                    average,
                })
            }
            _ => return Err(Error::NotFlat { found: shape.to_vec() }),
        })
    }

    /// Logits `[batch * members, output]`, the members (or the steps) of one example one after the
    /// other.
    pub(crate) fn each(&self, x: Flow) -> Tensor<2> {
        match (self, x) {
            (Self::Vector(layer), Flow::Flat(x)) => layer.forward(x),
            (Self::Identity(layer), Flow::Flat(x)) => {
                debug_assert_eq!(x.dims()[1], layer.width);
                x
            }
            (Self::Vector(layer), Flow::Sequence(x, _)) => {
                let [batch, time, width] = x.dims();
                layer.forward(x.reshape([batch * time, width]))
            }
            (Self::Members(layer), Flow::Sequence(x, _)) => {
                let [batch, members, _] = x.dims();
                let x = x.swap_dims(0, 1).matmul(layer.weight.val());
                let output = x.dims()[2];
                let bias: Tensor<3> = layer.bias.val().unsqueeze_dim(1);
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
        let [rows, output] = each.dims();
        let mean = |x: Tensor<2>| {
            x.reshape([rows / members, members, output]).mean_dim(1).reshape([rows / members, output])
        };
        match layer.average {
            Average::Output => mean(each),
            Average::Sigmoid => {
                let p = mean(activation::sigmoid(each)).clamp(TINY, 1.0 - 1e-7);
                p.clone().log() - p.neg().add_scalar(1.0).log()
            }
            Average::Softmax => mean(activation::softmax(each, 1)).clamp_min(TINY).log(),
        }
    }
}
