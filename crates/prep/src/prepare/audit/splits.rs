//! Raw rows of all splits of rows in memory.

use cupola_spec::Run;

use super::{AuditBuilder, AuditRows};
use crate::error::Error;
use crate::plan::Plan;
use crate::prepare::DerivedRows;
use crate::target::FittedTarget;

impl DerivedRows {
    /// Raw rows of all splits that an evaluation needs.
    pub(in crate::prepare) fn audit(
        &self,
        run: &Run,
        plan: &Plan,
        parts: &[Vec<usize>; 4],
    ) -> Result<[AuditRows; 3], Error> {
        let is_row = audits_rows(plan);
        let source_row = |row: usize| self.kept.as_ref().map_or(row, |kept| kept[row]) as u64 + 1;
        let build = |rows: &[usize], aligned: bool| {
            let subgroups = if aligned { run.evaluate.subgroups.as_slice() } else { &[] };
            let mut builder = AuditBuilder::new(subgroups, run.data.example);
            builder.push(&self.frame, rows, &source_row)?;
            Ok::<_, Error>(builder.finish(aligned))
        };
        let [train, valid, test, _] = parts;
        let test = match &self.test {
            Some(own) => {
                let subgroups = if is_row { run.evaluate.subgroups.as_slice() } else { &[] };
                let mut builder = AuditBuilder::new(subgroups, run.data.example);
                let rows: Vec<usize> = (0..own.rows()).collect();
                builder.push(own, &rows, &|row| row as u64 + 1).map_err(Error::in_test)?;
                builder.finish(is_row)
            }
            None => build(test, is_row)?,
        };
        // Outliers are dropped from the training examples.
        Ok([build(train, false)?, build(valid, is_row)?, test])
    }
}

/// `true` if each row is one example.
pub(in crate::prepare) fn audits_rows(plan: &Plan) -> bool {
    plan.window().is_none() && !matches!(plan.targets.first(), FittedTarget::NextToken { .. })
}
