//! The declarative layer list: what `[[layers]]` may hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One layer. Shapes leave the batch axis out; images are `[channels, height, width]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// `[in] -> [out]`, as `torch.nn.Linear`.
    Linear {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// Whether there is a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// `[c, h, w] -> [out, h', w']`, as `torch.nn.Conv2d`.
    Conv2d {
        /// Channels of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// Side of the square kernel.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the kernel.
        #[serde(default = "one")]
        #[schemars(range(min = 1))]
        stride: usize,
        /// Zeros around the image.
        #[serde(default)]
        padding: usize,
        /// Whether there is a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Over the channels (or the features of a flat input), as `torch.nn.BatchNorm2d`/`1d`:
    /// momentum 0.1, eps 1e-5.
    BatchNorm {},
    /// Over the last axis, as `torch.nn.LayerNorm`, eps 1e-5.
    LayerNorm {},
    /// As `torch.nn.MaxPool2d`.
    MaxPool {
        /// Side of the window.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the window; the kernel's side where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// As `torch.nn.AvgPool2d`.
    AvgPool {
        /// Side of the window.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the window; the kernel's side where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// Mean over height and width: `[c, h, w] -> [c]`.
    GlobalAvgPool {},
    /// Zeroes values in training with probability `p`.
    Dropout {
        /// Probability of a zero.
        #[schemars(range(min = 0.0, max = 0.99))]
        p: f64,
    },
    /// An elementwise function.
    Activation {
        /// Which one.
        function: Activation,
    },
    /// `[c, h, w] -> [c * h * w]`.
    Flatten {},
    /// `x + body(x)`, or `shortcut(x) + body(x)`.
    Residual {
        /// The main branch.
        layers: Vec<Layer>,
        /// The other branch, where the shapes differ.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
    },
}

/// Elementwise functions, as `PyTorch` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// Exact, with erf.
    Gelu,
    /// `x * sigmoid(x)`
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
}

impl Layer {
    /// The layer's name as typed in `type`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Linear { .. } => "linear",
            Self::Conv2d { .. } => "conv2d",
            Self::BatchNorm {} => "batch_norm",
            Self::LayerNorm {} => "layer_norm",
            Self::MaxPool { .. } => "max_pool",
            Self::AvgPool { .. } => "avg_pool",
            Self::GlobalAvgPool {} => "global_avg_pool",
            Self::Dropout { .. } => "dropout",
            Self::Activation { function } => function.name(),
            Self::Flatten {} => "flatten",
            Self::Residual { .. } => "residual",
        }
    }
}

impl Activation {
    /// The function's name as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
        }
    }
}

fn yes() -> bool {
    true
}

fn one() -> usize {
    1
}
