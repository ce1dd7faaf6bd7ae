//! Preparation of raw rows: from a frame, or a stream of frames, to the examples of train, valid and test with the
//! plan that encoded them.

mod audit;
mod encode;
mod example;
mod labelled;
mod sample;
mod saved;
mod sealed;
mod stream;
mod suspicions;
mod tokens;
mod windows;

use std::collections::HashSet;

use cupola_spec::{Run, Target, TargetKind};

use crate::error::Error;
use crate::examples::{CompactLayout, ExamplesWithTargets, SplitExamples};
use crate::features::{Derivation, InferredColumn, ResolvedInput, feature_columns, resolve};
use crate::frame::Frame;
use crate::frame::meaning::{ExactColumns, ValueRules, ValueRulesFit};
use crate::plan::{Plan, PlanFit};
use crate::split::{Division, SeriesOrder, SplitPart, check_whole_groups, divide};
use crate::target::{FittedTarget, check_no_missing, flat_groups_note};

use self::audit::check_subgroups;
use self::audit::groups::{check_group_column, group_values};
use self::labelled::{Labelled, labelled_rows};
use self::suspicions::{spelling_twins, suspicions};

pub use self::audit::{AuditBuilder, AuditColumn, AuditRows, AuditSample, AuditValues};
pub use self::encode::{FrameStream, each_derived, each_with_targets, examples_with_targets};
pub use self::example::RequestExample;
pub use self::sealed::{EmptyFold, FoldedRows, first_empty_fold, prepare_folds, prepare_sealed};
pub use self::stream::prepare_stream;

/// Examples of all splits, and the plan that encoded them.
#[derive(Debug)]
pub struct Prepared {
    /// Plan fitted to the training rows.
    pub plan: Plan,
    /// Description of each column, if the config declares no inputs.
    pub findings: Vec<InferredColumn>,
    /// Warnings about the data.
    pub suspicions: Vec<String>,
    /// Example of a request; `None` if `data.example` is false.
    pub example: Option<RequestExample>,
    /// Value of `uncertainty.by` in each calibration row; empty without that column.
    pub calibration_groups: Vec<String>,
    /// Value of `uncertainty.by` in each test row; empty without that column.
    pub test_groups: Vec<String>,
    train: SplitExamples,
    valid: SplitExamples,
    test: SplitExamples,
    calibrate: SplitExamples,
    /// Raw rows of train, valid and test.
    audit: [AuditRows; 3],
    /// Empty, for the calibration rows.
    no_audit: AuditRows,
}

impl Prepared {
    fn new(plan: Plan, findings: Vec<InferredColumn>, splits: [SplitExamples; 4]) -> Self {
        let [train, valid, test, calibrate] = splits;
        let (suspicions, calibration_groups, test_groups) = (Vec::new(), Vec::new(), Vec::new());
        let audit = std::array::from_fn(|_| AuditRows::default());
        let (example, no_audit) = (None, AuditRows::default());
        Self {
            plan,
            findings,
            suspicions,
            example,
            calibration_groups,
            test_groups,
            train,
            valid,
            test,
            calibrate,
            audit,
            no_audit,
        }
    }

    /// Examples of one split.
    pub fn part(&self, part: SplitPart) -> &SplitExamples {
        match part {
            SplitPart::Train => &self.train,
            SplitPart::Valid => &self.valid,
            SplitPart::Test => &self.test,
            SplitPart::Calibrate => &self.calibrate,
        }
    }

    /// Raw rows of one split that an evaluation needs.
    pub fn audit(&self, part: SplitPart) -> &AuditRows {
        match part {
            SplitPart::Train => &self.audit[0],
            SplitPart::Valid => &self.audit[1],
            SplitPart::Test => &self.audit[2],
            // Intervals are calibrated on logits alone.
            SplitPart::Calibrate => &self.no_audit,
        }
    }

    /// Number of examples of one split.
    pub fn rows(&self, part: SplitPart) -> usize {
        self.part(part).len()
    }
}

/// Columns of the data that a run reads as texts.
pub fn exact_columns(run: &Run) -> ExactColumns {
    ExactColumns::of_run(run, feature_columns(run))
}

