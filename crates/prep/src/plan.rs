//! The fitted plan: everything between a raw row and an example, as one value that can be sealed.

use cupola_spec::{Block, Target, TargetKind, TargetList};
use serde::{Deserialize, Serialize};

use crate::compact::Recipe;
use crate::derive::Derivation;
use crate::error::Error;
use crate::examples::{Examples, Filling, Layout};
use crate::frame::Frame;
use crate::infer::Resolved;
use crate::parts::parts;
use crate::target::{Answer, Chat, FittedTarget};
use crate::text::FittedTokenizer;
use crate::transform::{FittedInput, InputFit, Outcomes, folds};
use crate::window::long_enough;

/// Rows from which on inputs are learned by several threads.
const MANY_ROWS: usize = 100_000;

/// The fitted plan, `plan.json` of a package.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of the file format.
    pub format_version: u32,
    /// Texts that mean "missing" in CSV, as in the run's config.
    pub null_texts: Vec<String>,
    /// Repairs and computed columns.
    #[serde(default, skip_serializing_if = "Derivation::is_empty")]
    pub derive: Derivation,
    /// In the order of their values in an example.
    pub inputs: Vec<FittedInput>,
    /// What is predicted, in the order of the logits.
    #[serde(flatten)]
    pub targets: TargetList<FittedTarget>,
}

impl Plan {
    /// Version of `plan.json` that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 2;

    /// Learns from the training rows; the classes of the targets from `all` rows. Rows are derived already.
    ///
    /// # Errors
    /// Values that do not fit their kind, a target that cannot be learned.
    pub fn fit(
        inputs: &[Resolved],
        targets: &TargetList<Target>,
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Self, Error> {
        let mut fit = PlanFit::new(inputs, targets.first(), train, true)?;
        fit.see(train)?;
        fit.finish(targets, all, train)
    }

    /// The plan of a model that makes a vector of `width` numbers of a text, which stands in a column
    /// `text`.
    pub fn embedding(tokenizer: FittedTokenizer, length: usize, width: usize) -> Self {
        let (name, column) = ("text".to_owned(), "text".to_owned());
        Self {
            inputs: vec![FittedInput::Text { name, column, length, tokenizer }],
            targets: TargetList::single(FittedTarget::Embedding { name: "embedding".to_owned(), width }),
            ..Self::nothing()
        }
    }

    /// A plan without inputs, for one that was not fitted.
    fn nothing() -> Self {
        Self {
            format_version: Self::FORMAT_VERSION,
            null_texts: Vec::new(),
            derive: Derivation::default(),
            inputs: Vec::new(),
            targets: TargetList::single(FittedTarget::Embedding { name: String::new(), width: 0 }),
        }
    }

    /// The plan of a model that tells the class of a text, which stands in a column `text`; the class in a column
    /// `label`.
    pub fn classifier(tokenizer: FittedTokenizer, length: usize, classes: Vec<String>) -> Self {
        let text = || "text".to_owned();
        let (name, column) = ("label".to_owned(), "label".to_owned());
        Self {
            inputs: vec![FittedInput::Text { name: text(), column: text(), length, tokenizer }],
            targets: TargetList::single(FittedTarget::Category { name, column, classes, numeric: false }),
            ..Self::nothing()
        }
    }

    /// The plan of a model that goes on with texts of up to `length` tokens, which stand in a column `text`;
    /// `ends` are the tokens that end one.
    pub fn language(tokenizer: FittedTokenizer, length: usize, ends: Vec<u32>, chat: Option<Chat>) -> Self {
        let name = || "text".to_owned();
        let vocabulary = tokenizer.vocabulary();
        Self {
            inputs: vec![FittedInput::Text { name: name(), column: name(), length, tokenizer }],
            targets: TargetList::single(FittedTarget::NextToken {
                name: name(),
                column: name(),
                vocabulary,
                ends,
                chat,
            }),
            ..Self::nothing()
        }
    }

    /// Logits of one example.
    pub fn width(&self) -> usize {
        self.targets.iter().map(FittedTarget::width).sum()
    }

    /// The answers that one row's logits stand for; `own` are the real numbers of the row's example.
    pub fn decode(&self, logits: &[f32], own: &[f32]) -> Answer {
        let mut rest = logits;
        let each = self.targets.iter().map(|target| {
            let (logits, after) = rest.split_at(target.width().min(rest.len()));
            rest = after;
            (target.name().to_owned(), target.decode(logits, own))
        });
        each.collect()
    }

    /// What one example looks like: all numbers and categories as one table, then the others in
    /// their order.
    pub fn layout(&self) -> Layout {
        self.recipe().layout
    }

    /// How an example that is kept small becomes what the network sees.
    pub fn recipe(&self) -> Recipe {
        let (mut numbers, mut steps, mut indices) = (0, Vec::new(), Vec::new());
        for (n, s, i) in self.inputs.iter().filter_map(FittedInput::in_table) {
            numbers += n;
            steps.extend(s);
            indices.extend(i);
        }
        let encoded = steps.iter().map(|step| step.width()).sum();
        let table = numbers + encoded + indices.len() > 0;
        let table = table.then_some(Block::Table { numbers, encoded, indices });
        let blocks = table.into_iter().chain(self.inputs.iter().filter_map(FittedInput::block)).collect();
        Recipe::new(Layout { blocks }, steps)
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
        Ok(self.recipe().expand(self.keep(&self.derive.apply(frame)?, false)?))
    }

    /// The same for rows that are derived already, kept small. Training rows are encoded by what the other
    /// folds say of the target.
    pub(crate) fn keep(&self, frame: &Frame, training: bool) -> Result<Examples, Error> {
        let recipe = self.recipe();
        let folds = (training && self.by_folds()).then(|| folds(frame));
        let Some(window) = self.window() else {
            return self.keep_rows(&recipe, frame, folds.as_deref());
        };
        long_enough(window, frame.rows(), self.targets.first().name())?;
        let ends: Vec<usize> = (window - 1..frame.rows()).collect();
        let mut out = Filling::new(recipe.kept.clone(), recipe.hot(), ends.len());
        let ends = frame.take(&ends);
        for input in &self.inputs {
            input.apply(if input.window().is_some() { frame } else { &ends }, None, &mut out)?;
        }
        Ok(out.examples)
    }

    /// One example for each row; many rows by several threads.
    fn keep_rows(&self, recipe: &Recipe, frame: &Frame, folds: Option<&[usize]>) -> Result<Examples, Error> {
        let part = |start: usize, rows: usize| {
            let mut out = Filling::new(recipe.kept.clone(), recipe.hot(), rows);
            let (own, folds) = (frame.slice(start, rows), folds.map(|folds| &folds[start..start + rows]));
            self.inputs.iter().try_for_each(|input| input.apply(&own, folds, &mut out))?;
            Ok(out.examples)
        };
        let mut all = Examples::zeros(recipe.kept.clone(), 0);
        for (start, part) in parts(frame.rows(), part) {
            all.append(part.map_err(|error: Error| error.after(start))?);
        }
        Ok(all)
    }

    /// Whether training rows are encoded apart.
    pub(crate) fn by_folds(&self) -> bool {
        let by_target = |input: &FittedInput| match input {
            FittedInput::Category { columns, .. } => columns.iter().any(|column| !column.own.is_empty()),
            _ => false,
        };
        self.inputs.iter().any(by_target)
    }

    /// The training rows among `rows`: those without a value so far out that they are left out.
    pub(crate) fn trained_on(&self, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
        let strict: Vec<&FittedInput> = self.inputs.iter().filter(|input| input.may_drop()).collect();
        if strict.is_empty() {
            return Ok(rows);
        }
        let mut far = vec![false; frame.rows()];
        for input in strict {
            far.iter_mut().zip(input.drops(frame)?).for_each(|(far, own)| *far |= own);
        }
        Ok(rows.into_iter().filter(|row| !far[*row]).collect())
    }
}

/// A plan that is being fitted: it has seen some training rows.
pub(crate) struct PlanFit {
    inputs: Vec<InputFit>,
    outcomes: Option<Outcomes>,
}

impl PlanFit {
    /// Begins. Texts and targets are learned of `sample`; of numbers all values are kept if `exact`.
    pub fn new(inputs: &[Resolved], target: &Target, sample: &Frame, exact: bool) -> Result<Self, Error> {
        let inputs: Vec<InputFit> =
            inputs.iter().map(|input| InputFit::new(input, sample, exact)).collect::<Result<_, _>>()?;
        let wanted = inputs.iter().any(InputFit::wants_outcomes);
        let outcomes = wanted.then(|| Outcomes::of(target, sample)).transpose()?;
        Ok(Self { inputs, outcomes })
    }

