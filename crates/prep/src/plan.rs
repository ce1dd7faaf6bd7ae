//! The fitted plan: everything between a raw row and an example, as one value that can be sealed.

use cupola_spec::{Block, Target, TargetKind};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Examples, Filling, Layout};
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
    pub const FORMAT_VERSION: u32 = 2;

    /// Learns from the training rows; the classes of the target from `all` rows.
    ///
    /// # Errors
    /// Values that do not fit their kind, a target that cannot be learned.
    pub fn fit(inputs: &[Resolved], target: &Target, all: &[&Frame], train: &Frame) -> Result<Self, Error> {
        let inputs: Vec<FittedInput> =
            inputs.iter().map(|input| FittedInput::fit(input, train)).collect::<Result<_, _>>()?;
        let target = match (target.kind, inputs.as_slice()) {
            (TargetKind::NextToken, [FittedInput::Text { column, tokenizer, .. }]) => {
                let (name, column) = (target.name.clone(), column.clone());
                FittedTarget::NextToken { name, column, vocabulary: tokenizer.vocabulary() }
            }
            _ => FittedTarget::fit(target, all, train)?,
        };
        Ok(Self { format_version: Self::FORMAT_VERSION, null_texts: Vec::new(), inputs, target })
    }

    /// What one example looks like: all numbers and categories as one table, then the others in
    /// their order.
    pub fn layout(&self) -> Layout {
        let (mut numbers, mut encoded, mut indices) = (0, 0, Vec::new());
        for (n, e, i) in self.inputs.iter().filter_map(FittedInput::in_table) {
            numbers += n;
            encoded += e;
            indices.extend(i);
        }
        let table = numbers + encoded + indices.len() > 0;
        let table = table.then_some(Block::Table { numbers, encoded, indices });
        Layout {
            blocks: table.into_iter().chain(self.inputs.iter().filter_map(FittedInput::block)).collect(),
        }
    }

    /// Names of the layout's blocks: that of the input, `table` for the table.
    pub fn block_names(&self) -> Vec<&str> {
        let table = self.inputs.iter().any(|input| input.in_table().is_some());
        let own = self.inputs.iter().filter(|input| input.block().is_some()).map(FittedInput::name);
        table.then_some("table").into_iter().chain(own).collect()
    }

    /// Examples for all rows. The target's column need not be there.
    ///
    /// # Errors
    /// The first column or value that does not fit, with its row.
    pub fn apply(&self, frame: &Frame) -> Result<Examples, Error> {
        let mut out = Filling::new(self.layout(), frame.rows());
        self.inputs.iter().try_for_each(|input| input.apply(frame, &mut out))?;
        Ok(out.examples)
    }
}

#[cfg(test)]
mod tests;
