//! Errors of networks, weights and devices.

use cupola_spec::ShapeError;

/// An invalid architecture, weights that don't fit it, or a device that fails.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A layer that doesn't fit its input.
    #[error(transparent)]
    Shape(#[from] ShapeError),
    /// Sizes that are zero or contradict each other.
    #[error(
        "invalid architecture: the inputs are empty or contradict each other, or the number of outputs, {output}, is wrong; restore the file from its source"
    )]
    Input {
        /// Width of the head.
        output: usize,
    },
    /// A trunk whose output the head doesn't take.
    #[error(
        "the trunk ends in shape {found:?}, but the head requires a flat one; end it with `flatten`, `take` or `global_avg_pool`"
    )]
    NotFlat {
        /// Shape of the trunk's output.
        found: Vec<usize>,
    },
    /// A type that the device doesn't compute in.
    #[error("{device} does not support train.precision = \"{precision}\"; use \"fp32\"")]
    Precision {
        /// Name of the device.
        device: String,
        /// Requested precision.
        precision: &'static str,
    },
    /// A sequence that is empty or too long.
    #[error("the text has {found} tokens, expected 1 to {most}; shorten the text")]
    TextLength {
        /// Tokens of the text.
        found: usize,
        /// Maximum of the network.
        most: usize,
    },
    /// A weight of the architecture that the file lacks.
    #[error("weight `{name}` is missing; the file is not of this architecture")]
    Missing {
        /// Name of the weight.
        name: String,
    },
    /// Weights of the file that the architecture lacks.
    #[error("weights {names} are not in the architecture; the file is of another one")]
    Unexpected {
        /// Names of the weights.
        names: String,
    },
    /// A weight of another shape.
    #[error(
        "weight `{name}` has shape {found:?}, expected {expected:?}; the file is not of this architecture"
    )]
    WeightShape {
        /// Name of the weight.
        name: String,
        /// Shape by the architecture.
        expected: Vec<usize>,
        /// Shape in the file.
        found: Vec<usize>,
    },
    /// A weight of another type.
    #[error("weight `{name}` has type {found}, expected F32; convert it")]
    Dtype {
        /// Name of the weight.
        name: String,
        /// Type in the file.
        found: String,
    },
    /// A file of weights that can't be read further.
    #[error("failed to read the weights: {why}; restore the file from its source")]
    Read {
        /// Error of the operating system.
        why: String,
    },
    /// A file that is not safetensors, or is damaged.
    #[error("invalid safetensors file: {why}; restore it from its source")]
    Safetensors {
        /// Error of the reader.
        why: String,
    },
    /// A device that computes wrong numbers.
    #[error(
        "device {device} computes wrong numbers for this network: {what} differs by {off:.1e} of its largest value, more than {allowed:.0e}; use --device flex or another driver"
    )]
    Disagrees {
        /// Name of the device.
        device: String,
        /// `the loss` or a gradient's name.
        what: String,
        /// Difference relative to the largest value.
        off: f32,
        /// Tolerance.
        allowed: f32,
    },
    /// A device that doesn't open, or fails later.
    #[error("device {device}: {why}; use --device flex to run on the CPU")]
    Device {
        /// Name of the device.
        device: String,
        /// Error of the device.
        why: String,
    },
    /// A device name that doesn't exist.
    #[error("unknown device `{name}`; expected auto, vulkan, flex or ndarray")]
    UnknownDevice {
        /// The given name.
        name: String,
    },
    /// No working physical GPU.
    #[error("{why}")]
    NoGpu {
        /// Reason, such as a missing driver.
        why: String,
    },
}
