//! Preparing rows that are never all in memory: a sample is learned from, then all rows are transformed
//! and kept in files.

use std::collections::HashSet;
use std::path::Path;

use cupola_spec::{Run, Target, TargetKind};

use crate::draw::unit;
use crate::error::Error;
use crate::frame::Frame;
use crate::infer::resolve;
use crate::plan::Plan;
use crate::prepare::{Labelled, Prepared, label};
use crate::rows::Rows;
use crate::split::Part;
use crate::store::Writer;
use crate::target::present;

/// Training rows that the plan is fitted on.
const SAMPLE: usize = 100_000;
/// Rows that are transformed at once: what a batch becomes may be far wider than it was.
const SLICE: usize = 4096;

/// Hands over all rows of a source, from the first one on each time it is called.
pub type Source<'a, E> = &'a dyn Fn(&mut dyn FnMut(Frame) -> Result<(), E>) -> Result<(), E>;

/// As [`crate::prepare`], for rows that `source` hands over batch by batch and `test`, if there is one,
/// which keeps no test rows of `source` then. Examples go to files in `folder`. The sample is a function of
/// the rows and the seed, not of their order; it holds a row of every class.
///
/// # Errors
/// Whatever does not fit, with row and column; a disk that is full.
pub fn prepare_stream<E: From<Error>>(
    run: &Run,
    source: Source<'_, E>,
    test: Option<Source<'_, E>>,
    folder: &Path,
    learned: Option<&Plan>,
) -> Result<Prepared, E> {
    let test_share = if test.is_some() { 0.0 } else { run.split.test };
    let part_of = |key: u64| match unit(key) {
        u if u < test_share => Part::Test,
        u if u < test_share + run.split.valid => Part::Valid,
        _ => Part::Train,
    };
    let sample = sample(run, source, &part_of)?;
    let (inputs, findings) = resolve(run, &sample, learned)?;
    for column in run.targets().filter_map(Target::column) {
        present(column, &sample)?;
    }
    let mut plan = Plan::fit(&inputs, &run.target, &run.further, &[&sample], &sample)?;
    plan.null_texts.clone_from(&run.data.null);
    let [mut train, mut valid, mut held] = [Writer::new(folder)?, Writer::new(folder)?, Writer::new(folder)?];
    let mut total = 0;
    each_slice(source, &mut |at, frame| {
        let made = whole(&plan, frame, at)?;
        let mut rows: [Vec<usize>; 3] = Default::default();
        (0..frame.rows()).for_each(|row| rows[part_of(frame.row_key(row, run.seed)) as usize].push(row));
        for (writer, rows) in [&mut train, &mut valid, &mut held].into_iter().zip(rows) {
            writer.push(&made.gather(&rows))?;
        }
        total += frame.rows();
        Ok(())
    })?;
    if let Some(test) = test {
        each_slice(test, &mut |at, frame| held.push(&whole(&plan, frame, at)?))?;
    }
    let empty = plan.layout();
    let parts = [train.finish(empty.clone())?, valid.finish(empty.clone())?, held.finish(empty)?];
    let shares = [("train", 1.0), ("valid", run.split.valid), ("test", test_share)];
    for (store, (part, share)) in parts.iter().zip(shares) {
        if store.rows() == 0 && share > 0.0 {
            return Err(Error::EmptySplit { rows: total, part }.into());
        }
    }
    let [train, valid, test] = parts.map(Rows::Stored);
    Ok(Prepared::of(plan, findings, train, valid, test))
}

/// Batches in slices, each with the number of rows before it.
fn each_slice<E: From<Error>>(
    source: Source<'_, E>,
    visit: &mut dyn FnMut(usize, &Frame) -> Result<(), Error>,
) -> Result<(), E> {
    let mut before = 0;
    source(&mut |frame| {
        let rows: Vec<usize> = (0..frame.rows()).collect();
        for slice in rows.chunks(SLICE) {
            visit(before, &frame.take(slice))?;
            before += slice.len();
        }
        Ok(())
    })
}

/// A slice as examples; an error names the row of the whole source.
fn whole(plan: &Plan, frame: &Frame, before: usize) -> Result<Labelled, Error> {
    label(plan, frame).map_err(|error| match error {
        Error::Value { row, column, expected, found, remedy } => {
            Error::Value { row: row + before, column, expected, found, remedy }
        }
        other => other,
    })
}

/// Up to [`SAMPLE`] training rows, those with the smallest hashes, and one of each class.
fn sample<E: From<Error>>(
    run: &Run,
    source: Source<'_, E>,
    part_of: &dyn Fn(u64) -> Part,
) -> Result<Frame, E> {
    let classes: Vec<&str> =
        run.targets().filter(|t| t.kind == TargetKind::Category).filter_map(Target::column).collect();
    let mut seen: HashSet<(usize, String)> = HashSet::new();
    let (mut kept, mut firsts) = (Kept::default(), Frame::default());
    source(&mut |frame| {
        let mut first = Vec::new();
        let mut rows = Vec::new();
        for row in 0..frame.rows() {
            let key = frame.row_key(row, run.seed);
            if part_of(key) != Part::Train {
                continue;
            }
            rows.push((frame.row_key(row, run.seed ^ 0x5a5a), row));
            for (index, column) in classes.iter().enumerate() {
                let class = frame.get(column).and_then(|values| values.text(row));
                if class.is_some_and(|class| seen.insert((index, class))) {
                    first.push(row);
                }
            }
        }
        firsts.append(frame.take(&first));
        kept.add(&frame, &rows);
        Ok(())
    })?;
    let mut sample = kept.finish();
    sample.append(firsts);
    Ok(sample)
}

/// The rows with the smallest keys so far.
#[derive(Default)]
struct Kept {
    keys: Vec<u64>,
    rows: Frame,
    /// No row with a larger key is wanted any more.
    limit: Option<u64>,
}

impl Kept {
    fn add(&mut self, frame: &Frame, rows: &[(u64, usize)]) {
        let wanted = rows.iter().filter(|(key, _)| self.limit.is_none_or(|limit| *key <= limit));
        let (keys, places): (Vec<u64>, Vec<usize>) = wanted.copied().unzip();
        self.keys.extend(keys);
        self.rows.append(frame.take(&places));
        if self.keys.len() > 2 * SAMPLE {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|&row| (self.keys[row], row));
        order.truncate(SAMPLE);
        self.limit = order.last().map(|&row| self.keys[row]);
        self.keys = order.iter().map(|&row| self.keys[row]).collect();
        self.rows = self.rows.take(&order);
    }

    fn finish(mut self) -> Frame {
        self.shrink();
        self.rows
    }
}

#[cfg(test)]
mod tests;
