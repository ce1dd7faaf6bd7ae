//! Preparing rows that are never all in memory: a sample is learned from, then all rows are transformed
//! and kept in files.

use std::collections::HashSet;
use std::path::Path;

use cupola_spec::{Run, Target, TargetKind};
use xxhash_rust::xxh3::xxh3_64;

use crate::derive::Derivation;
use crate::error::Error;
use crate::frame::Frame;
use crate::infer::resolve;
use crate::plan::{Plan, PlanFit};
use crate::prepare::{Prepared, kept};
use crate::rows::Rows;
use crate::split::{Divider, wanted};
use crate::store::Writer;
use crate::target::present;

/// Training rows that kinds of columns, tokenizers and targets are learned of.
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
    let divider = Divider::new(run, test_share);
    let mut derive: Option<Derivation> = None;
    let sample = sample(run, source, &divider, &mut derive)?;
    let derive = derive.unwrap_or_default();
    let (inputs, findings) = resolve(run, &sample, learned)?;
    for column in run.targets.iter().filter_map(Target::column) {
        present(column, &sample)?;
    }
    let mut fit = PlanFit::new(&inputs, run.targets.first(), &sample, false)?;
    each_slice(source, &mut |at, frame| {
        let frame = derive.apply(frame).map_err(|error| error.after(at))?;
        let [train, ..] = divided(run, &divider, &frame).map_err(|error| error.after(at))?;
        // A value that does not fit is told with its own row when all rows are transformed.
        fit.see(&frame.take(&train)).map_err(|error| error.after(at))
    })?;
    let mut plan = fit.finish(&run.targets, &[&sample], &sample)?;
    plan.null_texts.clone_from(&run.data.null);
    plan.derive = derive;
    let [mut train, mut valid, mut held] = [Writer::new(folder)?, Writer::new(folder)?, Writer::new(folder)?];
    let mut total = 0;
    each_slice(source, &mut |at, frame| {
        let frame = plan.derive.apply(frame).map_err(|error| error.after(at))?;
        let made = kept(&plan, &frame, false).map_err(|error| error.after(at))?;
        let [own, chosen_by, held_back] = divided(run, &divider, &frame).map_err(|error| error.after(at))?;
        let own = plan.trained_on(&frame, own)?;
        if plan.by_folds() {
            train.push(&kept(&plan, &frame.take(&own), true)?)?;
        } else {
            train.push(&made.gather(&own))?;
        }
        valid.push(&made.gather(&chosen_by))?;
        held.push(&made.gather(&held_back))?;
        total += frame.rows();
        Ok(())
    })?;
    if let Some(test) = test {
        each_slice(test, &mut |at, frame| {
            let frame = plan.derive.apply(frame).map_err(|error| error.after(at))?;
            held.push(&kept(&plan, &frame, false).map_err(|error| error.after(at))?)
        })?;
    }
    let recipe = plan.recipe();
    let empty = recipe.kept.clone();
    let parts = [train.finish(empty.clone())?, valid.finish(empty.clone())?, held.finish(empty)?];
    for (store, part) in parts.iter().zip(["train", "valid", "test"]) {
        if store.rows() == 0 && wanted(run, test_share, part) {
            return Err(Error::EmptySplit { rows: total, part }.into());
        }
    }
    let [train, valid, test] = parts.map(|store| Rows::Stored(recipe.clone(), store));
    Ok(Prepared::of(plan, findings, train, valid, test))
}

/// The rows of train, valid and test.
fn divided(run: &Run, divider: &Divider<'_>, frame: &Frame) -> Result<[Vec<usize>; 3], Error> {
    let mut parts: [Vec<usize>; 3] = Default::default();
    for (row, key) in frame.row_keys(run.seed).into_iter().enumerate() {
        parts[divider.part(frame, row, key)? as usize].push(row);
    }
    Ok(parts)
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
            visit(before, &frame.slice(slice[0], slice.len()))?;
            before += slice.len();
        }
        Ok(())
    })
}

/// Up to [`SAMPLE`] training rows, those with the smallest hashes, and one of each class.
fn sample<E: From<Error>>(
    run: &Run,
    source: Source<'_, E>,
    divider: &Divider<'_>,
    derive: &mut Option<Derivation>,
) -> Result<Frame, E> {
    let classes: Vec<&str> =
        run.targets.iter().filter(|t| t.kind == TargetKind::Category).filter_map(Target::column).collect();
    let mut seen: HashSet<(usize, u64)> = HashSet::new();
    let (mut taken, mut firsts) = (Kept::default(), Frame::default());
    let mut before = 0;
    source(&mut |frame| {
        let known = match derive.take() {
            Some(known) => known,
            None => Derivation::of(run, &frame)?,
        };
        let frame = derive.insert(known).apply(&frame).map_err(|error| error.after(before))?;
        let mut first = Vec::new();
        let mut rows = Vec::new();
        let keys = frame.row_keys(run.seed ^ 0x5a5a);
        let [train, ..] = divided(run, divider, &frame).map_err(|error| error.after(before))?;
        for row in train {
            rows.push((keys[row], row));
            for (index, column) in classes.iter().enumerate() {
                let class = frame.get(column).and_then(|values| values.text(row));
                if class.is_some_and(|class| seen.insert((index, xxh3_64(class.as_bytes())))) {
                    first.push(row);
                }
            }
        }
        before += frame.rows();
        firsts.append(&frame.take(&first));
        taken.add(&frame, &rows);
        Ok(())
    })?;
    let mut sample = taken.finish();
    sample.append(&firsts);
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
        self.rows.append(&frame.take(&places));
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
