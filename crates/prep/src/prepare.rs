//! From raw rows to examples of train, valid and test, with the plan that made them.

use cupola_spec::Run;

use crate::corpus::windows;
use crate::error::Error;
use crate::examples::Examples;
use crate::frame::Frame;
use crate::infer::{Finding, resolve};
use crate::plan::Plan;
use crate::split::{Part, assign, assign_beside_test};
use crate::target::{FittedTarget, Targets, present};

/// Examples of one part with their targets.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// What the network sees.
    pub examples: Examples,
    /// What it should answer.
    pub targets: Targets,
}

/// Everything that training needs of the data.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Fitted on train.
    pub plan: Plan,
    /// What was inferred, where the config declares no inputs.
    pub findings: Vec<Finding>,
    train: Labelled,
    valid: Labelled,
    test: Labelled,
}

impl Prepared {
    /// The examples of one part.
    pub fn part(&self, part: Part) -> &Labelled {
        match part {
            Part::Train => &self.train,
            Part::Valid => &self.valid,
            Part::Test => &self.test,
        }
    }

    /// Number of rows of one part.
    pub fn rows(&self, part: Part) -> usize {
        self.part(part).examples.rows
    }
}

/// Resolves the inputs, splits, fits on train and applies to all. `test` holds rows from
/// `data.test_source`, if there is one.
///
/// # Errors
/// Whatever does not fit, with row and column.
pub fn prepare(run: &Run, frame: &Frame, test: Option<&Frame>) -> Result<Prepared, Error> {
    let (inputs, findings) = resolve(run, frame)?;
    // Before the split, which would have other words for a target that is not there.
    for frame in std::iter::once(frame).chain(test) {
        present(run.target.column(), frame)?;
    }
    let [train_rows, valid_rows, test_rows] = match test {
        Some(_) => {
            let [train, valid] = assign_beside_test(run, frame)?;
            [train, valid, Vec::new()]
        }
        None => assign(run, frame)?,
    };
    let mut all = vec![frame];
    all.extend(test);
    let mut plan = Plan::fit(&inputs, &run.target, &all, &frame.take(&train_rows))?;
    plan.null_texts.clone_from(&run.data.null);
    if let FittedTarget::NextToken { .. } = plan.target {
        let part = |rows: &[usize]| label(&plan, &frame.take(rows));
        let (train, valid) = (part(&train_rows)?, part(&valid_rows)?);
        let test = match test {
            Some(test) => label(&plan, test)?,
            None => part(&test_rows)?,
        };
        return Ok(Prepared { plan, findings, train, valid, test });
    }
    let whole = label(&plan, frame)?;
    let test = match test {
        Some(test) => label(&plan, test)?,
        None => whole.gather(&test_rows),
    };
    let (train, valid) = (whole.gather(&train_rows), whole.gather(&valid_rows));
    Ok(Prepared { plan, findings, train, valid, test })
}

/// Applies a plan to rows that have the target.
///
/// # Errors
/// Whatever does not fit, with row and column.
pub fn label(plan: &Plan, frame: &Frame) -> Result<Labelled, Error> {
    if let FittedTarget::NextToken { .. } = plan.target {
        return windows(plan, frame);
    }
    Ok(Labelled { examples: plan.apply(frame)?, targets: plan.target.apply(frame)? })
}

impl Labelled {
    /// The rows at `indices`, in that order.
    #[must_use]
    pub fn gather(&self, indices: &[usize]) -> Self {
        Self { examples: self.examples.gather(indices), targets: self.targets.gather(indices) }
    }
}

impl Targets {
    /// The targets at `rows`, in that order.
    #[must_use]
    pub fn gather(&self, rows: &[usize]) -> Self {
        match self {
            Self::Class(values) => Self::Class(rows.iter().map(|&row| values[row]).collect()),
            Self::Number(values) => Self::Number(rows.iter().map(|&row| values[row]).collect()),
            Self::Tokens { length, next } => Self::Tokens {
                length: *length,
                next: rows.iter().flat_map(|row| &next[row * length..(row + 1) * length]).copied().collect(),
            },
        }
    }
}
