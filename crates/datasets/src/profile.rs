//! What the columns of a dataset hold, learned in one pass and bounded memory.

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use datasketches::common::SearchCriteria;
use datasketches::hll::{HllSketch, HllType};
use datasketches::kll::{KllFloat, KllSketch};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use cupola_sources::Error as SourceError;

/// Values that are counted one by one; of more, only how many different ones there are is known.
const COUNTED: usize = 10_000;
/// Values that a profile keeps with their counts.
const TOP: usize = 20;
/// Steps between the quantiles that a profile keeps.
const STEPS: usize = 50;
/// Steps of a bin that drift is measured by.
const BIN: usize = 5;

/// All columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// In the order of the table.
    pub columns: Vec<ColumnProfile>,
}

/// One column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its Arrow type.
    #[serde(rename = "type")]
    pub kind: String,
    /// SourceRows.
    pub rows: u64,
    /// Of which missing.
    pub missing: u64,
    /// Different values; an estimate (`HyperLogLog`, 1 %) above 10,000.
    pub distinct: u64,
    /// Of numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberProfile>,
    /// The most frequent values and their counts, the most frequent first; of the first 10,000 different
    /// ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, u64)>,
}

/// How numbers are distributed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (population).
    pub std: f64,
    /// The smallest, every fiftieth, the largest; those between by a KLL sketch (rank error 0.3 %).
    pub quantiles: Vec<f64>,
}

impl Profile {
    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// A profile in the making.
pub(crate) struct Profiler {
    columns: Vec<ColumnProfiler>,
}

struct ColumnProfiler {
    name: String,
    kind: DataType,
    rows: u64,
    missing: u64,
    mean: f64,
    m2: f64,
    numbers: u64,
    sketch: Option<KllSketch<KllFloat<f64>>>,
    distinct: Option<HllSketch>,
    counts: HashMap<String, u64>,
    overflowed: bool,
}

impl Profiler {
    pub fn new(schema: &SchemaRef) -> Self {
        let seen = |field: &std::sync::Arc<arrow::datatypes::Field>| ColumnProfiler {
            name: field.name().clone(),
            kind: field.data_type().clone(),
            rows: 0,
            missing: 0,
            mean: 0.0,
            m2: 0.0,
            numbers: 0,
            sketch: KllSketch::new(800).ok().filter(|_| field.data_type().is_numeric()),
            distinct: HllSketch::new(14, HllType::Hll8).ok(),
            counts: HashMap::new(),
            overflowed: false,
        };
        Self { columns: schema.fields().iter().map(seen).collect() }
    }

    pub fn add(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        for (seen, array) in self.columns.iter_mut().zip(batch.columns()) {
            seen.add(array)
                .map_err(|error| SourceError::Engine { path: seen.name.clone(), why: error.to_string() })?;
        }
        Ok(())
    }

    pub fn finish(self) -> Profile {
        Profile { columns: self.columns.into_iter().map(ColumnProfiler::finish).collect() }
    }
}

impl ColumnProfiler {
    fn add(&mut self, array: &dyn Array) -> Result<(), arrow::error::ArrowError> {
        self.rows += array.len() as u64;
        self.missing += array.logical_null_count() as u64;
        if self.kind.is_binary() || matches!(self.kind, DataType::Null) {
            return Ok(());
        }
        if self.kind.is_numeric() {
            let numbers = cast(array, &DataType::Float64)?;
            for value in numbers.as_primitive::<Float64Type>().iter().flatten() {
                self.number(value);
            }
            return Ok(());
        }
        let texts = cast(array, &DataType::Utf8)?;
        for text in texts.as_string::<i32>().iter().flatten() {
            self.count(text);
        }
        Ok(())
    }

    fn number(&mut self, value: f64) {
        if value.is_nan() {
            self.missing += 1;
            return;
        }
        self.numbers += 1;
        let delta = value - self.mean;
        self.mean += delta / self.numbers as f64;
        self.m2 += delta * (value - self.mean);
        if let (Some(sketch), Some(item)) = (&mut self.sketch, KllFloat::<f64>::new(value).ok()) {
            sketch.update(item);
        }
        self.count(&format!("{}", value + 0.0));
    }

