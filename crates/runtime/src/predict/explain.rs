//! Explanations: shares of one prediction that belong to the columns of its row.
//!
//! | model | default method | reference |
//! |---|---|---|
//! | trees | exact `TreeSHAP` | rows of training, by the covers of the nodes |
//! | network | integrated gradients, with indices as embeddings | see [`Explanation::reference`] |
//! | any | permutation Shapley, if it is asked for | as for networks |
//!
//! Plain trees and the network with gradients are made for the first explanation, so a model that explains nothing pays
//! nothing.

mod explanation;
mod gradients;
mod groups;
mod parts;
mod permutation;
mod shares;
mod target;
mod time;
mod trees;

use cupola_budget::Budget;
use cupola_prep::{Examples, FittedTarget};
use indexmap::IndexMap;

use super::package::LoadedPackage;
pub use super::package::explainer::{ExplainMethod, ExplainOptions};
use super::tensors::PredictInput;
use crate::error::Error;

pub use self::explanation::{
    Explanation, ExplanationScale, LagAttribution, RowExplanations, TokenAttribution,
};
use self::groups::ColumnGroups;
use self::target::ExplainedOutput;
pub(super) use self::time::ExplainTime;

/// Most rows of one request that are explained.
pub const MOST_EXPLAINED: usize = 64;

/// Forward pass of examples: logits `[rows, width]`.
pub type ForwardPasses<'a> = dyn FnMut(Examples) -> Result<Vec<f32>, Error> + 'a;

/// All that the methods need of one row.
struct ExplainedRow<'a> {
    package: &'a LoadedPackage,
    groups: &'a ColumnGroups,
    /// One example.
    example: &'a Examples,
    time: &'a ExplainTime<'a>,
}

impl LoadedPackage {
    /// Checks that the model's predictions can be explained as asked, before they are made.
    ///
    /// # Errors
    /// [`Error::Explain`] for a kind of model or target without explanations, and for unknown names.
    pub fn check_explain(&self, options: &ExplainOptions) -> Result<(), Error> {
        let targets = self.plan.targets.iter();
        if let Some(name) = &options.target {
            let names = self.plan.targets.iter().map(FittedTarget::name);
            if !names.clone().any(|other| other == name) {
                let near = cupola_spec::did_you_mean(name, names);
                return Err(Error::explain("target", format!("unknown target `{name}`{near}")));
            }
        }
        let chosen =
            targets.filter(|target| options.target.as_deref().is_none_or(|name| name == target.name()));
        let mut classes = 0;
        for target in chosen {
            target::check_kind(target)?;
            classes += usize::from(target::class_index(target, options)?.is_some());
        }
        if let (Some(class), 0) = (&options.class, classes) {
            let why = format!(
                "unknown class `{class}`: no explained target has it; send one of the target's classes"
            );
            return Err(Error::explain("class", why));
        }
        self.explainer.method(options.method).map(drop)
    }

    /// Method that explains the model's predictions unless another is asked for; `None` for a kind of model without
    /// explanations.
    pub fn explained_by(&self) -> Option<ExplainMethod> {
        self.check_explain(&ExplainOptions::default()).ok()?;
        self.explainer.method(None).ok()
    }

    /// Explanations of the predictions of a request's input, per row by the names of the targets. `logits` are those of
    /// the input, `[rows, width]`. `forward` makes further forward passes, which permutation Shapley needs.
    ///
    /// # Errors
    /// [`Error::Explain`] for more than [`MOST_EXPLAINED`] rows and as [`Self::check_explain`], [`Error::Exceeded`], a
    /// failure of the device or of the package's files.
    pub fn explain(
        &self,
        (input, logits): (&PredictInput, &[f32]),
        options: &ExplainOptions,
        budget: &Budget,
        forward: &mut ForwardPasses<'_>,
    ) -> Result<Vec<RowExplanations>, Error> {
        self.check_explain(options)?;
        let examples = self.examples_of_input(input, budget)?;
        self.check_explained_rows(examples.rows)?;
        let time = ExplainTime::new(budget, options.time);
        self.explain_examples((input, &examples, logits), options, &time, forward)
    }

    /// Explanations of any number of examples, those of `input`.
    pub(super) fn explain_examples(
        &self,
        (input, examples, logits): (&PredictInput, &Examples, &[f32]),
        options: &ExplainOptions,
        time: &ExplainTime<'_>,
        forward: &mut ForwardPasses<'_>,
    ) -> Result<Vec<RowExplanations>, Error> {
        let method = self.explainer.method(options.method)?;
        let groups = ColumnGroups::of(&self.plan);
        time.budget.charge_each(examples.rows, groups.answer_bytes())?;
        let width = self.plan.width().max(1);
        let mut out = Vec::with_capacity(examples.rows);
        for (row, logits) in logits.chunks(width).enumerate().take(examples.rows) {
            let example = examples.gather(&[row]);
            let mut explained = IndexMap::new();
            let outputs = ExplainedOutput::all(&self.plan, options, logits)?;
            if row == 0 && method == ExplainMethod::TreeShap {
                let one = ExplainedRow { package: self, groups: &groups, example: &example, time };
                one.check_trees(&outputs, examples.rows)?;
            }
            for output in outputs {
                time.check()?;
                let share = time.share(examples.rows - row);
                let one = ExplainedRow { package: self, groups: &groups, example: &example, time: &share };
                let mut explanation = match method {
                    ExplainMethod::TreeShap => one.by_trees(&output)?,
                    ExplainMethod::IntegratedGradients => one.by_gradients(&output)?,
                    ExplainMethod::PermutationShapley => one.by_permutations(&output, forward)?,
                };
                explanation.place_tokens(&self.plan, &groups, (input, row))?;
                explained.insert(output.target.clone(), explanation);
            }
            out.push(explained);
        }
        Ok(out)
    }

    /// Checks that a request has no more rows than are explained at once.
    ///
    /// # Errors
    /// [`Error::Explain`].
    pub fn check_explained_rows(&self, rows: usize) -> Result<(), Error> {
        if rows <= MOST_EXPLAINED {
            return Ok(());
        }
        let why = format!(
            "{rows} rows are too many to explain: at most {MOST_EXPLAINED}; send them in several requests"
        );
        Err(Error::explain("rows", why))
    }
}
