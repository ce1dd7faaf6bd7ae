//! The fitted plan: everything between a raw row and an example, as one value that can be sealed.

use cupola_spec::{Block, Target, TargetKind};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Examples, Filling, Layout};
use crate::frame::Frame;
use crate::infer::Resolved;
use crate::target::{Answer, FittedTarget};
use crate::text::FittedTokenizer;
use crate::transform::FittedInput;
use crate::window::long_enough;

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
    /// What else is predicted: categories and numbers, whose logits follow those of `target`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further: Vec<FittedTarget>,
}

impl Plan {
    /// Version of `plan.json` that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 2;

    /// Learns from the training rows; the classes of the targets from `all` rows.
    ///
    /// # Errors
    /// Values that do not fit their kind, a target that cannot be learned.
    pub fn fit<'a>(
        inputs: &[Resolved],
        target: &Target,
        further: impl IntoIterator<Item = &'a Target>,
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Self, Error> {
        let inputs: Vec<FittedInput> =
            inputs.iter().map(|input| FittedInput::fit(input, train)).collect::<Result<_, _>>()?;
        let target = match (target.kind, inputs.as_slice()) {
            (TargetKind::NextToken, [FittedInput::Text { column, tokenizer, .. }]) => {
                let (name, column) = (target.name.clone(), column.clone());
                FittedTarget::NextToken { name, column, vocabulary: tokenizer.vocabulary() }
            }
            _ => FittedTarget::fit(target, &inputs, all, train)?,
        };
        let fitted = further.into_iter().map(|target| FittedTarget::fit(target, &inputs, all, train));
        let further = fitted.collect::<Result<_, _>>()?;
        let format_version = Self::FORMAT_VERSION;
        let mut plan = Self { format_version, null_texts: Vec::new(), inputs, target, further };
        let dense = plan.layout().dense_width();
        if let FittedTarget::Reconstruct { width, .. } = &mut plan.target {
            *width = dense;
        }
        Ok(plan)
    }

    /// The plan of a model that makes a vector of `width` numbers of a text, which stands in a column
    /// `text`.
    pub fn embedding(tokenizer: FittedTokenizer, length: usize, width: usize) -> Self {
        let (name, column) = ("text".to_owned(), "text".to_owned());
        let text = FittedInput::Text { name, column, length, tokenizer };
        Self {
            format_version: Self::FORMAT_VERSION,
            null_texts: Vec::new(),
            inputs: vec![text],
            target: FittedTarget::Embedding { name: "embedding".to_owned(), width },
            further: Vec::new(),
        }
    }

    /// All that is predicted, in the order of their logits.
    pub fn targets(&self) -> impl Iterator<Item = &FittedTarget> {
        std::iter::once(&self.target).chain(&self.further)
    }

    /// Logits of one example.
    pub fn width(&self) -> usize {
        self.targets().map(FittedTarget::width).sum()
    }

    /// The answers that one row's logits stand for; `own` are the real numbers of the row's example.
    pub fn decode(&self, logits: &[f32], own: &[f32]) -> Answer {
        let mut rest = logits;
        let each = self.targets().map(|target| {
            let (logits, after) = rest.split_at(target.width().min(rest.len()));
            rest = after;
            (target.name().to_owned(), target.decode(logits, own))
        });
        each.collect()
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

    /// The tokenizer of its first text.
    pub fn tokenizer(&self) -> Option<&FittedTokenizer> {
        self.inputs.iter().find_map(|input| match input {
            FittedInput::Text { tokenizer, .. } => Some(tokenizer),
            _ => None,
        })
    }

    /// Rows that one example is made of, where they are steps in time.
    pub fn window(&self) -> Option<usize> {
        self.inputs.iter().find_map(|input| input.window().map(|(window, _)| window))
    }

    /// Examples for all rows, or with a window for each row but the first `window - 1`. The target's
    /// column need not be there.
    ///
    /// # Errors
    /// The first column or value that does not fit, with its row.
    pub fn apply(&self, frame: &Frame) -> Result<Examples, Error> {
        let Some(window) = self.window() else {
            let mut out = Filling::new(self.layout(), frame.rows());
            self.inputs.iter().try_for_each(|input| input.apply(frame, &mut out))?;
            return Ok(out.examples);
        };
        long_enough(window, frame.rows(), self.target.name())?;
        let ends: Vec<usize> = (window - 1..frame.rows()).collect();
        let mut out = Filling::new(self.layout(), ends.len());
        let ends = frame.take(&ends);
        for input in &self.inputs {
            input.apply(if input.window().is_some() { frame } else { &ends }, &mut out)?;
        }
        Ok(out.examples)
    }
}

#[cfg(test)]
mod tests;
