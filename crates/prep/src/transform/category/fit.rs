//! Fitting of a category.

use std::collections::HashMap;

use cupola_spec::{Category, Encoding, Scaling, Unseen};
use foldhash::fast::RandomState;

use super::FittedCategory;
use super::outcomes::{FOLDS, TargetOutcome};
use crate::error::Error;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS};
use crate::stats::Moments;

/// Rows that the overall mean counts as in target encoding.
const SMOOTHING: f64 = 10.0;
/// Most distinct values of a category that is not hashed.
const MAX_VALUES: usize = 1_000_000;

/// Category being fitted, with the values of the rows so far.
#[derive(Debug)]
pub(crate) struct CategoryFit {
    column: String,
    policy: Category,
    tallies: HashMap<String, Tally, RandomState>,
}

/// Number of rows and sum of outcomes of one value, by fold.
#[derive(Debug, Clone, Default)]
struct Tally {
    rows: [f64; FOLDS],
    sums: [f64; FOLDS],
}

impl Tally {
    /// Rows and sum over all folds.
    fn total(&self) -> (f64, f64) {
        (self.rows.iter().sum(), self.sums.iter().sum())
    }
}

impl CategoryFit {
    /// Starts a fit.
    pub fn new(column: &str, policy: Category) -> Self {
        Self { column: column.to_owned(), policy, tallies: HashMap::default() }
    }

    /// Adds training rows, with their outcomes for target encoding.
    pub fn observe(&mut self, frame: &Frame, outcomes: Option<&[TargetOutcome]>) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        if self.policy.encode == Encoding::Hash {
            return Ok(());
        }
        for row in 0..frame.rows() {
            let Some(text) = values.text(row) else { continue };
            let tally = match self.tallies.get_mut(text.as_ref()) {
                Some(tally) => tally,
                None => self.tallies.entry(text.into_owned()).or_default(),
            };
            let TargetOutcome { value, fold } =
                outcomes.map_or_else(TargetOutcome::default, |outcomes| outcomes[row]);
            tally.rows[fold] += 1.0;
            tally.sums[fold] += value;
        }
        if self.tallies.len() > MAX_VALUES {
            let why = format!("more than {MAX_VALUES} distinct values; write `encode = \"hash\"`");
            return Err(Error::Input { input: self.column.clone(), why });
        }
        Ok(())
    }

    /// Computes the transform.
    ///
    /// # Errors
    /// [`Error::Input`] if all training values are missing.
    pub fn finish(self) -> Result<FittedCategory, Error> {
        let Self { column, policy, tallies } = self;
        let mut values: Vec<(String, Tally)> = tallies.into_iter().collect();
        values.sort_by(|a, b| a.0.cmp(&b.0));
        let hashed = policy.encode == Encoding::Hash;
        if values.is_empty() && !hashed {
            let why = "all training values are missing; leave the input out".to_owned();
            return Err(Error::Input { input: column, why });
        }
        let rows = |value: &(String, Tally)| value.1.total().0;
        let most_frequent = || values.iter().max_by(|a, b| rows(a).total_cmp(&rows(b)).then(b.0.cmp(&a.0)));
        let fill = policy.fill.map(|fill| match fill.as_str() {
            "mode" => most_frequent().map(|(value, _)| value.clone()).unwrap_or_default(),
            _ => fill,
        });
        let (categories, tallies): (Vec<String>, Vec<Tally>) = values.into_iter().unzip();
        let numbers = EncodedNumbers::new(policy.encode, &tallies).scaled(policy.unseen == Unseen::Other);
        Ok(FittedCategory {
            column,
            categories,
            encode: policy.encode,
            unseen: policy.unseen,
            fill,
            buckets: hashed.then_some(policy.buckets),
            values: numbers.values,
            fold_values: numbers.fold_values,
        })
    }
}

/// Numbers that stand for the values of a category.
struct EncodedNumbers<'a> {
    encode: Encoding,
    tallies: &'a [Tally],
    /// Number of each value; for target encoding also one for unseen values.
    values: Vec<f64>,
    /// Numbers of each value for the training rows of each fold, computed from the other folds.
    fold_values: Vec<[f64; FOLDS]>,
}

impl<'a> EncodedNumbers<'a> {
    fn new(encode: Encoding, tallies: &'a [Tally]) -> Self {
        let mut numbers = Self { encode, tallies, values: Vec::new(), fold_values: Vec::new() };
        match encode {
            Encoding::Ordinal => numbers.values = (0..tallies.len()).map(|index| index as f64).collect(),
            Encoding::Frequency => {
                let total: f64 = tallies.iter().map(|tally| tally.total().0).sum();
                numbers.values = tallies.iter().map(|tally| tally.total().0 / total.max(1.0)).collect();
            }
            Encoding::Target => numbers.encode_by_target(),
            Encoding::OneHot | Encoding::Index | Encoding::Hash => {}
        }
        numbers
    }

    /// Mean outcome of each value, shrunk towards the overall mean.
    fn encode_by_target(&mut self) {
        let mut all = Tally::default();
        for tally in self.tallies {
            for fold in 0..FOLDS {
                all.rows[fold] += tally.rows[fold];
                all.sums[fold] += tally.sums[fold];
            }
        }
        let (rows, sum) = all.total();
        let mean = sum / rows.max(1.0);
        let shrunk = |rows: f64, sum: f64, mean: f64| (sum + SMOOTHING * mean) / (rows + SMOOTHING);
        let by_fold = |tally: &Tally| {
            let (own_rows, own_sum) = tally.total();
            std::array::from_fn(|fold| {
                let mean = (sum - all.sums[fold]) / (rows - all.rows[fold]).max(1.0);
                shrunk(own_rows - tally.rows[fold], own_sum - tally.sums[fold], mean)
            })
        };
        self.fold_values = self.tallies.iter().map(by_fold).collect();
        let total = |tally: &Tally| shrunk(tally.total().0, tally.total().1, mean);
        self.values = self.tallies.iter().map(total).collect();
        self.values.push(mean);
    }

    /// Scales the numbers to mean 0 and deviation 1 over the training rows. `other` adds a number for unseen values.
    fn scaled(mut self, other: bool) -> Self {
        if self.values.is_empty() {
            return self;
        }
        let mut moments = Moments::default();
        for (value, tally) in self.values.iter().zip(self.tallies) {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            moments.add_many(*value, tally.total().0 as usize);
        }
        let (shift, factor) = moments.scaling(Scaling::Standard);
        match self.encode {
            // An unseen value follows the last one, and has no training row.
            Encoding::Ordinal if other => self.values.push(self.tallies.len() as f64),
            Encoding::Frequency if other => self.values.push(0.0),
            _ => {}
        }
        let scale = |value: &mut f64| *value = (*value - shift) * factor;
        self.values.iter_mut().for_each(scale);
        self.fold_values.iter_mut().flatten().for_each(scale);
        self
    }
}