/// Resolves the inputs, splits the rows, fits the plan to the training rows and encodes all rows. `test` holds the
/// rows of `data.test_source`, if there is one. Texts reuse the tokenizer of `learned`, the plan of the model that
/// training starts from.
///
/// # Errors
/// The first error of the rows or the config.
pub fn prepare(
    run: &Run,
    frame: &Frame,
    test: Option<&Frame>,
    learned: Option<&Plan>,
) -> Result<Prepared, Error> {
    let ReadRows { values, notes, canonical, test, derive, rows } = ReadRows::of(run, frame, test)?;
    let raw = frame;
    let (inputs, findings) = resolve(run, &rows.frame, &values, learned.and_then(Plan::tokenizer))?;
    check_subgroups(&run.evaluate, &rows.frame)?;
    // Before the split, whose message about an empty target would be less helpful.
    rows.check_targets(run)?;
    let Division { parts: split, notes: order_notes } =
        rows.split(run, &values).map_err(|error| rows.numbered(error))?;
    let train = rows.frame.take(&split[0]);
    let mut plan = rows.fit(&inputs, run, &train, &split[0])?;
    plan.series = SeriesOrder::of(run, &values);
    plan.seal(derive, values, &run.data);
    plan.set_outputs(run.uncertainty.as_ref());
    check_group_column(run, &plan)?;
    let calibration_groups = group_values(run, &rows.frame, &split[SplitPart::Calibrate as usize])?;
    let test_groups = match &rows.test {
        Some(own) => group_values(run, own, &(0..own.rows()).collect::<Vec<_>>()).map_err(Error::in_test)?,
        None => group_values(run, &rows.frame, &split[SplitPart::Test as usize])?,
    };
    let targets: Vec<&Target> = run.targets.iter().collect();
    let parts = split.clone();
    let (found, rest) = std::thread::scope(|scope| {
        let found =
            scope.spawn(|| suspicions(&inputs, &targets, &rows.frame, [&parts[0], &parts[1], &parts[2]]));
        let rest = encode(&rows, &mut plan, split, run.seed);
        (found.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), rest)
    });
    let (series_notes, splits) = rest.map_err(|error| rows.numbered(error))?;
    let mut suspicions: Vec<String> = notes.into_iter().chain(found).collect();
    suspicions.extend(rows.left_out());
    suspicions.extend(spelling_twins(&plan));
    let first = splits[0].targets().and_then(|mut targets| targets.next());
    suspicions.extend(flat_groups_note(plan.targets.first(), first));
    suspicions.extend(order_notes);
    suspicions.extend(series_notes);
    let example = run.data.example.then(|| rows.example(&plan, &canonical, test.as_ref(), &parts)).flatten();
    let example = example.map(|example| example.with_units(&plan, raw));
    let audit = rows.audit(run, &plan, &parts)?;
    Ok(Prepared {
        suspicions,
        example,
        calibration_groups,
        test_groups,
        audit,
        ..Prepared::new(plan, findings, splits)
    })
}

/// Rows of a run as its config reads, cleans and computes them.
struct ReadRows {
    values: ValueRules,
    /// Notes about the meaning of values.
    notes: Vec<String>,
    /// Rows of the source with canonical values.
    canonical: Frame,
    /// Rows of the test source with canonical values.
    test: Option<Frame>,
    derive: Derivation,
    rows: DerivedRows,
}

impl ReadRows {
    fn of(run: &Run, frame: &Frame, test: Option<&Frame>) -> Result<Self, Error> {
        let computed = feature_columns(run);
        let mut values = ValueRulesFit::new(run, &computed);
        values.observe(frame);
        let (values, notes) = values.finish()?;
        let canonical = values.apply(frame, &run.data.null)?;
        let test = test.map(|test| values.apply(test, &run.data.null)).transpose().map_err(Error::in_test)?;
        let (frame, labelled) = labelled_rows(run, &canonical);
        let test = test.map(|test| labelled_rows(run, &test).0);
        let derive = Derivation::from_run(run, &frame)
            .map_err(|error| numbered(error, labelled.as_ref().map(|labelled| labelled.rows.as_slice())))?;
        let rows = DerivedRows::new(run, &derive, &frame, test.as_ref(), labelled)?;
        Ok(Self { values, notes, canonical, test, derive, rows })
    }
}

/// Fits the windows of a series, which yields notes, and encodes all splits.
fn encode(
    rows: &DerivedRows,
    plan: &mut Plan,
    split: [Vec<usize>; 4],
    seed: u64,
) -> Result<(Vec<String>, [SplitExamples; 4]), Error> {
    let mut notes = Vec::new();
    if plan.window().is_some() {
        notes.extend(windows::fit_series(plan, &rows.frame, &split[0])?);
    }
    Ok((notes, rows.encode(plan, split, seed)?))
}

/// Error with the row's number in the source; `kept` are the indices there if rows were left out.
fn numbered(error: Error, kept: Option<&[usize]>) -> Error {
    match kept {
        Some(kept) => error.row_of(kept),
        None => error,
    }
}

