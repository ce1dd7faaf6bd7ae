//! Fitting of a plan to training rows, at once or batch by batch.

use std::thread::ScopedJoinHandle;

use cupola_spec::{SourceFormat, Target, TargetKind, TargetList};

use super::Plan;
use crate::error::Error;
use crate::features::{Derivation, ResolvedInput};
use crate::frame::Frame;
use crate::frame::meaning::ValueRules;
use crate::target::{FittedTarget, GenerationDefaults};
use crate::transform::{FittedInput, InputFit, Outcomes};

/// Number of rows from which on each input is fitted by a thread of its own.
const MIN_ROWS_FOR_THREADS: usize = 100_000;

/// Plan being fitted.
pub(crate) struct PlanFit {
    inputs: Vec<InputFit>,
    outcomes: Option<Outcomes>,
}

impl PlanFit {
    /// Starts a fit. Texts and targets are fitted to `sample`. If `exact`, all values of numbers are stored.
    pub fn new(
        inputs: &[ResolvedInput],
        target: &Target,
        sample: &Frame,
        exact: bool,
    ) -> Result<Self, Error> {
        let inputs: Vec<InputFit> =
            inputs.iter().map(|input| InputFit::new(input, sample, exact)).collect::<Result<_, _>>()?;
        let needs_outcomes = inputs.iter().any(InputFit::needs_outcomes);
        let outcomes = needs_outcomes.then(|| Outcomes::new(target, sample)).transpose()?;
        Ok(Self { inputs, outcomes })
    }

    /// Adds training rows.
    pub fn observe(&mut self, frame: &Frame) -> Result<(), Error> {
        let outcomes = self.outcomes.as_ref().map(|outcomes| outcomes.of(frame)).transpose()?;
        let outcomes = outcomes.as_deref();
        if frame.rows() < MIN_ROWS_FOR_THREADS {
            return self.inputs.iter_mut().try_for_each(|input| input.observe(frame, outcomes));
        }
        let observed: Vec<Result<(), Error>> = std::thread::scope(|scope| {
            let each = self.inputs.iter_mut();
            let running: Vec<_> =
                each.map(|input| scope.spawn(move || input.observe(frame, outcomes))).collect();
            let joined = running.into_iter().map(ScopedJoinHandle::join);
            joined.map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        });
        observed.into_iter().collect()
    }

    /// Computes the plan, and fits the targets to `all` and the training rows.
    pub fn finish(self, targets: &TargetList<Target>, all: &[&Frame], train: &Frame) -> Result<Plan, Error> {
        let inputs: Vec<FittedInput> =
            self.inputs.into_iter().map(InputFit::finish).collect::<Result<_, _>>()?;
        let fit = |target: &Target| match (target.kind, inputs.as_slice()) {
            (TargetKind::NextToken, [FittedInput::Text { column, tokenizer, .. }]) => {
                let (name, column) = (target.name.clone(), column.clone());
                let vocabulary = tokenizer.vocabulary();
                Ok(FittedTarget::NextToken {
                    name,
                    column,
                    vocabulary,
                    ends: Vec::new(),
                    chat: None,
                    generation: GenerationDefaults::default(),
                })
            }
            _ => FittedTarget::fit(target, &inputs, all, train),
        };
        let targets = targets.try_map(fit)?;
        let (format_version, derive) = (Plan::FORMAT_VERSION, Derivation::default());
        let (null_texts, values, query, series) = (Vec::new(), ValueRules::default(), None, None);
        let format = SourceFormat::default();
        let frequency = None;
        let mut plan = Plan {
            format_version,
            null_texts,
            values,
            query,
            format,
            derive,
            series,
            frequency,
            inputs,
            targets,
            uncertainty: None,
        };
        let dense = plan.layout().dense_width();
        if let FittedTarget::Reconstruct { width, .. } = plan.targets.first_mut() {
            *width = dense;
        }
        Ok(plan)
    }
}
