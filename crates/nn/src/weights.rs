//! Where weights come from when a network is built.

use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::lora::is_adapter;
use crate::state_dict::{Array, StateDict};

/// How a weight starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Start {
    /// All one value: norms and running statistics.
    Constant(f32),
    /// Uniform in `±1/sqrt(fan_in)`, `PyTorch`'s default for linear and convolution.
    Uniform {
        /// Values that one output sums over.
        fan_in: usize,
    },
    /// Normal with mean 0.
    Normal {
        /// 1 is `PyTorch`'s default for embeddings.
        deviation: f64,
    },
    /// 1 or -1, with equal odds.
    Signs,
}

/// A source of weights, in `PyTorch`'s names and layouts.
pub trait Weights {
    /// The weight `name` of `shape`.
    ///
    /// # Errors
    /// When the source has no such weight.
    fn take(&mut self, name: &str, shape: &[usize], start: Start) -> Result<Vec<f32>, Error>;
}

/// Fresh weights. Each value is a function of the seed, the weight's name and its place, drawn on
/// the host, so every device starts from the same network.
#[derive(Debug, Clone, Copy)]
pub struct Drawn {
    /// Of the run.
    pub seed: u64,
}

impl Weights for Drawn {
    #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss)]
    fn take(&mut self, name: &str, shape: &[usize], start: Start) -> Result<Vec<f32>, Error> {
        let n: usize = shape.iter().product();
        let unit = |index: usize| {
            let mut hasher = Xxh3::with_seed(self.seed);
            hasher.update(b"init");
            hasher.update(name.as_bytes());
            hasher.update(&(index as u64).to_le_bytes());
            (hasher.digest() >> 11) as f64 / (1_u64 << 53) as f64
        };
        Ok(match start {
            Start::Constant(value) => vec![value; n],
            Start::Uniform { fan_in } => {
                let bound = 1.0 / (fan_in.max(1) as f64).sqrt();
                (0..n).map(|i| ((2.0 * unit(i) - 1.0) * bound) as f32).collect()
            }
            // Box and Muller 1958.
            Start::Normal { deviation } => (0..n)
                .map(|i| {
                    let radius = (-2.0 * (1.0 - unit(2 * i)).ln()).sqrt();
                    (deviation * radius * (std::f64::consts::TAU * unit(2 * i + 1)).cos()) as f32
                })
                .collect(),
            Start::Signs => (0..n).map(|i| if unit(i) < 0.5 { -1.0 } else { 1.0 }).collect(),
        })
    }
}

/// Weights to start from: those of a trained network for all but the head and what is new.
#[derive(Debug)]
pub struct Started<'a> {
    /// Of the trained network, by the places of its modules.
    pub weights: &'a StateDict,
    /// Name of the head.
    pub head: &'a str,
    /// For what is drawn.
    pub drawn: Drawn,
}

impl Weights for Started<'_> {
    fn take(&mut self, name: &str, shape: &[usize], start: Start) -> Result<Vec<f32>, Error> {
        let of_head = name.strip_prefix(self.head).is_some_and(|rest| rest.starts_with('.'));
        if of_head || is_adapter(name) {
            return self.drawn.take(name, shape, start);
        }
        let found = self.weights.get(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        // A shorter text takes the first positions.
        let longer = matches!((found.shape.as_slice(), shape), ([a, b], [c, d]) if a >= c && b == d);
        if found.shape == shape || longer && name.ends_with(".position") {
            return Ok(found.data[..shape.iter().product()].to_vec());
        }
        let (expected, found) = (shape.to_vec(), found.shape.clone());
        Err(Error::WeightShape { name: name.to_owned(), expected, found })
    }
}

/// Weights of a state dict; each may be taken once.
#[derive(Debug)]
pub struct Loaded {
    arrays: StateDict,
}

impl Loaded {
    /// Weights from a state dict.
    pub fn new(arrays: StateDict) -> Self {
        Self { arrays }
    }

    /// After the build: every weight must have found its place.
    ///
    /// # Errors
    /// [`Error::Unexpected`].
    pub fn finish(self) -> Result<(), Error> {
        let names: Vec<&str> = self.arrays.names().take(5).collect();
        if names.is_empty() { Ok(()) } else { Err(Error::Unexpected { names: names.join(", ") }) }
    }
}

impl Weights for Loaded {
    fn take(&mut self, name: &str, shape: &[usize], _: Start) -> Result<Vec<f32>, Error> {
        let Array { shape: found, data } =
            self.arrays.remove(name).ok_or_else(|| Error::Missing { name: name.to_owned() })?;
        if found != shape {
            let expected = shape.to_vec();
            return Err(Error::WeightShape { name: name.to_owned(), expected, found });
        }
        Ok(data)
    }
}
