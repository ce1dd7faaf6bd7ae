//! The last layer: from the trunk's output to logits.

use candle_core::{Error as CandleError, Tensor};
use cupola_kernels::{LinearKernel, WeightFormat};
use cupola_nn::{Average, LogitPart};
use cupola_spec::Head;

use super::layers::MaskedTensor;
use super::tensors;
use super::tensors::{sigmoid, softmax};
use super::weights::WeightLookup;
use crate::error::Error;

/// Vocabulary size from which on the head is stored in the format of the other layers. A smaller head stays in floats:
/// it costs little, and its rounding would reach the logits directly.
const LARGE_VOCABULARY: usize = 4_096;
/// Lower bound of probabilities, which keeps their logarithm finite.
const MIN_PROBABILITY: f64 = 1e-12;

/// The layer that gives logits.
pub(super) enum HeadLayer {
    /// Linear layer, and the bound of its outputs.
    Linear(LinearKernel, Option<f32>),
    Identity,
    /// A head for each member of an ensemble: `[members, in, out]` and `[members, 1, out]`.
    Members(Tensor, Tensor, Vec<LogitPart>),
}

impl HeadLayer {
    pub fn new(lookup: &WeightLookup<'_>) -> Result<Self, Error> {
        let architecture = lookup.architecture;
        let large = architecture.output >= LARGE_VOCABULARY;
        let format = if large { lookup.format } else { WeightFormat::F32 };
        Ok(match architecture.head {
            Head::Vector | Head::Steps => {
                #[allow(clippy::cast_possible_truncation, reason = "logits are in single precision")]
                let bound = architecture.logit_softcap.map(|bound| bound as f32);
                Self::Linear(WeightLookup { format, ..*lookup }.linear(&["head"], true)?, bound)
            }
            Head::Identity => Self::Identity,
            Head::Members => {
                let bias = lookup.get("head", "bias")?.unsqueeze(1)?;
                Self::Members(lookup.get("head", "weight")?, bias, architecture.logit_parts())
            }
        })
    }

    /// Logits `[rows, output]`.
    pub fn forward(&self, flow: MaskedTensor, output: usize) -> Result<Tensor, CandleError> {
        match self {
            Self::Linear(linear, bound) => tensors::map_rows(&flow.x, linear.output, |x| {
                let mut logits = linear.forward(x);
                if let Some(bound) = bound {
                    for logit in &mut logits {
                        *logit = bound * (*logit / bound).tanh();
                    }
                }
                logits
            }),
            Self::Identity => Ok(flow.x),
            Self::Members(weight, bias, parts) => {
                let x = flow.x.transpose(0, 1)?.contiguous()?.matmul(weight)?.broadcast_add(bias)?;
                let x = x.transpose(0, 1)?.contiguous()?;
                let mut at = 0;
                let parts = parts.iter().map(|part| {
                    at += part.width;
                    average_members(&x.narrow(2, at - part.width, part.width)?.contiguous()?, part.average)
                });
                Tensor::cat(&parts.collect::<Result<Vec<_>, _>>()?, 1)?.reshape(((), output))
            }
        }
    }
}

/// Averages `[rows, members, width]` over members, as logits `[rows, width]`.
fn average_members(x: &Tensor, average: Average) -> Result<Tensor, CandleError> {
    match average {
        Average::Output => x.mean(1),
        Average::Sigmoid => {
            let p = sigmoid(x)?.mean(1)?.clamp(MIN_PROBABILITY, 1.0 - 1e-7)?;
            p.log()? - p.neg()?.affine(1.0, 1.0)?.log()?
        }
        Average::Softmax => softmax(x)?.mean(1)?.maximum(MIN_PROBABILITY)?.log(),
    }
}
