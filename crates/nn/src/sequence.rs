//! Layers on sequences `[batch, time, width]`.

use burn::module::{Module, Param};
use burn::tensor::module::{conv1d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Distribution, Int, Tensor};
use cupola_spec::Take;

use crate::builder::Builder;
use crate::error::Error;
use crate::input::Flow;
use crate::precision::{like, wide};
use crate::weights::Start;

/// Deviation of learned tokens and positions at the start, as in BERT.
const DEVIATION: f64 = 0.02;

/// A convolution along time that keeps the length.
#[derive(Module, Debug)]
pub struct Conv1d {
    /// `[out, in, kernel]`
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    dilation: usize,
    #[module(skip)]
    causal: bool,
}

impl Conv1d {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        input: usize,
        out: usize,
        kernel: usize,
        dilation: usize,
        causal: bool,
    ) -> Result<Self, Error> {
        let start = Start::Uniform { fan_in: input * kernel };
        Ok(Self {
            weight: builder.param(&format!("{name}.weight"), [out, input, kernel], start)?,
            bias: builder.param(&format!("{name}.bias"), [out], start)?,
            dilation,
            causal,
        })
    }

    /// `[batch, time, in]` to `[batch, time, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let x = x.swap_dims(1, 2);
        let [batch, width, _] = x.dims();
        let reach = (self.weight.dims()[2] - 1) * self.dilation;
        let (x, padding) = if self.causal && reach > 0 {
            let before = like(Tensor::<3>::zeros([batch, width, reach], &x.device()), &x);
            (Tensor::cat(vec![before, x], 2), 0)
        } else {
            (x, reach / 2)
        };
        let options = ConvOptions::new([1], [padding], [self.dilation], 1);
        let (weight, bias) = (like(self.weight.val(), &x), like(self.bias.val(), &x));
        conv1d(x, weight, Some(bias), options).swap_dims(1, 2)
    }
}

/// Squares of an image as tokens.
#[derive(Module, Debug)]
pub struct Patch {
    /// `[width, channels, size, size]`
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Patch {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        channels: usize,
        size: usize,
        width: usize,
    ) -> Result<Self, Error> {
        let start = Start::Uniform { fan_in: channels * size * size };
        Ok(Self {
            weight: builder.param(&format!("{name}.weight"), [width, channels, size, size], start)?,
            bias: builder.param(&format!("{name}.bias"), [width], start)?,
        })
    }

    /// `[batch, channels, height, width]` to `[batch, patches, width]`, row by row.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let size = self.weight.dims()[2];
        let options = ConvOptions::new([size, size], [0, 0], [1, 1], 1);
        let (weight, bias) = (like(self.weight.val(), &x), like(self.bias.val(), &x));
        let x = conv2d(x, weight, Some(bias), options);
        x.flatten::<3>(2, 3).swap_dims(1, 2)
    }
}

/// A learned first token.
#[derive(Module, Debug)]
pub struct ClassToken {
    /// `[width]`
    token: Param<Tensor<1>>,
}

impl ClassToken {
    pub(crate) fn build(builder: &mut Builder<'_>, name: &str, width: usize) -> Result<Self, Error> {
        let start = Start::Normal { deviation: DEVIATION };
        Ok(Self { token: builder.param(&format!("{name}.token"), [width], start)? })
    }

    /// One token longer; the new one is no padding.
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Flow {
        let [batch, _, width] = x.dims();
        let token = like(self.token.val(), &x).reshape([1, 1, width]).expand([batch, 1, width]);
        let mask = mask.map(|mask| {
            let first = mask.clone().narrow(1, 0, 1).int().zeros_like().bool();
            Tensor::cat(vec![first, mask], 1)
        });
        Flow::Sequence(Tensor::cat(vec![token, x], 1), mask)
    }
}

/// Learned positions.
#[derive(Module, Debug)]
pub struct Position {
    /// `[time, width]`
    position: Param<Tensor<2>>,
}

impl Position {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        time: usize,
        width: usize,
    ) -> Result<Self, Error> {
        let start = Start::Normal { deviation: DEVIATION };
        Ok(Self { position: builder.param(&format!("{name}.position"), [time, width], start)? })
    }

    /// Adds them.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let time = x.dims()[1];
        let position = like(self.position.val(), &x).narrow(0, 0, time).unsqueeze();
        x + position
    }

    /// Adds those of these steps.
    pub(crate) fn forward_at(&self, x: Tensor<3>, steps: Tensor<1, Int>) -> Tensor<3> {
        let position = like(self.position.val(), &x).select(0, steps).unsqueeze();
        x + position
    }
}

/// One vector of each sequence; `mask` is true at padding.
pub(crate) fn take(at: Take, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<2> {
    let [batch, time, width] = x.dims();
    match (at, mask) {
        (Take::First, _) => x.narrow(1, 0, 1).reshape([batch, width]),
        (Take::Last, None) => x.narrow(1, time - 1, 1).reshape([batch, width]),
        (Take::Mean, None) => wide(x, |x| x.mean_dim(1).reshape([batch, width])),
        (Take::Last, Some(mask)) => {
            let length = mask.bool_not().int().sum_dim(1);
            let last: Tensor<2, Int> = length.sub_scalar(1).clamp_min(0);
            let last = last.reshape([batch, 1, 1]).expand([batch, 1, width]);
            x.gather(1, last).reshape([batch, width])
        }
        (Take::Mean, Some(mask)) => {
            let keep = mask.bool_not().float();
            let length = keep.clone().sum_dim(1).clamp_min(1.0);
            let keep = keep.reshape([batch, time, 1]);
            wide(x, |x| (x * keep).sum_dim(1).reshape([batch, width]) / length)
        }
    }
}

/// In training zeroes whole examples with probability `p` and scales the others by `1 / (1 - p)`.
pub(crate) fn drop_path(x: Flow, p: f64) -> Flow {
    fn scaled<const D: usize>(x: Tensor<D>, p: f64) -> Tensor<D> {
        if !x.device().is_autodiff() {
            return x;
        }
        let mut shape = [1; D];
        shape[0] = x.dims()[0];
        let keep: Tensor<D> = Tensor::random(shape, Distribution::Bernoulli(1.0 - p), &x.device());
        let keep = like(keep.div_scalar(1.0 - p), &x);
        x * keep
    }
    if p <= 0.0 {
        return x;
    }
    match x {
        Flow::Flat(x) => Flow::Flat(scaled(x, p)),
        Flow::Sequence(x, mask) => Flow::Sequence(scaled(x, p), mask),
        Flow::Image(x) => Flow::Image(scaled(x, p)),
    }
}