    /// Learns of training rows.
    pub fn see(&mut self, frame: &Frame) -> Result<(), Error> {
        let outcomes = self.outcomes.as_ref().map(|outcomes| outcomes.each(frame)).transpose()?;
        let outcomes = outcomes.as_deref();
        if frame.rows() < MANY_ROWS {
            return self.inputs.iter_mut().try_for_each(|input| input.see(frame, outcomes));
        }
        // Each learns by itself.
        let seen: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let each = self.inputs.iter_mut().map(|input| scope.spawn(move || input.see(frame, outcomes)));
            let running: Vec<_> = each.collect();
            let joined = running.into_iter().map(std::thread::ScopedJoinHandle::join);
            joined.map(|seen| seen.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        seen.into_iter().collect()
    }

    /// The plan, with targets of the rows there are.
    pub fn finish(self, targets: &TargetList<Target>, all: &[&Frame], train: &Frame) -> Result<Plan, Error> {
        let inputs: Vec<FittedInput> =
            self.inputs.into_iter().map(InputFit::finish).collect::<Result<_, _>>()?;
        let fit = |target: &Target| match (target.kind, inputs.as_slice()) {
            (TargetKind::NextToken, [FittedInput::Text { column, tokenizer, .. }]) => {
                let (name, column) = (target.name.clone(), column.clone());
                let vocabulary = tokenizer.vocabulary();
                Ok(FittedTarget::NextToken { name, column, vocabulary, ends: Vec::new(), chat: None })
            }
            _ => FittedTarget::fit(target, &inputs, all, train),
        };
        let targets = targets.try_map(fit)?;
        let (format_version, derive) = (Plan::FORMAT_VERSION, Derivation::default());
        let mut plan = Plan { format_version, null_texts: Vec::new(), derive, inputs, targets };
        let dense = plan.layout().dense_width();
        if let FittedTarget::Reconstruct { width, .. } = plan.targets.first_mut() {
            *width = dense;
        }
        Ok(plan)
    }
}

#[cfg(test)]
mod tests;
