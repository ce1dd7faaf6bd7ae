//! Closed sets of values, and endless ones by their hashes.

use std::borrow::Cow;
use std::collections::HashMap;

use cupola_spec::{Category, Encoding, Unseen};
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::outcomes::FOLDS;
use crate::error::Error;
use crate::examples::{Filling, Step};
use crate::frame::{Column, Frame, SEND};
use crate::stats::Moments;

/// Rows that the mean of all counts as.
const SMOOTH: f64 = 10.0;
/// More different values than this are not learned.
const MOST: usize = 1_000_000;

/// A value's index among the categories of the training split, or a number that stands for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedCategory {
    /// The column.
    pub column: String,
    /// Values in order of their index; none where they are hashed.
    pub categories: Vec<String>,
    /// How the value becomes numbers.
    pub encode: Encoding,
    /// `other` adds one last index for unseen and missing values.
    pub unseen: Unseen,
    /// Stands for a missing value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fill: Option<String>,
    /// Hashes that are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buckets: Option<usize>,
    /// The number of each index, already scaled, where one number stands for a value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// The same for training rows of each fold, by target encoding; not sealed.
    #[serde(skip)]
    pub(crate) own: Vec<[f64; FOLDS]>,
}

/// A category that is being fitted: it has seen some rows.
#[derive(Debug)]
pub(crate) struct CategoryFit {
    column: String,
    policy: Category,
    seen: HashMap<String, Tally, RandomState>,
}

/// Rows and sums of the target, for each fold.
#[derive(Debug, Clone, Default)]
struct Tally {
    rows: [f64; FOLDS],
    sums: [f64; FOLDS],
}

impl CategoryFit {
    pub fn new(column: &str, policy: Category) -> Self {
        Self { column: column.to_owned(), policy, seen: HashMap::default() }
    }

    /// `outcomes` are the target's numbers and the rows' folds, where they are needed.
    pub fn see(&mut self, frame: &Frame, outcomes: Option<&[(f64, usize)]>) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        if self.policy.encode == Encoding::Hash {
            return Ok(());
        }
        for row in 0..frame.rows() {
            let Some(text) = values.text(row) else { continue };
            let tally = match self.seen.get_mut(text.as_ref()) {
                Some(tally) => tally,
                None => self.seen.entry(text.into_owned()).or_default(),
            };
            let (outcome, fold) = outcomes.map_or((0.0, 0), |outcomes| outcomes[row]);
            tally.rows[fold] += 1.0;
            tally.sums[fold] += outcome;
        }
        if self.seen.len() > MOST {
            let why = format!("more than {MOST} different values; write `encode = \"hash\"`");
            return Err(Error::Input { input: self.column.clone(), why });
        }
        Ok(())
    }

    pub fn finish(self) -> Result<FittedCategory, Error> {
        let Self { column, policy, seen } = self;
        let mut each: Vec<(String, Tally)> = seen.into_iter().collect();
        each.sort_by(|a, b| a.0.cmp(&b.0));
        let hashed = policy.encode == Encoding::Hash;
        if each.is_empty() && !hashed {
            let why = "all its training values are missing; leave it out".to_owned();
            return Err(Error::Input { input: column, why });
        }
        let frequent = || each.iter().max_by(|a, b| a.1.all().0.total_cmp(&b.1.all().0).then(b.0.cmp(&a.0)));
        let fill = policy.fill.map(|fill| match fill.as_str() {
            "mode" => frequent().map(|(value, _)| value.clone()).unwrap_or_default(),
            _ => fill,
        });
        let (values, own) = numbers(policy.encode, &each, policy.unseen == Unseen::Other);
        Ok(FittedCategory {
            column,
            categories: each.into_iter().map(|(value, _)| value).collect(),
            encode: policy.encode,
            unseen: policy.unseen,
            fill,
            buckets: hashed.then_some(policy.buckets),
            values,
            own,
        })
    }
}

impl Tally {
    /// Rows and sum of all folds.
    fn all(&self) -> (f64, f64) {
        (self.rows.iter().sum(), self.sums.iter().sum())
    }
}