/// Derived rows of a run.
struct DerivedRows {
    frame: Frame,
    /// Rows of `data.test_source`.
    test: Option<Frame>,
    /// Number of rows without a target that were left out.
    without_target: usize,
    /// Number of duplicates that were removed from `frame`.
    duplicates: usize,
    /// Indices in the source of the rows of `frame`, if some were left out.
    kept: Option<Vec<usize>>,
}

impl DerivedRows {
    /// Derives rows, of which `labelled` are the indices in the source if some were left out.
    fn new(
        run: &Run,
        derive: &Derivation,
        frame: &Frame,
        test: Option<&Frame>,
        labelled: Option<Labelled>,
    ) -> Result<Self, Error> {
        let (without_target, labelled) =
            labelled.map_or((0, None), |Labelled { rows, left_out }| (left_out, Some(rows)));
        let frame = derive.apply(frame).map_err(|error| numbered(error, labelled.as_deref()))?;
        let test = test.map(|test| derive.apply(test)).transpose().map_err(Error::in_test)?;
        let before = frame.rows();
        let (frame, kept) = if run.clean.duplicates { without_duplicates(frame) } else { (frame, None) };
        let kept = match (kept, labelled) {
            (Some(kept), Some(labelled)) => Some(kept.into_iter().map(|row| labelled[row]).collect()),
            (kept, labelled) => kept.or(labelled),
        };
        Ok(Self { without_target, duplicates: before - frame.rows(), frame, test, kept })
    }

    /// Descriptions of the rows that were left out.
    fn left_out(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.without_target > 0 {
            notes.push(format!("{} rows without a target are left out", self.without_target));
        }
        if self.duplicates > 0 {
            notes.push(format!("{} duplicate rows are left out", self.duplicates));
        }
        notes
    }

    /// Error with the row's number in the source.
    fn numbered(&self, error: Error) -> Error {
        numbered(error, self.kept.as_deref())
    }

    /// Fits the inputs to the training rows, which are at `indices`, and the targets to all rows.
    fn fit(
        &self,
        inputs: &[ResolvedInput],
        run: &Run,
        train: &Frame,
        indices: &[usize],
    ) -> Result<Plan, Error> {
        let mut fit = PlanFit::new(inputs, run.targets.first(), train, true)
            .map_err(|error| self.numbered(error.row_of(indices)))?;
        fit.observe(train).map_err(|error| self.numbered(error.row_of(indices)))?;
        // `check_targets` has looked at all rows: a value that does not fit is one of the training rows.
        fit.finish(&run.targets, &self.all(), train).map_err(|error| self.numbered(error.row_of(indices)))
    }

    /// All frames.
    fn all(&self) -> Vec<&Frame> {
        std::iter::once(&self.frame).chain(&self.test).collect()
    }

    /// Checks that targets have no missing values, where that is required.
    fn check_targets(&self, run: &Run) -> Result<(), Error> {
        if matches!(run.targets.first().kind, TargetKind::Reconstruct | TargetKind::Forecast) {
            return Ok(());
        }
        for column in run.targets.iter().filter_map(Target::column) {
            check_no_missing(column, &self.frame).map_err(|error| self.numbered(error))?;
            self.test.iter().try_for_each(|test| check_no_missing(column, test)).map_err(Error::in_test)?;
        }
        Ok(())
    }

    /// Row indices of the splits.
    fn split(&self, run: &Run, values: &ValueRules) -> Result<Division, Error> {
        let test_share = if self.test.is_some() { 0.0 } else { run.split.test };
        let Division { parts: [train, valid, test, calibrate], mut notes } =
            divide(run, &self.frame, values, test_share, self.kept.as_deref())?;
        check_whole_groups(run, &self.frame, &[&train, &valid, &test, &calibrate])?;
        let before = train.len();
        let train = without_anomalies(run, &self.frame, train)?;
        if let (left_out @ 1.., Some(column)) = (before - train.len(), run.targets.first().column()) {
            notes.push(format!(
                "{left_out} of {before} training rows are anomalies by `{column}` and are left out: the model learns the normal ones"
            ));
        }
        let calibrate = without_anomalies(run, &self.frame, calibrate)?;
        Ok(Division { parts: [train, valid, test, calibrate], notes })
    }

