//! The declarative layer list: entries of `[[layers]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::attention::{AttentionSizes, AttentionVariant, RopeScaling};
use crate::layers::contract::{LayerContract, Misfit, WeightSpec};
use crate::layers::elementwise::{self, Activation};
use crate::layers::linear::linear;
use crate::layers::recurrent::{Cell, recurrent};
use crate::layers::residual::residual;
use crate::layers::sequence::{self, Take};
use crate::layers::window::{self, Conv2d};
use crate::layers::{norm, tabular};
use crate::model::Lora;

/// One layer. Shapes leave the batch axis out: `[width]` is a flat input, `[time, width]` a sequence and
/// `[channels, height, width]` an image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Layer {
    /// Linear map of the last axis, as `torch.nn.Linear`: `[in] -> [out]`, `[time, in] -> [time, out]`.
    Linear {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// `true` for a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Convolution of an image, as `torch.nn.Conv2d`: `[c, h, w] -> [out, h', w']`.
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
        /// `true` for a bias.
        #[serde(default = "yes")]
        bias: bool,
    },
    /// Convolution along time, as `torch.nn.Conv1d` on the transpose: `[time, in] -> [time, out]`. Zeros keep
    /// the length: on both sides, or only before the start with `causal`.
    Conv1d {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// Number of steps that one output sees; odd unless `causal`.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Distance between those steps.
        #[serde(default = "one")]
        #[schemars(range(min = 1))]
        dilation: usize,
        /// `true` if an output sees only its own and earlier steps.
        #[serde(default)]
        causal: bool,
    },
    /// Batch normalisation of the channels of an image or the features of a flat input, as
    /// `torch.nn.BatchNorm2d` and `1d` with momentum 0.1 and eps 1e-5.
    BatchNorm {},
    /// Layer normalisation of the last axis, as `torch.nn.LayerNorm`.
    LayerNorm {
        /// Small number added to the variance. Default: 1e-5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eps: Option<f64>,
    },
    /// Root-mean-square normalisation of the last axis, as `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
    RmsNorm {
        /// Small number added to the mean square. Default: 1e-5.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        eps: Option<f64>,
    },
    /// Maximum of each window of an image, as `torch.nn.MaxPool2d`.
    MaxPool {
        /// Side of the window.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the window. Default: the kernel's side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
        /// Padding around the image that is never the maximum; at most half the kernel.
        #[serde(default)]
        padding: usize,
    },
    /// Mean of each window of an image, as `torch.nn.AvgPool2d`.
    AvgPool {
        /// Side of the window.
        #[schemars(range(min = 1))]
        kernel: usize,
        /// Step of the window. Default: the kernel's side.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stride: Option<usize>,
    },
    /// Mean over height and width: `[c, h, w] -> [c]`.
    GlobalAvgPool {},
    /// Dropout: zeroes values in training with probability `p`.
    Dropout {
        /// Probability of a zero.
        #[schemars(range(min = 0.0, max = 0.99))]
        p: f64,
    },
    /// Element-wise activation function.
    Activation {
        /// The function.
        function: Activation,
    },
    /// Joins all axes into one: `[c, h, w] -> [c * h * w]`, `[time, width] -> [time * width]`.
    Flatten {},
    /// Sum of two branches: `x + layers(x)`, or `shortcut(x) + layers(x)`.
    Residual {
        /// The main branch.
        layers: Vec<Layer>,
        /// The other branch, if the main branch changes the shape. Default: the input itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        shortcut: Vec<Layer>,
        /// Stochastic depth: probability of skipping the main branch for one example in training
        /// (Huang et al. 2016). The outputs that remain are scaled by `1 / (1 - p)`.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(range(min = 0.0, max = 0.99))]
        drop_path: f64,
    },
    /// Multi-head scaled dot-product self-attention (Vaswani et al. 2017, 3.2): `[time, width]` to the same
    /// shape. Padding of a text is not attended to.
    Attention {
        /// Number of heads; divides the width.
        #[schemars(range(min = 1))]
        heads: usize,
        /// Number of key and value heads, each shared by a group of query heads (Ainslie et al. 2023).
        /// Default: `heads`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kv_heads: Option<usize>,
        /// `true` if a step sees only itself and earlier steps.
        #[serde(default)]
        causal: bool,
        /// Rotary position embeddings (Su et al. 2021), with the halves rotated as in Llama.
        #[serde(default)]
        rope: bool,
        /// Base of the rotary frequencies. Default: 10000.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rope_base: Option<f64>,
        /// Scaling of the rotary frequencies for longer texts.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rope_scaling: Option<RopeScaling>,
        /// `true` if the four linear maps have a bias.
        #[serde(default = "yes")]
        bias: bool,
        /// Probability of zeroing an attention weight in training.
        #[serde(default, skip_serializing_if = "is_zero")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
        /// Settings of published models that differ from Llama's.
        #[serde(default, skip_serializing_if = "AttentionVariant::is_default")]
        variant: AttentionVariant,
    },
    /// Recurrent layer, as `torch.nn.LSTM` or `GRU`: `[time, in] -> [time, width]`.
    Recurrent {
        /// The recurrent cell.
        cell: Cell,
        /// Width of the hidden state, for each direction.
        #[schemars(range(min = 1))]
        width: usize,
        /// `true` for a second pass from the end; the output is then `2 * width` wide.
        #[serde(default)]
        bidirectional: bool,
    },
    /// Square patches of an image as a sequence, as a `torch.nn.Conv2d` whose stride is its kernel
    /// (Dosovitskiy et al. 2021): `[c, h, w] -> [(h / size) * (w / size), width]`.
    Patch {
        /// Side of a patch in pixels; divides both sides of the image.
        #[schemars(range(min = 1))]
        size: usize,
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// Learned token before the others: `[time, width] -> [time + 1, width]`.
    ClassToken {},
    /// Learned position embedding: adds a vector to each step of a sequence.
    Position {},
    /// One token for each number of a flat input, `x_i * w_i + b_i` (Gorishniy et al. 2021, 3.3):
    /// `[n] -> [n, width]`.
    FeatureTokens {
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// Periodic embedding of each number, `[cos(2 pi c x), sin(2 pi c x)]` with learned `c` (Gorishniy et al.
    /// 2022, 3.3): `[n] -> [n, 2 * frequencies]`.
    Periodic {
        /// Number of learned frequencies for each number.
        #[schemars(range(min = 1))]
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        sigma: f64,
    },
    /// Learned waves of each number, a linear map of its own, and the number beside them (Holzmüller et al.
    /// 2024): `[cos(2 pi w x + b) A + c, x]`, `[n] -> [n, width]`.
    PeriodicDense {
        /// Number of learned frequencies for each number.
        #[schemars(range(min = 1))]
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        sigma: f64,
        /// Width of the embedding of each number, itself included.
        #[schemars(range(min = 2))]
        width: usize,
    },
    /// A learned factor for each feature of a flat input or a sequence, 1 before training.
    Scale {},
    /// An activation function of which each feature learns its share: `x + (f(x) - x) * mix` (Holzmüller et al.
    /// 2024).
    MixedActivation {
        /// Function that is mixed in.
        function: Activation,
    },
    /// Copies of a flat input for the members of an ensemble: `[n] -> [members, n]`.
    Ensemble {
        /// Number of members.
        #[schemars(range(min = 1))]
        members: usize,
    },
    /// Linear layer that the members of an ensemble share, except for their own scales of input and output
    /// and their own bias (Wen et al. 2020; as in `TabM`, Gorishniy et al. 2024):
    /// `[members, in] -> [members, out]`.
    BatchEnsemble {
        /// Width of the output.
        #[schemars(range(min = 1))]
        out: usize,
        /// `true` if the scales of the input start as random signs, so that the members differ; for the
        /// first such layer.
        #[serde(default)]
        signs: bool,
    },
    /// Gated linear unit on the two halves of the last axis, `a * f(b)` (Shazeer 2020).
    Glu {
        /// The activation function of the gate.
        function: Activation,
    },
    /// One vector of a sequence, or several side by side: `[time, width] -> [width]`.
    Take {
        /// The vector to take. Padding of a text is ignored.
        at: Take,
        /// Further vectors, which are put behind the first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<Take>,
    },
    /// Exchanges time and width: `[time, width] -> [width, time]`.
    Transpose {},
    /// Moving average of a series and the remainder beside it (Zeng et al. 2023, 4):
    /// `[time, width] -> [time, 2 * width]`. The ends are repeated to keep the length.
    Decompose {
        /// Number of steps of the average; odd.
        #[schemars(range(min = 1))]
        kernel: usize,
    },
    /// Patches of a series as tokens, as a `torch.nn.Conv1d` (Nie et al. 2023, 3.1):
    /// `[time, in] -> [(time - length) / stride + 1, width]`. Steps at the start that do not fill a patch are
    /// ignored.
    SeriesPatch {
        /// Number of steps of a patch.
        #[schemars(range(min = 1))]
        length: usize,
        /// Number of steps from one patch to the next.
        #[schemars(range(min = 1))]
        stride: usize,
        /// Width of a token.
        #[schemars(range(min = 1))]
        width: usize,
    },
    /// L2 normalisation of a flat input, `x / max(|x|, 1e-12)`.
    Normalize {},
}

impl Layer {
    /// Name of the layer, its `type` in a config; an activation, an LSTM or a GRU has its own name.
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
            Self::PeriodicDense { .. } => "periodic_dense",
            Self::Scale {} => "scale",
            Self::MixedActivation { .. } => "mixed_activation",
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

    /// Output shape, weights and cost for an input of shape `input`, batch axis left out.
    ///
    /// # Errors
    /// A shape or a setting that the layer does not accept. The layers within a `residual` are not named;
    /// [`trace`](crate::trace) names them.
    pub fn contract(&self, input: &[usize]) -> Result<LayerContract, Misfit> {
        match *self {
            Self::Linear { out, bias } => linear(input, out, bias),
            Self::Conv2d { out, kernel, stride, padding, bias } => {
                Conv2d { out, kernel, stride, padding, bias }.contract(input)
            }
            Self::Conv1d { out, kernel, dilation, causal } => {
                window::conv1d(input, out, kernel, dilation, causal)
            }
            Self::Patch { size, width } => window::patch(input, size, width),
            Self::SeriesPatch { length, stride, width } => window::series_patch(input, length, stride, width),
            Self::MaxPool { kernel, stride, padding } => {
                window::max_pool(input, kernel, stride.unwrap_or(kernel), padding)
            }
            Self::AvgPool { kernel, stride } => window::avg_pool(input, kernel, stride.unwrap_or(kernel)),
            Self::GlobalAvgPool {} => window::global_avg_pool(input),
            Self::BatchNorm {} => norm::batch_norm(input),
            Self::LayerNorm { eps } => norm::layer_norm(input, eps),
            Self::RmsNorm { eps } => norm::rms_norm(input, eps),
            Self::Normalize {} => norm::normalize(input),
            Self::Activation { .. } => Ok(elementwise::activation(input)),
            Self::Dropout { p } => elementwise::dropout(input, p),
            Self::Glu { .. } => elementwise::glu(input),
            Self::Attention { .. } => self.attention_sizes(input)?.contract(input),
            Self::Recurrent { cell, width, bidirectional } => recurrent(input, cell, width, bidirectional),
            Self::ClassToken {} => sequence::class_token(input),
            Self::Position {} => sequence::position(input),
            Self::Take { ref also, .. } => sequence::take(input, 1 + also.len()),
            Self::Transpose {} => sequence::transpose(input),
            Self::Flatten {} => Ok(sequence::flatten(input)),
            Self::Decompose { kernel } => sequence::decompose(input, kernel),
            Self::FeatureTokens { width } => tabular::feature_tokens(input, width),
            Self::Periodic { frequencies, sigma } => tabular::periodic(input, frequencies, sigma),
            Self::PeriodicDense { frequencies, sigma, width } => {
                tabular::periodic_dense(input, frequencies, sigma, width)
            }
            Self::Scale {} => elementwise::scale(input),
            Self::MixedActivation { .. } => elementwise::mixed_activation(input),
            Self::Ensemble { members } => tabular::ensemble(input, members),
            Self::BatchEnsemble { out, signs } => tabular::batch_ensemble(input, out, signs),
            Self::Residual { ref layers, ref shortcut, drop_path } => {
                residual(input, &output_of(layers, input)?, &output_of(shortcut, input)?, drop_path)
            }
        }
    }

    /// Weights that low-rank adaptation adds to the layer: two matrices for the queries and two for the
    /// values of an `attention`, none for other kinds.
    ///
    /// # Errors
    /// The errors of [`Layer::contract`].
    pub fn adapters(&self, input: &[usize], lora: Lora) -> Result<Vec<WeightSpec>, Misfit> {
        match self {
            Self::Attention { .. } => self.attention_sizes(input)?.adapters(input, lora),
            _ => Ok(Vec::new()),
        }
    }

    fn attention_sizes(&self, input: &[usize]) -> Result<AttentionSizes, Misfit> {
        let Self::Attention { heads, kv_heads, rope, ref rope_scaling, bias, dropout, variant, .. } = *self
        else {
            return Err(Misfit::new(input, "an attention layer", "change the kind of the layer"));
        };
        let rope_scaling = rope_scaling.clone();
        Ok(AttentionSizes { heads, kv_heads, rope, rope_scaling, bias, dropout, variant })
    }
}

/// Shape that a list of layers returns.
fn output_of(layers: &[Layer], input: &[usize]) -> Result<Vec<usize>, Misfit> {
    layers.iter().try_fold(input.to_vec(), |shape, layer| Ok(layer.contract(&shape)?.output))
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
