//! Column profiles, computed in one pass with bounded memory.

mod drift;

use std::collections::HashMap;

use arrow::array::{Array, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_sources::Error as SourceError;
use datasketches::common::SearchCriteria;
use datasketches::hll::{HllSketch, HllType};
use datasketches::kll::{KllFloat, KllSketch};
use serde::{Deserialize, Serialize};

pub(crate) use self::drift::Drift;

use crate::error::Error;

/// Distinct values that are counted exactly; beyond them only their number is estimated.
const COUNTED: usize = 10_000;
/// Most frequent values that a profile lists.
const TOP: usize = 20;
/// Intervals between the quantiles of a profile.
const STEPS: usize = 50;
/// Quantile intervals in one bin of the drift index.
const BIN: usize = 5;

/// Profile of all columns.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Columns in the order of the table.
    pub columns: Vec<ColumnProfile>,
}

/// Profile of one column.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Arrow type.
    #[serde(rename = "type")]
    pub kind: String,
    /// Number of rows.
    pub rows: u64,
    /// Number of missing values.
    pub missing: u64,
    /// Number of distinct values; an estimate (`HyperLogLog`, 1 %) above 10,000.
    pub distinct: u64,
    /// Distribution of a numeric column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberProfile>,
    /// Most frequent values and their counts in descending order, among the first 10,000 distinct values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub top: Vec<(String, u64)>,
}

/// Distribution of numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NumberProfile {
    /// Mean.
    pub mean: f64,
    /// Standard deviation (population).
    pub std: f64,
    /// 51 quantiles from the minimum to the maximum; those between by a KLL sketch (rank error 0.3 %).
    pub quantiles: Vec<f64>,
}

impl Profile {
    /// Finds a column by name.
    pub fn column(&self, name: &str) -> Option<&ColumnProfile> {
        self.columns.iter().find(|column| column.name == name)
    }
}

/// Incremental computation of a [`Profile`].
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
        // Frequencies of numbers that are nearly all distinct are meaningless.
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
