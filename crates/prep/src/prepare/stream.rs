//! Preparation of rows that do not fit into memory: the plan is fitted to a sample and a pass over all rows, then all
//! rows are encoded into files.

use std::path::Path;

use cupola_spec::{Run, Target};

use super::audit::groups::{check_group_column, group_values};
use super::audit::{AuditBuilder, AuditRows, audits_rows, check_subgroups};
use super::encode::{FrameStream, each_slice};
use super::sample::sample;
use super::{Prepared, RequestExample};
use crate::error::Error;
use crate::examples::{ExampleWriter, SplitExamples};
use crate::features::{feature_columns, resolve};
use crate::frame::Frame;
use crate::frame::meaning::{ValueRules, ValueRulesFit};
use crate::plan::{Plan, PlanFit};
use crate::split::{RowSplitter, SPLIT_NAMES, must_have_rows};
use crate::target::{check_no_missing, numbers};

/// [`prepare`](fn@crate::prepare) for rows that `source` passes batch by batch. `test` passes the test rows, if they come
/// from files of their own. Examples are written to files in `folder`.
///
/// # Errors
/// The first error of the rows, the config or the source, and [`Error::Store`] for a full disk.
pub fn prepare_stream<E: From<Error>>(
    run: &Run,
    source: FrameStream<'_, E>,
    test: Option<FrameStream<'_, E>>,
    folder: &Path,
    learned: Option<&Plan>,
) -> Result<Prepared, E> {
    let test_share = if test.is_some() { 0.0 } else { run.split.test };
    let splitter = RowSplitter::new(run, test_share);
    let (values, notes) = value_rules(run, source)?;
    let nulls = run.data.null.as_slice();
    let (derive, sample) = sample(run, source, &splitter, &values)?;
    let (inputs, findings) = resolve(run, &sample, &values, learned.and_then(Plan::tokenizer))?;
    check_subgroups(&run.evaluate, &sample)?;
    for column in run.targets.iter().filter_map(Target::column) {
        if let Err(error) = check_no_missing(column, &sample) {
            // The sample does not know the rows of the source.
            each_slice(source, &mut |frame| {
                check_no_missing(column, &derive.apply(&values.apply(frame, nulls)?)?)
            })?;
            return Err(error.into());
        }
    }
    // The sample does not know the rows of the source.
    let numbered = |error: Error| -> E {
        let Error::Value { column, .. } = &error else { return error.into() };
        let found = each_slice(source, &mut |frame| {
            numbers(column, &derive.apply(&values.apply(frame, nulls)?)?).map(drop)
        });
        found.err().unwrap_or_else(|| error.into())
    };
    let mut fit = PlanFit::new(&inputs, run.targets.first(), &sample, false).map_err(&numbered)?;
    each_slice(source, &mut |frame| {
        let frame = derive.apply(&values.apply(frame, nulls)?)?;
        let [train, ..] = splitter.split(&frame)?;
        fit.observe(&frame.take(&train)).map_err(|error| error.row_of(&train))
    })?;
    let mut plan = fit.finish(&run.targets, &[&sample], &sample).map_err(&numbered)?;
    plan.seal(derive, values, &run.data);
    // The targets are fitted to a sample, which lacks the largest values.
    plan.forget_target_ranges();
    plan.set_outputs(run.uncertainty.as_ref());
    check_group_column(run, &plan)?;
    let mut writers = SplitWriters::new(folder, run)?;
    let mut example = None;
    let mut show = |frame: &Frame, rows: &[usize]| -> Result<(), Error> {
        if example.is_none() && run.data.example && !rows.is_empty() {
            let canonical = plan.values.apply(frame, nulls)?;
            example =
                RequestExample::of(&plan, &canonical, rows).map(|example| example.with_units(&plan, frame));
        }
        Ok(())
    };
    each_slice(source, &mut |frame| {
        let [_, valid, own, _] = writers.push(&splitter, &plan, frame)?;
        show(frame, if own.is_empty() { &valid } else { &own })
    })?;
    if let Some(test) = test {
        each_slice(test, &mut |frame| writers.push_test(&plan, frame))?;
    }
    let all: Vec<usize> = (0..sample.rows()).collect();
    let example = example.map(|example| example.with_ranges(&plan, &sample, &all));
    let [calibration_groups, test_groups] = std::mem::take(&mut writers.groups);
    let (splits, audit) = writers.finish(&plan, |name| must_have_rows(run, test_share, name))?;
    Ok(Prepared {
        suspicions: notes,
        example,
        calibration_groups,
        test_groups,
        audit,
        ..Prepared::new(plan, findings, splits)
    })
}