/// The numbers that stand for values, scaled to mean 0 and deviation 1 over the training rows, and those
/// of the training rows' own folds.
fn numbers(encode: Encoding, each: &[(String, Tally)], other: bool) -> (Vec<f64>, Vec<[f64; FOLDS]>) {
    let total: f64 = each.iter().map(|(_, tally)| tally.all().0).sum();
    let mut own: Vec<[f64; FOLDS]> = Vec::new();
    let mut values: Vec<f64> = match encode {
        Encoding::Ordinal => (0..each.len()).map(|index| index as f64).collect(),
        Encoding::Frequency => each.iter().map(|(_, tally)| tally.all().0 / total.max(1.0)).collect(),
        Encoding::Target => {
            let mut sums = Tally::default();
            for (_, tally) in each {
                (0..FOLDS).for_each(|fold| {
                    sums.rows[fold] += tally.rows[fold];
                    sums.sums[fold] += tally.sums[fold];
                });
            }
            let (rows, sum) = sums.all();
            let mean = sum / rows.max(1.0);
            let drawn = |rows: f64, sum: f64, mean: f64| (sum + SMOOTH * mean) / (rows + SMOOTH);
            own = each
                .iter()
                .map(|(_, tally)| {
                    let (all_rows, all_sum) = tally.all();
                    std::array::from_fn(|fold| {
                        let mean = (sum - sums.sums[fold]) / (rows - sums.rows[fold]).max(1.0);
                        drawn(all_rows - tally.rows[fold], all_sum - tally.sums[fold], mean)
                    })
                })
                .collect();
            let mut values: Vec<f64> =
                each.iter().map(|(_, tally)| drawn(tally.all().0, tally.all().1, mean)).collect();
            values.push(mean);
            values
        }
        Encoding::OneHot | Encoding::Index | Encoding::Hash => return (Vec::new(), Vec::new()),
    };
    let mut moments = Moments::default();
    for (value, (_, tally)) in values.iter().zip(each) {
        let rows = tally.all().0;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        moments.add_many(*value, rows as usize);
    }
    let (shift, factor) = moments.scaling(cupola_spec::Scaling::Standard);
    let scaled = |value: f64| (value - shift) * factor;
    if encode != Encoding::Target && other {
        // After the last value; of no training row.
        values.push(if encode == Encoding::Ordinal { each.len() as f64 } else { 0.0 });
    }
    own.iter_mut().flatten().for_each(|value| *value = scaled(*value));
    (values.into_iter().map(scaled).collect(), own)
}

impl FittedCategory {
    /// Number of indices, "other" included.
    pub fn size(&self) -> usize {
        self.buckets.unwrap_or(self.categories.len() + usize::from(self.unseen == Unseen::Other))
    }

    /// Scaled numbers that it adds to the table.
    pub(crate) fn numbers(&self) -> usize {
        usize::from(!self.values.is_empty())
    }

    /// Its encoded columns.
    pub(crate) fn steps(&self) -> Option<Step> {
        matches!(self.encode, Encoding::OneHot | Encoding::Hash).then(|| Step::Hot(self.size()))
    }

    /// Its index column.
    pub(crate) fn index(&self) -> Option<usize> {
        (self.encode == Encoding::Index).then(|| self.size())
    }

    /// The trained values, where there is a closed set of them.
    pub fn closed(&self) -> Option<&[String]> {
        self.buckets.is_none().then_some(self.categories.as_slice())
    }

    /// Writes its columns; `folds` are those of training rows.
    pub(crate) fn apply(
        &self,
        frame: &Frame,
        folds: Option<&[usize]>,
        out: &mut Filling,
    ) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let number = (self.numbers() > 0).then(|| out.take_number());
        let at = match self.encode {
            Encoding::OneHot | Encoding::Hash => out.take_hot(),
            Encoding::Index => out.take_index(),
            _ => 0,
        };
        let mut known = Known::new(self);
        for row in 0..frame.rows() {
            let index = known.index(self, values, row)?;
            match number {
                Some(number) => {
                    let own = folds.zip(self.own.get(index)).map(|(folds, own)| own[folds[row]]);
                    let value = own.or(self.values.get(index).copied());
                    out.set_dense(row, number, value.unwrap_or_default());
                }
                None => out.set_index(row, at, index),
            }
        }
        Ok(())
    }

    fn unknown(&self, row: usize, text: Option<&str>) -> Error {
        let known = self.categories.iter().map(String::as_str);
        let near = text.and_then(|text| cupola_spec::nearest(text, known));
        let remedy = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => "send one of the trained values".to_owned(),
        };
        Error::Value {
            row: row + 1,
            column: self.column.clone(),
            expected: format!("one of {} trained values", self.categories.len()),
            found: text.map_or("nothing".to_owned(), |text| format!("`{text}`")),
            remedy,
        }
    }
}

/// The indices of values while a column is gone through: most rows repeat a value.
struct Known<'a> {
    indices: HashMap<&'a str, usize, RandomState>,
    last: (String, usize),
}

impl<'a> Known<'a> {
    fn new(category: &'a FittedCategory) -> Self {
        let each = category.categories.iter().map(String::as_str);
        Self { indices: each.zip(0..).collect(), last: (String::new(), usize::MAX) }
    }

    fn index(&mut self, category: &FittedCategory, values: &Column, row: usize) -> Result<usize, Error> {
        let text = values.text(row).or(category.fill.as_deref().map(Cow::Borrowed));
        if let Some(text) = &text
            && self.last.1 != usize::MAX
            && self.last.0 == *text
        {
            return Ok(self.last.1);
        }
        let index = match (&text, category.buckets) {
            // A missing value has the hash of nothing.
            (text, Some(buckets)) => {
                let hash = xxh3_64(text.as_deref().unwrap_or_default().as_bytes());
                usize::try_from(hash % buckets as u64).unwrap_or_default()
            }
            (text, None) => {
                match (text.as_deref().and_then(|text| self.indices.get(text)), category.unseen) {
                    (Some(index), _) => *index,
                    (None, Unseen::Other) => category.categories.len(),
                    (None, Unseen::Error) => return Err(category.unknown(row, text.as_deref())),
                }
            }
        };
        if let Some(text) = text {
            self.last.0.clear();
            self.last.0.push_str(&text);
            self.last.1 = index;
        }
        Ok(index)
    }
}
