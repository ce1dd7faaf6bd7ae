//! The contract of a layer kind: its weights, the shape that it returns and its cost.
//!
//! Each kind states these facts once, in its own file of this folder, and everything else derives from them:
//!
//! - The layer table ([`trace`](crate::trace)) has one row for each module, with output shape, parameter count,
//!   weights and cost.
//! - A builder or loader walks the rows of the table and takes each [`WeightSpec`] under the name
//!   `{row.name}.{weight.name}`, such as `trunk.0.weight`, in that order. A fresh weight is drawn as [`Init`]
//!   says; a stored one must have exactly this shape.
//! - Memory and time estimates sum the [`Cost`]s of the rows and scale them by the batch.
//!
//! Embedding tables and the head have the same contract: [`Embedding::contract`](crate::Embedding::contract)
//! and [`Head::contract`](crate::Head::contract). A test of the network crate compares the contracts of every
//! family with the names, shapes and initial values of its state dict.

/// Initial values of a weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// The same value everywhere: norms and running statistics.
    Constant(f32),
    /// Uniform in `±1/sqrt(fan_in)`, `PyTorch`'s default for linear and convolutional layers
    /// (`kaiming_uniform_` with `a = sqrt(5)`).
    Uniform {
        /// Number of values that one output sums over.
        fan_in: usize,
    },
    /// Normal with mean 0.
    Normal {
        /// Standard deviation; `PyTorch`'s default for embeddings is 1.
        deviation: f64,
    },
    /// 1 or -1 with equal probability.
    Signs,
    /// Uniform in `±pi`: phases of waves.
    Angle,
}

/// One weight of a layer, in `PyTorch`'s name and layout.
#[derive(Debug, Clone, PartialEq)]
pub struct WeightSpec {
    /// Name within the module, such as `weight`, `q.bias` or `weight_ih_l0`.
    pub name: String,
    /// Shape as it is stored; a linear weight is `[out, in]`.
    pub shape: Vec<usize>,
    /// Initial values.
    pub init: Init,
    /// `false` for running statistics, which follow the batches and have no gradient.
    pub trained: bool,
}

impl WeightSpec {
    /// A trained weight.
    pub fn new(name: &str, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self { name: name.to_owned(), shape: shape.into(), init, trained: true }
    }

    /// A tensor that is stored with the weights and not trained.
    pub fn buffer(name: &str, shape: impl Into<Vec<usize>>, init: Init) -> Self {
        Self { trained: false, ..Self::new(name, shape, init) }
    }

    /// `weight` `[out, in]` and, if there is one, `bias` `[out]` of a linear map under `prefix`, which is
    /// empty or ends with a dot.
    pub fn linear(prefix: &str, input: usize, out: usize, bias: bool) -> Vec<Self> {
        Self::affine(prefix, &[out, input], input, bias)
    }

    /// `weight` of `shape` and, if there is one, `bias` of the first axis's length: linear maps and
    /// convolutions.
    pub(crate) fn affine(prefix: &str, shape: &[usize], fan_in: usize, bias: bool) -> Vec<Self> {
        let init = Init::Uniform { fan_in };
        let mut weights = vec![Self::new(&format!("{prefix}weight"), shape, init)];
        if bias {
            weights.push(Self::new(&format!("{prefix}bias"), &shape[..1], init));
        }
        weights
    }

    /// Number of values. Saturates, because a package's file may state any size.
    pub fn len(&self) -> usize {
        self.shape.iter().fold(1, |size: usize, &axis| size.saturating_mul(axis))
    }

    /// `true` if an axis has no places.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Cost of a layer for one example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Multiply-adds of a forward pass. Element-wise functions count one for each element, and layers that
    /// only move values count none.
    pub multiply_adds: u64,
    /// Elements of the output, which training keeps for the backward pass.
    pub activations: u64,
}

impl Cost {
    /// The cost of `multiply_adds` that result in an output of `shape`.
    pub(crate) fn new(multiply_adds: u64, shape: &[usize]) -> Self {
        Self { multiply_adds, activations: volume(shape) }
    }
}

impl std::iter::Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), |a, b| Self {
            multiply_adds: a.multiply_adds.saturating_add(b.multiply_adds),
            activations: a.activations.saturating_add(b.activations),
        })
    }
}

