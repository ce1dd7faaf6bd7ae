//! The declarative layer list: what `[[layers]]` may hold.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::rope::RopeScaling;

/// One layer. Shapes leave the batch axis out: `[width]` is flat, `[time, width]` a sequence and
/// `[channels, height, width]` an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// On the last axis: `[in] -> [out]`, `[time, in] -> [time, out]`, as `torch.nn.Linear`.
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
    /// Along time: `[time, in] -> [time, out]`, as `torch.nn.Conv1d` on the transpose. Zeros keep the
    /// length: on both sides, or only before the start where `causal`.
    Conv1d {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// Steps that one output sees; odd unless `causal`.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Distance between those steps.
        #[serde(default = "one")]
        #[schemars(range(min = 1))]
        dilation: usize,
        /// Whether an output sees only its own and earlier steps.
        #[serde(default)]
        causal: bool,
    },
    /// Over the channels (or the features of a flat input), as `torch.nn.BatchNorm2d`/`1d`:
    /// momentum 0.1, eps 1e-5.
    BatchNorm {},
    /// Over the last axis, as `torch.nn.LayerNorm`.
    LayerNorm {
        /// Added to the variance; 1e-5 where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eps: Option<f64>,
    },
    /// Over the last axis, as `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
    RmsNorm {
        /// Added to the mean square; 1e-5 where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eps: Option<f64>,
    },
    /// As `torch.nn.MaxPool2d`.
    MaxPool {
        /// Side of the window.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the window; the kernel's side where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
        /// Places around the image that never win; at most half the kernel.
        #[serde(default)]
        padding: usize,
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
    /// All axes in one: `[c, h, w] -> [c * h * w]`, `[time, width] -> [time * width]`.
    Flatten {},
    /// `x + body(x)`, or `shortcut(x) + body(x)`.
    Residual {
        /// The main branch.
        layers: Vec<Layer>,
        /// The other branch, where the shapes differ.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
        /// Stochastic depth: probability of leaving the main branch out for one example in training
        /// (Huang et al. 2016); what is kept is scaled by `1 / (1 - p)`.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(range(min = 0.0, max = 0.99))]
        drop_path: f64,
    },
    /// Multi-head scaled dot-product self-attention on `[time, width]` (Vaswani et al. 2017, 3.2).
    /// Padding of a text is not attended to.
    Attention {
        /// Number of heads; divides the width.
        #[schemars(range(min = 1))]
        heads: usize,
        /// Heads of keys and values, shared by groups of query heads (Ainslie et al. 2023); `heads`
        /// where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kv_heads: Option<usize>,
        /// Whether a step sees only itself and earlier steps.
        #[serde(default)]
        causal: bool,
        /// Rotary positions (Su et al. 2021), halves rotated as in Llama.
        #[serde(default)]
        rope: bool,
        /// Base of the rotary frequencies; 10000 where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rope_base: Option<f64>,
        /// How the rotary frequencies are made lower for longer texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rope_scaling: Option<RopeScaling>,
        /// Whether the four linear maps have a bias.
        #[serde(default = "yes")]
        bias: bool,
        /// Probability of zeroing an attention weight in training.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// A recurrent layer over `[time, in] -> [time, width]`, as `torch.nn.LSTM`/`GRU`.
    Recurrent {
        /// Which cell.
        cell: Cell,
        /// Width of the hidden state, for each direction.
        #[schemars(range(min = 1))]
        width: usize,
        /// Whether a second pass goes from the end; the output is then `2 * width` wide.
        #[serde(default)]
        bidirectional: bool,
    },
    /// Squares of an image as a sequence: `[c, h, w] -> [(h / size) * (w / size), width]`, as a
    /// `torch.nn.Conv2d` whose stride is its kernel (Dosovitskiy et al. 2021).
    Patch {
        /// Side of a square; divides both sides.
        #[schemars(range(min = 1))]
        size: usize,
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// Puts one learned token before the others: `[time, width] -> [time + 1, width]`.
    ClassToken {},
    /// Adds a learned vector to each place of a sequence.
    Position {},
    /// Each number of a flat input as a token of its own: `[n] -> [n, width]`, `x_i * w_i + b_i`
    /// (Gorishniy et al. 2021, 3.3).
    FeatureTokens {
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// `[n] -> [n, 2 * frequencies]`: `[cos(2 pi c x), sin(2 pi c x)]` with learned `c`
    /// (Gorishniy et al. 2022, 3.3).
    Periodic {
        /// Learned frequencies for each number.
        #[schemars(range(min = 1))]
        frequencies: usize,
        /// Deviation that they are drawn with.
        sigma: f64,
    },
    /// Copies of a flat input for the members of an ensemble: `[n] -> [members, n]`.
    Ensemble {
        /// Number of members.
        #[schemars(range(min = 1))]
        members: usize,
    },
    /// A linear layer that the members share up to scales of input and output and a bias of their
    /// own: `[members, in] -> [members, out]` (Wen et al. 2020; as in `TabM`, Gorishniy et al. 2024).
    BatchEnsemble {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// Whether the input's scales start as random signs, which tells the members apart; for the
        /// first such layer.
        #[serde(default)]
        signs: bool,
    },
    /// Halves the last axis: `a * f(b)` (Shazeer 2020).
    Glu {
        /// The function of the gate.
        function: Activation,
    },
    /// One vector of a sequence: `[time, width] -> [width]`.
    Take {
        /// Which one; padding of a text is left out.
        at: Take,
    },
    /// `[time, width] -> [width, time]`.
    Transpose {},
    /// A series as its moving average and what is left of it: `[time, width] -> [time, 2 * width]`
    /// (Zeng et al. 2023, 4). The ends are repeated to keep the length.
    Decompose {
        /// Steps of the average; odd.
        #[schemars(range(min = 1))]
        kernel: usize,
    },
    /// Stretches of a series as tokens: `[time, in] -> [(time - length) / stride + 1, width]`, as a
    /// `torch.nn.Conv1d` (Nie et al. 2023, 3.1). Steps that fill no stretch are left out at the start.
    SeriesPatch {
        /// Steps of a stretch.
        #[schemars(range(min = 1))]
        length: usize,
        /// Steps from one stretch to the next.
        #[schemars(range(min = 1))]
        stride: usize,
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// To length 1 along the last axis of a flat input: `x / max(|x|, 1e-12)`.
    Normalize {},
}

/// A recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Hochreiter and Schmidhuber 1997.
    Lstm,
    /// Cho et al. 2014, with the reset gate after the product, as cuDNN has it.
    Gru,
}

/// Which vector of a sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// The first step, such as a class token.
    First,
    /// The last step that is no padding.
    Last,
    /// The mean of all steps that are no padding.
    Mean,
}

/// Elementwise functions, as `PyTorch` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    Relu,
    /// Exact, with erf.
    Gelu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))` (Hendrycks and Gimpel 2016), as GPT-2 has it.
    #[serde(alias = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
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
            Self::LayerNorm { .. } => "layer_norm",
            Self::MaxPool { .. } => "max_pool",
            Self::AvgPool { .. } => "avg_pool",
            Self::GlobalAvgPool {} => "global_avg_pool",
            Self::Dropout { .. } => "dropout",
            Self::Activation { function } => function.name(),
            Self::Flatten {} => "flatten",
            Self::Residual { .. } => "residual",
            Self::Conv1d { .. } => "conv1d",
            Self::RmsNorm { .. } => "rms_norm",
            Self::Attention { .. } => "attention",
            Self::Recurrent { cell: Cell::Lstm, .. } => "lstm",
            Self::Recurrent { cell: Cell::Gru, .. } => "gru",
            Self::Patch { .. } => "patch",
            Self::ClassToken {} => "class_token",
            Self::Position {} => "position",
            Self::FeatureTokens { .. } => "feature_tokens",
            Self::Periodic { .. } => "periodic",
            Self::Ensemble { .. } => "ensemble",
            Self::BatchEnsemble { .. } => "batch_ensemble",
            Self::Glu { .. } => "glu",
            Self::Take { .. } => "take",
            Self::Transpose {} => "transpose",
            Self::Decompose { .. } => "decompose",
            Self::SeriesPatch { .. } => "series_patch",
            Self::Normalize {} => "normalize",
        }
    }
}

impl Activation {
    /// The function's name as typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
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

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(p: &f64) -> bool {
    *p == 0.0
}
