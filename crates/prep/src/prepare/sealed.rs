//! Preparation of rows by a plan that was fitted before.

use cupola_spec::Run;

use super::{DerivedRows, Prepared, ReadRows, check_group_column, group_values};
use crate::error::Error;
use crate::frame::Frame;
use crate::plan::Plan;
use crate::split::{Division, SplitPart};

/// Rows of a cross-validation.
#[derive(Debug)]
pub struct FoldedRows {
    /// All rows of the folds as the test split, in the order of their source.
    pub prepared: Prepared,
    /// Indices of the rows of each fold among those of the test split.
    pub folds: Vec<Vec<usize>>,
    /// Number in its source, from 1, of each row of the test split.
    pub numbers: Vec<usize>,
}

/// Splits the rows as `run` does and encodes them with `plan`, which fits them: a joined plan of models that were trained
/// on the same rows.
///
/// # Errors
/// The errors of [`prepare`](super::prepare).
pub fn prepare_sealed(
    run: &Run,
    frame: &Frame,
    test: Option<&Frame>,
    plan: &Plan,
) -> Result<Prepared, Error> {
    let ReadRows { values, canonical, test, rows, .. } = ReadRows::of(run, frame, test)?;
    let Division { parts, notes } = rows.split(run, &values).map_err(|error| rows.numbered(error))?;
    let prepared = encoded(run, plan, &rows, parts, (&canonical, test.as_ref(), frame))?;
    Ok(Prepared { suspicions: rows.left_out().into_iter().chain(notes).collect(), ..prepared })
}

/// Divides rows as each of `runs` does, which differ in their split only, and encodes all of them with `plan`.
///
/// # Errors
/// The errors of [`prepare`](super::prepare).
pub fn prepare_folds(runs: &[Run], frame: &Frame, plan: &Plan) -> Result<FoldedRows, Error> {
    let Some(run) = runs.first() else {
        return Err(Error::EmptySplit { rows: frame.rows(), part: "test" });
    };
    let ReadRows { values, canonical, rows, .. } = ReadRows::of(run, frame, None)?;
    let fold = |run: &Run| {
        let division = rows.split(run, &values).map_err(|error| rows.numbered(error))?;
        let [_, _, test, _] = division.parts;
        Ok::<_, Error>(test)
    };
    let mut folds: Vec<Vec<usize>> = runs.iter().map(fold).collect::<Result<_, _>>()?;
    // Folds of time test no rows before the first of them.
    let mut place = vec![usize::MAX; rows.frame.rows()];
    folds.iter().flatten().for_each(|row| place[*row] = 0);
    let all: Vec<usize> = (0..place.len()).filter(|row| place[*row] == 0).collect();
    all.iter().enumerate().for_each(|(index, row)| place[*row] = index);
    folds.iter_mut().flatten().for_each(|row| *row = place[*row]);
    let numbers = all.iter().map(|row| rows.kept.as_ref().map_or(*row, |kept| kept[*row]) + 1).collect();
    let parts = [Vec::new(), Vec::new(), all, Vec::new()];
    Ok(FoldedRows { prepared: encoded(run, plan, &rows, parts, (&canonical, None, frame))?, folds, numbers })
}

/// First fold that lacks rows of one split.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EmptyFold {
    /// Index in the list of folds.
    pub fold: usize,
    /// Name of the split.
    pub part: &'static str,
    /// Number of rows that were divided.
    pub rows: usize,
}

/// Divides rows as each of `runs` does, which differ in their split only, and finds the first one that lacks rows of a split.
///
/// # Errors
/// The errors of [`prepare`](super::prepare), but for [`Error::EmptySplit`].
pub fn first_empty_fold(runs: &[Run], frame: &Frame) -> Result<Option<EmptyFold>, Error> {
    let Some(run) = runs.first() else { return Ok(None) };
    let ReadRows { values, rows, .. } = ReadRows::of(run, frame, None)?;
    for (fold, run) in runs.iter().enumerate() {
        match rows.split(run, &values) {
            Ok(_) => {}
            Err(Error::EmptySplit { rows, part }) => return Ok(Some(EmptyFold { fold, part, rows })),
            Err(error) => return Err(rows.numbered(error)),
        }
    }
    Ok(None)
}

/// Encodes the rows of the splits. The frames are those of the source with canonical values, of the test source, and of the
/// source as it was read.
#[allow(clippy::needless_pass_by_value, reason = "it takes what its callers have made")]
fn encoded(
    run: &Run,
    plan: &Plan,
    rows: &DerivedRows,
    parts: [Vec<usize>; 4],
    (canonical, test, raw): (&Frame, Option<&Frame>, &Frame),
) -> Result<Prepared, Error> {
    check_group_column(run, plan)?;
    let groups = |part: SplitPart| group_values(run, &rows.frame, &parts[part as usize]);
    let calibration_groups = groups(SplitPart::Calibrate)?;
    let test_groups = match &rows.test {
        Some(own) => group_values(run, own, &(0..own.rows()).collect::<Vec<_>>()).map_err(Error::in_test)?,
        None => groups(SplitPart::Test)?,
    };
    let splits = rows.encode(plan, parts.clone(), run.seed).map_err(|error| rows.numbered(error))?;
    let example = run.data.example.then(|| rows.example(plan, canonical, test, &parts)).flatten();
    let example = example.map(|example| example.with_units(plan, raw));
    let audit = rows.audit(run, plan, &parts)?;
    let prepared = Prepared::new(plan.clone(), Vec::new(), splits);
    Ok(Prepared { example, calibration_groups, test_groups, audit, ..prepared })
}