/// Facts about a layer at a given input shape. Shapes leave the batch axis out.
#[derive(Debug, Clone, PartialEq)]
pub struct LayerContract {
    /// Shape that the layer returns.
    pub output: Vec<usize>,
    /// Weights of the layer itself, in the order in which a network is built; those of the layers inside a
    /// `residual` belong to these layers.
    pub weights: Vec<WeightSpec>,
    /// Cost of the layer itself.
    pub cost: Cost,
}

impl LayerContract {
    pub(crate) fn new(output: Vec<usize>, weights: Vec<WeightSpec>, multiply_adds: u64) -> Self {
        let cost = Cost::new(multiply_adds, &output);
        Self { output, weights, cost }
    }

    /// A layer that moves values and has no weights.
    pub(crate) fn moves(output: Vec<usize>) -> Self {
        Self::new(output, Vec::new(), 0)
    }

    /// A layer without weights that computes each element of its output with `each` multiply-adds.
    pub(crate) fn elementwise(output: Vec<usize>, each: usize) -> Self {
        let multiply_adds = work(&[volume(&output), each as u64]);
        Self::new(output, Vec::new(), multiply_adds)
    }

    /// Number of trained values.
    pub fn parameters(&self) -> usize {
        let trained = self.weights.iter().filter(|weight| weight.trained);
        trained.fold(0, |sum: usize, weight| sum.saturating_add(weight.len()))
    }
}

/// A layer's requirement that its input or its settings do not meet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The requirement, such as "a sequence [time, width]".
    pub needs: &'static str,
    /// The shape that was found in its place.
    pub found: Vec<usize>,
    /// The change that meets the requirement.
    pub remedy: &'static str,
}

impl Misfit {
    pub(crate) fn new(input: &[usize], needs: &'static str, remedy: &'static str) -> Self {
        Self { needs, found: input.to_vec(), remedy }
    }
}

/// Width of a flat input.
pub(crate) fn flat(input: &[usize]) -> Result<usize, Misfit> {
    match *input {
        [width] => Ok(width),
        _ => Err(Misfit::new(
            input,
            "a flat input [width]",
            "put `flatten`, `take` or `global_avg_pool` before it",
        )),
    }
}

/// Time and width of a sequence.
pub(crate) fn sequence(input: &[usize]) -> Result<(usize, usize), Misfit> {
    match *input {
        [time, width] => Ok((time, width)),
        _ => Err(Misfit::new(
            input,
            "a sequence [time, width]",
            "use a text or a series, or put `patch` or `feature_tokens` before it",
        )),
    }
}

/// Channels, height and width of an image.
pub(crate) fn image(input: &[usize]) -> Result<(usize, usize, usize), Misfit> {
    match *input {
        [channels, height, width] => Ok((channels, height, width)),
        _ => Err(Misfit::new(
            input,
            "an image [channels, height, width]",
            "use an input of kind `image`, or a `linear` layer",
        )),
    }
}

/// Checks a probability. The file of a package has not been checked by the schema that bounds a config.
pub(crate) fn probability(input: &[usize], p: f64) -> Result<(), Misfit> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Misfit::new(input, "a probability of at least 0 and below 1", "change the probability"))
}

/// Positions of a window of `kernel` on `n` places, `floor((n - kernel) / stride) + 1`; `None` if there are
/// none.
pub(crate) fn positions(n: usize, kernel: usize, stride: usize) -> Option<usize> {
    (n >= kernel && stride > 0 && kernel > 0).then(|| (n - kernel) / stride + 1)
}

/// Size of the last axis.
pub(crate) fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(0)
}

/// `shape` with another size of the last axis.
pub(crate) fn with_last(shape: &[usize], size: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(last) = shape.last_mut() {
        *last = size;
    }
    shape
}

/// Number of elements of a shape. Saturates.
pub(crate) fn volume(shape: &[usize]) -> u64 {
    shape.iter().fold(1, |size: u64, &axis| size.saturating_mul(axis as u64))
}

/// Product of the factors of a multiply-add count. Saturates.
pub(crate) fn work(factors: &[u64]) -> u64 {
    factors.iter().fold(1, |product: u64, &factor| product.saturating_mul(factor))
}