    fn count(&mut self, text: &str) {
        if let Some(distinct) = &mut self.distinct {
            distinct.update(text);
        }
        if let Some(count) = self.counts.get_mut(text) {
            *count += 1;
        } else if self.counts.len() < COUNTED {
            self.counts.insert(text.to_owned(), 1);
        } else {
            self.overflowed = true;
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an estimate of a count")]
    fn finish(self) -> ColumnProfile {
        let estimate = self.distinct.as_ref().map_or(0, |sketch| sketch.estimate().round() as u64);
        let distinct = if self.overflowed { estimate } else { self.counts.len() as u64 };
        let quantile = |sketch: &KllSketch<KllFloat<f64>>, rank: f64| {
            sketch.quantile(rank, SearchCriteria::Inclusive).ok().flatten().map(KllFloat::into_inner)
        };
        let numbers = self.sketch.as_ref().filter(|_| self.numbers > 0).map(|sketch| NumberProfile {
            mean: self.mean,
            std: (self.m2 / self.numbers as f64).sqrt(),
            quantiles: (0..=STEPS).filter_map(|i| quantile(sketch, i as f64 / STEPS as f64)).collect(),
        });
        let mut top: Vec<(String, u64)> = self.counts.into_iter().collect();
        top.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        // NumberProfile that are nearly all different have no frequent ones.
        if numbers.is_some() && distinct > COUNTED as u64 {
            top.clear();
        }
        top.truncate(TOP);
        ColumnProfile {
            name: self.name,
            kind: self.kind.to_string(),
            rows: self.rows,
            missing: self.missing,
            distinct,
            numbers,
            top,
        }
    }
}

/// Counts of a column's values by the bins of an older profile: deciles of numbers, the most frequent
/// values of anything else.
pub(crate) struct Drift {
    edges: Vec<f64>,
    values: Vec<String>,
    expected: Vec<f64>,
    counts: Vec<u64>,
}

impl From<&ColumnProfile> for Drift {
    fn from(column: &ColumnProfile) -> Self {
        let present = (column.rows - column.missing).max(1) as f64;
        let (edges, values, expected) = if let Some(numbers) = &column.numbers {
            let mut inner: Vec<f64> = numbers.quantiles.iter().copied().step_by(BIN).skip(1).collect();
            inner.pop();
            inner.dedup();
            let cuts: Vec<f64> = inner.iter().map(|edge| numbers.below(*edge)).chain([1.0]).collect();
            let shares = cuts.iter().scan(0.0, |before, cut| {
                let share = cut - *before;
                *before = *cut;
                Some(share)
            });
            (inner, Vec::new(), shares.collect())
        } else {
            let mut shares: Vec<f64> = column.top.iter().map(|(_, n)| *n as f64 / present).collect();
            shares.push((1.0 - shares.iter().sum::<f64>()).max(0.0));
            (Vec::new(), column.top.iter().map(|(value, _)| value.clone()).collect(), shares)
        };
        let bins = expected.len();
        Self { edges, values, expected, counts: vec![0; bins] }
    }
}

impl Drift {
    pub fn add(&mut self, number: Option<f64>, text: &str) {
        let bin = if self.values.is_empty() {
            let Some(number) = number else { return };
            // A bin holds its upper edge.
            self.edges.partition_point(|edge| *edge < number)
        } else {
            self.values.iter().position(|value| value == text).unwrap_or(self.values.len())
        };
        if let Some(count) = self.counts.get_mut(bin) {
            *count += 1;
        }
    }

    /// Population stability index: the sum of (new - old) * ln(new / old) over the bins, an empty bin
    /// counting as a share of 0.0001.
    pub fn index(&self) -> f64 {
        let total = self.counts.iter().sum::<u64>().max(1) as f64;
        let each = self.counts.iter().zip(&self.expected).map(|(count, old)| {
            let (new, old) = ((*count as f64 / total).max(1e-4), old.max(1e-4));
            (new - old) * (new / old).ln()
        });
        each.sum()
    }
}

impl Drift {
    /// The index between two profiles, without their rows: shares of the new one's values below the old
    /// one's deciles by linear interpolation, or those of its most frequent values.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share is 0 to 1")]
    pub fn between(old: &ColumnProfile, new: &ColumnProfile) -> Option<f64> {
        let mut drift = Self::from(old);
        if drift.expected.len() < 2 {
            return None;
        }
        // Shares in parts of a million, as counts are whole.
        let parts = |share: f64| (share.clamp(0.0, 1.0) * 1e6).round() as u64;
        match &new.numbers {
            Some(numbers) if drift.values.is_empty() => {
                let below: Vec<f64> =
                    drift.edges.iter().map(|edge| numbers.below(*edge)).chain([1.0]).collect();
                let mut before = 0.0;
                for (count, below) in drift.counts.iter_mut().zip(below) {
                    *count = parts(below - before);
                    before = below;
                }
            }
            None if !drift.values.is_empty() => {
                let present = (new.rows - new.missing).max(1) as f64;
                let mut rest = 1.0;
                for (value, count) in drift.values.iter().zip(&mut drift.counts) {
                    let found = new.top.iter().find(|(other, _)| other == value);
                    let share = found.map_or(0.0, |(_, n)| *n as f64 / present);
                    *count = parts(share);
                    rest -= share;
                }
                *drift.counts.last_mut()? = parts(rest);
            }
            _ => return None,
        }
        Some(drift.index())
    }
}

impl NumberProfile {
    /// Share of values up to `edge`.
    fn below(&self, edge: f64) -> f64 {
        let q = &self.quantiles;
        let above = q.partition_point(|value| *value <= edge);
        if above == 0 || q.len() < 2 {
            return 0.0;
        }
        if above == q.len() {
            return 1.0;
        }
        let (low, high) = (q[above - 1], q[above]);
        let step = 1.0 / (q.len() - 1) as f64;
        step * ((above - 1) as f64 + (edge - low) / (high - low))
    }
}