    /// Example of a request from the rows of the test split, or of the valid split without one. `canonical` are the rows
    /// of the source, `test` those of the test source.
    fn example(
        &self,
        plan: &Plan,
        canonical: &Frame,
        test: Option<&Frame>,
        [train, valid, own, _]: &[Vec<usize>; 4],
    ) -> Option<RequestExample> {
        let in_source = |rows: &[usize]| -> Vec<usize> {
            let place = |row: &usize| self.kept.as_ref().map_or(*row, |kept| kept[*row]);
            rows.iter().map(place).collect()
        };
        let latest = |frame: &Frame| windows::latest_rows(plan, frame);
        let found = match (test.zip(self.test.as_ref()), plan.window()) {
            (Some((test, derived)), Some(_)) => RequestExample::of(plan, test, &latest(derived)?),
            (Some((test, _)), None) => RequestExample::of(plan, test, &(0..test.rows()).collect::<Vec<_>>()),
            (None, Some(_)) => RequestExample::of(plan, canonical, &in_source(&latest(&self.frame)?)),
            (None, None) => {
                let rows = [own, valid, train].into_iter().find(|rows| !rows.is_empty())?;
                RequestExample::of(plan, canonical, &in_source(rows))
            }
        };
        // A cross-validation trains on all rows that it tests.
        let seen = if train.is_empty() { own } else { train };
        Some(found?.with_ranges(plan, canonical, &in_source(seen)))
    }

    /// Encodes all splits.
    fn encode(&self, plan: &Plan, split: [Vec<usize>; 4], seed: u64) -> Result<[SplitExamples; 4], Error> {
        let is_text = matches!(plan.targets.first(), FittedTarget::NextToken { .. });
        if !is_text && plan.window().is_none() {
            let layout = plan.compact_layout();
            let splits = self.encode_rows(plan, split)?;
            return Ok(splits.map(|examples| SplitExamples::Memory(layout.clone(), examples)));
        }
        let [train, valid, test, calibrate] = if is_text {
            let encode = |rows: Vec<usize>| {
                let encoded = examples_with_targets(plan, &self.frame.take(&rows));
                encoded.map_err(|error| error.row_of(&rows))
            };
            let [train, valid, test, calibrate] = split.map(encode);
            [train?, valid?, test?, calibrate?]
        } else {
            windows::encode_splits(plan, &self.frame, &split, seed)?
        };
        let own = self.test.as_ref().map(|own| examples_with_targets(plan, own).map_err(Error::in_test));
        let test = own.unwrap_or(Ok(test))?;
        // Token streams and windows are stored as the network sees them.
        let layout = CompactLayout::identity(plan.layout());
        Ok([train, valid, test, calibrate].map(|examples| SplitExamples::Memory(layout.clone(), examples)))
    }

    /// Encodes each row to one compact example.
    fn encode_rows(&self, plan: &Plan, split: [Vec<usize>; 4]) -> Result<[ExamplesWithTargets; 4], Error> {
        let [train, valid, test, calibrate] = split;
        let train = plan.without_dropped(&self.frame, train)?;
        let all = plan.encode_with_targets(&self.frame, false)?;
        let test = match &self.test {
            Some(own) => plan.encode_with_targets(own, false).map_err(Error::in_test)?,
            None => all.gather(&test),
        };
        let (valid, calibrate) = (all.gather(&valid), all.gather(&calibrate));
        let train = if plan.uses_folds() {
            let encoded = plan.encode_with_targets(&self.frame.take(&train), true);
            encoded.map_err(|error| error.row_of(&train))?
        } else {
            all.gather(&train)
        };
        Ok([train, valid, test, calibrate])
    }
}

/// The first of each set of equal rows, and their indices if some were removed.
fn without_duplicates(frame: Frame) -> (Frame, Option<Vec<usize>>) {
    let mut seen = HashSet::new();
    let keys: Vec<(u64, u64)> = frame.row_keys(0).into_iter().zip(frame.row_keys(1)).collect();
    let rows: Vec<usize> = (0..frame.rows()).filter(|row| seen.insert(keys[*row])).collect();
    if rows.len() == frame.rows() { (frame, None) } else { (frame.take(&rows), Some(rows)) }
}

/// Removes the rows that are marked as anomalies from the training rows of a reconstruction.
fn without_anomalies(run: &Run, frame: &Frame, rows: Vec<usize>) -> Result<Vec<usize>, Error> {
    let target = run.targets.first();
    let (TargetKind::Reconstruct, Some(column)) = (target.kind, target.column()) else {
        return Ok(rows);
    };
    let values = frame.require(column, "check `[[targets]]`")?;
    let normal = |row: &usize| !matches!(values.text(*row).as_deref(), Some("1" | "true"));
    // A window spans consecutive rows, so none can be left out.
    if run.windowed() { Ok(rows) } else { Ok(rows.into_iter().filter(normal).collect()) }
}

#[cfg(test)]
mod tests;
