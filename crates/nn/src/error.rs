//! What can go wrong with a network, its weights or its device.

use cupola_spec::ShapeError;

/// A network that cannot be built, or weights that do not fit it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer does not fit what reaches it.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Sizes that no network has.
    #[error(
        "the inputs are empty or do not fit each other, or there are {output} outputs; such a network cannot be, so the file is not one of Cupola's"
    )]
    Input {
        /// Width of the head.
        output: usize,
    },
    /// The trunk does not end as the head needs it.
    #[error(
        "the trunk ends in shape {found:?}, but the head needs a flat one; end it with `flatten`, `take` or `global_avg_pool`"
    )]
    NotFlat {
        /// The shape.
        found: Vec<usize>,
    },
    /// A type that the device does not compute in.
    #[error("{device} does not compute in 16 bits (train.precision = \"{precision}\"); write \"fp32\"")]
    Precision {
        /// The device.
        device: String,
        /// As typed.
        precision: &'static str,
    },
    /// A text to go on with that is empty or too long.
    #[error("{found} tokens to go on with, but the network sees 1 to {most}; shorten the text")]
    TextLength {
        /// Its tokens.
        found: usize,
        /// Most that the network sees.
        most: usize,
    },
    /// A weight that the architecture has and the file lacks.
    #[error("weight `{name}` is missing; the file is not of this architecture")]
    Missing {
        /// Its name.
        name: String,
    },
    /// Weights that the architecture lacks.
    #[error("weights {names} are not in the architecture; the file is of another one")]
    Unexpected {
        /// Their names.
        names: String,
    },
    /// A weight of another shape.
    #[error(
        "weight `{name}` has shape {found:?}, expected {expected:?}; the file is not of this architecture"
    )]
    WeightShape {
        /// Its name.
        name: String,
        /// By the architecture.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// A weight of another type.
    #[error("weight `{name}` has type {found}, expected F32; convert it")]
    Dtype {
        /// Its name.
        name: String,
        /// In the file.
        found: String,
    },
    /// No safetensors, or a damaged one.
    #[error("not a valid safetensors file ({why}); restore it from its source")]
    Safetensors {
        /// What the reader said.
        why: String,
    },
    /// A device whose numbers are wrong.
    #[error(
        "device {device} computes wrong numbers for this network: {what} is off by {off:.1e} of its largest value, {allowed:.0e} is allowed; use --device flex, or another driver"
    )]
    Disagrees {
        /// Its name.
        device: String,
        /// `the loss` or a gradient's name.
        what: String,
        /// Largest difference, relative to the largest value.
        off: f32,
        /// What is allowed.
        allowed: f32,
    },
    /// A device that does not open, or fails later.
    #[error("device {device}: {why}; use --device flex to run on the CPU")]
    Device {
        /// Its name.
        device: String,
        /// What it said.
        why: String,
    },
}
