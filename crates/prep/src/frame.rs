//! Raw rows in memory, whatever they came from: numbers or texts, each possibly missing.

use std::sync::Arc;

use arrow::array::{Array, Float64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use indexmap::IndexMap;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;

/// Values of one column.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing. `integers` tells that the source holds whole numbers.
    Number {
        /// One for each row.
        values: Vec<f64>,
        /// Whether the source's type is an integer.
        integers: bool,
    },
    /// Texts; `None` is missing.
    Text(Vec<Option<String>>),
}

/// Named columns of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    columns: IndexMap<String, Column>,
    rows: usize,
}

impl Column {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number { values, .. } => values.len(),
            Self::Text(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value as a text, the way categories are named: 3.0 is "3".
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Self::Number { values, .. } => (!values[row].is_nan()).then(|| number_text(values[row])),
            Self::Text(values) => values[row].clone(),
        }
    }

    /// The value as a number; `Ok(None)` is missing, `Err` a text that is no number.
    ///
    /// # Errors
    /// The text.
    pub fn number(&self, row: usize) -> Result<Option<f64>, String> {
        match self {
            Self::Number { values, .. } => Ok((!values[row].is_nan()).then_some(values[row])),
            Self::Text(values) => match values[row].as_deref() {
                None => Ok(None),
                Some(text) => match text.trim().parse::<f64>() {
                    Ok(number) => Ok((!number.is_nan()).then_some(number)),
                    Err(_) => Err(text.to_owned()),
                },
            },
        }
    }

    fn hash(&self, row: usize, hasher: &mut Xxh3) {
        match self {
            // -0 and 0 are one value, and so are all NaN.
            Self::Number { values, .. } => {
                let value = values[row];
                let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
                hasher.update(&canonical.to_bits().to_le_bytes());
            }
            Self::Text(values) => match &values[row] {
                Some(text) => {
                    hasher.update(&(text.len() as u64).to_le_bytes());
                    hasher.update(text.as_bytes());
                }
                None => hasher.update(&u64::MAX.to_le_bytes()),
            },
        }
    }
}

/// A number as a category's name: whole numbers without a point.
pub fn number_text(value: f64) -> String {
    // Display of f64 writes 3.0 as "3" and is the shortest text that reads back the same.
    format!("{}", value + 0.0)
}

impl Frame {
    /// A frame of these columns.
    ///
    /// # Panics
    /// When the lengths differ: a bug, not an input.
    pub fn new(columns: IndexMap<String, Column>) -> Self {
        let rows = columns.values().next().map_or(0, Column::len);
        assert!(columns.values().all(|column| column.len() == rows), "columns of different lengths");
        Self { columns, rows }
    }

    /// Copies Arrow batches of one schema.
    ///
    /// # Errors
    /// [`Error::ArrowType`] for lists, structs and binary columns.
    pub fn from_batches(schema: &SchemaRef, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut columns = IndexMap::with_capacity(schema.fields().len());
        for (index, field) in schema.fields().iter().enumerate() {
            let arrays = batches.iter().map(|batch| batch.column(index));
            columns.insert(field.name().clone(), column(field.name(), field.data_type(), arrays)?);
        }
        Ok(Self::new(columns))
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// A column by name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// A column that has to be there.
    ///
    /// # Errors
    /// [`Error::Column`], with the nearest name.
    pub fn require(&self, name: &str, remedy: &'static str) -> Result<&Column, Error> {
        self.get(name).ok_or_else(|| {
            let near = cupola_spec::nearest(name, self.names());
            let near = near.map_or(String::new(), |near| format!(" (near it: {near})"));
            Error::Column { column: name.to_owned(), near, remedy }
        })
    }

    /// A seeded hash of a row's content: equal rows have equal keys wherever they stand.
    pub fn row_key(&self, row: usize, seed: u64) -> u64 {
        let mut hasher = Xxh3::with_seed(seed);
        for column in self.columns.values() {
            column.hash(row, &mut hasher);
        }
        hasher.digest()
    }

    /// Adds the rows of a frame with the same columns; an empty frame takes those of the other.
    pub fn append(&mut self, other: Self) {
        if self.columns.is_empty() {
            *self = other;
            return;
        }
        self.rows += other.rows;
        for (name, column) in other.columns {
            match (self.columns.get_mut(&name), column) {
                (Some(Column::Number { values, .. }), Column::Number { values: more, .. }) => {
                    values.extend(more);
                }
                (Some(Column::Text(values)), Column::Text(more)) => values.extend(more),
                // Batches of one source have one schema.
                (_, column) => unreachable!("column {name} with other values: {} rows", column.len()),
            }
        }
    }

    /// The rows at `indices`, in that order.
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Self {
        let pick = |column: &Column| match column {
            Column::Number { values, integers } => {
                Column::Number { values: indices.iter().map(|&i| values[i]).collect(), integers: *integers }
            }
            Column::Text(values) => Column::Text(indices.iter().map(|&i| values[i].clone()).collect()),
        };
        let columns = self.columns.iter().map(|(name, c)| (name.clone(), pick(c))).collect();
        Self { columns, rows: indices.len() }
    }
}

fn column<'a>(
    name: &str,
    kind: &DataType,
    arrays: impl Iterator<Item = &'a Arc<dyn Array>>,
) -> Result<Column, Error> {
    let wrong = || Error::ArrowType { column: name.to_owned(), found: kind.to_string() };
    if kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Null) {
        let mut values = Vec::new();
        for array in arrays {
            values.extend(numbers(array).ok_or_else(wrong)?);
        }
        let integers = kind.is_integer();
        return Ok(Column::Number { values, integers });
    }
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    let dictionary = matches!(kind, DataType::Dictionary(_, value) if value.is_string());
    if !text && !dictionary {
        return Err(wrong());
    }
    let mut values = Vec::new();
    for array in arrays {
        let array = cast(array, &DataType::Utf8).map_err(|_| wrong())?;
        let array = array.as_any().downcast_ref::<StringArray>().ok_or_else(wrong)?;
        values.extend(array.iter().map(|text| text.map(str::to_owned)));
    }
    Ok(Column::Text(values))
}

/// Numbers as they are; dates and times as their count of days or ticks since 1970.
fn numbers(array: &Arc<dyn Array>) -> Option<Vec<f64>> {
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32).ok()?,
        kind if kind.is_temporal() => cast(array, &DataType::Int64).ok()?,
        _ => Arc::clone(array),
    };
    let array = cast(&array, &DataType::Float64).ok()?;
    let array = array.as_any().downcast_ref::<Float64Array>()?;
    Some(array.iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}