/// Decides the meaning of raw values from all rows.
fn value_rules<E: From<Error>>(
    run: &Run,
    source: FrameStream<'_, E>,
) -> Result<(ValueRules, Vec<String>), E> {
    let computed = feature_columns(run);
    let mut values = ValueRulesFit::new(run, &computed);
    source(&mut |frame| {
        values.observe(&frame);
        Ok(())
    })?;
    Ok(values.finish()?)
}

/// Writers of all splits.
struct SplitWriters {
    train: ExampleWriter,
    valid: ExampleWriter,
    test: ExampleWriter,
    calibrate: ExampleWriter,
    /// Value of `uncertainty.by` in each calibration row and in each test row.
    groups: [Vec<String>; 2],
    /// Number of rows that were split.
    rows: usize,
    /// Number of rows of the test source.
    test_rows: usize,
    /// Raw rows of train, valid and test.
    audit: [AuditBuilder; 3],
}

impl SplitWriters {
    fn new(folder: &Path, run: &Run) -> Result<Self, Error> {
        let writer = || ExampleWriter::new(folder);
        let (train, valid, test, calibrate) = (writer()?, writer()?, writer()?, writer()?);
        let audit = |subgroups: &[String]| AuditBuilder::new(subgroups, run.data.example);
        let subgroups = run.evaluate.subgroups.as_slice();
        let audit = [audit(&[]), audit(subgroups), audit(subgroups)];
        let groups = Default::default();
        Ok(Self { train, valid, test, calibrate, groups, rows: 0, test_rows: 0, audit })
    }

    /// Encodes raw rows, writes each to its split, and returns the rows of the splits.
    fn push(
        &mut self,
        splitter: &RowSplitter<'_>,
        plan: &Plan,
        frame: &Frame,
    ) -> Result<[Vec<usize>; 4], Error> {
        let frame = plan.derived(frame)?;
        let encoded = plan.encode_with_targets(&frame, false)?;
        let split = splitter.split(&frame)?;
        for (audit, rows) in self.audit.iter_mut().zip(&split) {
            audit.push(&frame, rows, &|row| (self.rows + row) as u64 + 1)?;
        }
        let [train, valid, test, calibrate] = split;
        let train = plan.without_dropped(&frame, train)?;
        if plan.uses_folds() {
            let encoded = plan.encode_with_targets(&frame.take(&train), true);
            self.train.push(&encoded.map_err(|error| error.row_of(&train))?)?;
        } else {
            self.train.push(&encoded.gather(&train))?;
        }
        self.valid.push(&encoded.gather(&valid))?;
        self.test.push(&encoded.gather(&test))?;
        self.calibrate.push(&encoded.gather(&calibrate))?;
        for (groups, rows) in self.groups.iter_mut().zip([&calibrate, &test]) {
            groups.extend(group_values(splitter.run(), &frame, rows)?);
        }
        self.rows += frame.rows();
        Ok([train, valid, test, calibrate])
    }

    /// Encodes raw rows of the test source.
    fn push_test(&mut self, plan: &Plan, frame: &Frame) -> Result<(), Error> {
        let before = self.test_rows;
        let encoded = plan.derived(frame).and_then(|frame| {
            let rows: Vec<usize> = (0..frame.rows()).collect();
            self.audit[2].push(&frame, &rows, &|row| (before + row) as u64 + 1)?;
            plan.encode_with_targets(&frame, false)
        });
        self.test_rows += frame.rows();
        self.test.push(&encoded.map_err(Error::in_test)?)
    }

    /// Closes the files. Splits for which `must_have_rows` is true must not be empty.
    fn finish(
        self,
        plan: &Plan,
        must_have_rows: impl Fn(&str) -> bool,
    ) -> Result<([SplitExamples; 4], [AuditRows; 3]), Error> {
        let layout = plan.compact_layout();
        let empty = || layout.compact.clone();
        let (train, valid) = (self.train.finish(empty())?, self.valid.finish(empty())?);
        let stores = [train, valid, self.test.finish(empty())?, self.calibrate.finish(empty())?];
        for (store, part) in stores.iter().zip(SPLIT_NAMES) {
            if store.rows() == 0 && must_have_rows(part) {
                return Err(Error::EmptySplit { rows: self.rows, part });
            }
        }
        let is_row = audits_rows(plan);
        let [train, valid, test] = self.audit;
        let audit = [train.finish(false), valid.finish(is_row), test.finish(is_row)];
        Ok((stores.map(|store| SplitExamples::Stored(layout.clone(), store)), audit))
    }
}

#[cfg(test)]
mod tests;
