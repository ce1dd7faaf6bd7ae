//! Learning a plan from training rows.

use cupola_spec::{Target, TargetKind};

use super::Plan;
use crate::error::Error;
use crate::features::{Derivation, Resolved};
use crate::frame::Frame;
use crate::target::FittedTarget;
use crate::transform::{FittedInput, InputFit, Outcomes};

/// Rows from which on inputs are learned by several threads.
const MANY_ROWS: usize = 100_000;

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
    pub fn finish<'a>(
        self,
        target: &Target,
        further: impl IntoIterator<Item = &'a Target>,
        all: &[&Frame],
        train: &Frame,
    ) -> Result<Plan, Error> {
        let inputs: Vec<FittedInput> =
            self.inputs.into_iter().map(InputFit::finish).collect::<Result<_, _>>()?;
        let target = match (target.kind, inputs.as_slice()) {
            (TargetKind::NextToken, [FittedInput::Text { column, tokenizer, .. }]) => {
                let (name, column) = (target.name.clone(), column.clone());
                let vocabulary = tokenizer.vocabulary();
                FittedTarget::NextToken { name, column, vocabulary, ends: Vec::new(), chat: None }
            }
            _ => FittedTarget::fit(target, &inputs, all, train)?,
        };
        let fitted = further.into_iter().map(|target| FittedTarget::fit(target, &inputs, all, train));
        let further = fitted.collect::<Result<_, _>>()?;
        let (format_version, derive) = (Plan::FORMAT_VERSION, Derivation::default());
        let mut plan = Plan { format_version, null_texts: Vec::new(), derive, inputs, target, further };
        let dense = plan.layout().dense_width();
        if let FittedTarget::Reconstruct { width, .. } = &mut plan.target {
            *width = dense;
        }
        Ok(plan)
    }
}
