//! The fitted plan: everything between a raw row and an example, as one value that can be sealed.

use cupola_spec::Target;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Examples, Layout};
use crate::frame::Frame;
use crate::infer::Resolved;
use crate::target::FittedTarget;
use crate::transform::FittedInput;

/// The fitted plan, `plan.json` of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the file format.
    pub format_version: u32,
    /// Texts that mean "missing" in CSV, as in the run's config.
    pub null_texts: Vec<String>,
    /// In the order of their values in an example.
    pub inputs: Vec<FittedInput>,
    /// What is predicted.
    pub target: FittedTarget,
}

impl Plan {
    /// Version of `plan.json` that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// Learns from the training rows; the classes of the target from `all` rows.
    ///
    /// # Errors
    /// Values that do not fit their kind, a target that cannot be learned.
    pub fn fit(inputs: &[Resolved], target: &Target, all: &[&Frame], train: &Frame) -> Result<Self, Error> {
        let target = FittedTarget::fit(target, all, train)?;
        let inputs = inputs.iter().map(|input| FittedInput::fit(input, train)).collect::<Result<_, _>>()?;
        Ok(Self { format_version: Self::FORMAT_VERSION, null_texts: Vec::new(), inputs, target })
    }

    /// What one example looks like.
    pub fn layout(&self) -> Layout {
        let dense = match self.inputs.as_slice() {
            [FittedInput::Image { shape, .. }] => shape.to_vec(),
            inputs => vec![inputs.iter().map(FittedInput::dense_width).sum()],
        };
        Layout { dense, indices: self.inputs.iter().flat_map(FittedInput::index_sizes).collect() }
    }

    /// Examples for all rows. The target's column need not be there.
    ///
    /// # Errors
    /// The first column or value that does not fit, with its row.
    pub fn apply(&self, frame: &Frame) -> Result<Examples, Error> {
        let mut out = Examples::zeros(self.layout(), frame.rows());
        let (mut dense, mut index) = (0, 0);
        for input in &self.inputs {
            input.apply(frame, &mut out, dense, index)?;
            dense += input.dense_width();
            index += input.index_sizes().len();
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests;
