//! Sample of the training rows of a stream.

use std::collections::HashSet;

use cupola_spec::{Run, Target, TargetKind};
use xxhash_rust::xxh3::xxh3_64;

use super::encode::FrameStream;
use crate::error::Error;
use crate::features::Derivation;
use crate::frame::Frame;
use crate::frame::meaning::ValueRules;
use crate::split::RowSplitter;

/// Number of training rows that column kinds, tokenizers and targets are fitted to.
const SAMPLE_ROWS: usize = 100_000;
/// Changes the seed of the sample's hash, so that it is independent of the split.
const SAMPLE_SEED: u64 = 0x5a5a;

/// Reads a stream and returns its derivation with a sample of derived training rows: those with the smallest hashes,
/// up to [`SAMPLE_ROWS`], then one row of each class. The sample depends on the rows and the seed, not on their order.
pub(super) fn sample<E: From<Error>>(
    run: &Run,
    stream: FrameStream<'_, E>,
    splitter: &RowSplitter<'_>,
    values: &ValueRules,
) -> Result<(Derivation, Frame), E> {
    let classes: Vec<&str> =
        run.targets.iter().filter(|t| t.kind == TargetKind::Category).filter_map(Target::column).collect();
    let mut derive: Option<Derivation> = None;
    let mut seen: HashSet<(usize, u64)> = HashSet::new();
    let (mut smallest, mut first_of_class) = (SmallestKeys::default(), Frame::default());
    let mut before = 0;
    stream(&mut |frame| {
        let frame = values.apply(&frame, &run.data.null).map_err(|error| error.offset_row(before))?;
        let known = match derive.take() {
            Some(known) => known,
            None => Derivation::from_run(run, &frame)?,
        };
        let frame = derive.insert(known).apply(&frame).map_err(|error| error.offset_row(before))?;
        let [train, ..] = splitter.split(&frame).map_err(|error| error.offset_row(before))?;
        let mut first = Vec::new();
        for &row in &train {
            for (index, column) in classes.iter().enumerate() {
                let class = frame.get(column).and_then(|values| values.text(row));
                if class.is_some_and(|class| seen.insert((index, xxh3_64(class.as_bytes())))) {
                    first.push(row);
                }
            }
        }
        before += frame.rows();
        first_of_class.append(&frame.take(&first));
        let keys = frame.row_keys(run.seed ^ SAMPLE_SEED);
        smallest.add(&frame, &train.into_iter().map(|row| (keys[row], row)).collect::<Vec<_>>());
        Ok(())
    })?;
    let mut sample = smallest.finish();
    sample.append(&first_of_class);
    Ok((derive.unwrap_or_default(), sample))
}

/// Rows with the smallest keys so far.
#[derive(Default)]
struct SmallestKeys {
    keys: Vec<u64>,
    rows: Frame,
    /// Largest key that can still be among the smallest.
    limit: Option<u64>,
}

impl SmallestKeys {
    /// Adds rows by `(key, row)`.
    fn add(&mut self, frame: &Frame, rows: &[(u64, usize)]) {
        let candidates = rows.iter().filter(|(key, _)| self.limit.is_none_or(|limit| *key <= limit));
        let (keys, rows): (Vec<u64>, Vec<usize>) = candidates.copied().unzip();
        self.keys.extend(keys);
        self.rows.append(&frame.take(&rows));
        if self.keys.len() > 2 * SAMPLE_ROWS {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        let mut order: Vec<usize> = (0..self.keys.len()).collect();
        order.sort_unstable_by_key(|&row| (self.keys[row], row));
        order.truncate(SAMPLE_ROWS);
        self.limit = order.last().map(|&row| self.keys[row]);
        self.keys = order.iter().map(|&row| self.keys[row]).collect();
        self.rows = self.rows.take(&order);
    }

    fn finish(mut self) -> Frame {
        self.shrink();
        self.rows
    }
}
