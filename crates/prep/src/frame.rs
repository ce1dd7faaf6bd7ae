//! Raw rows in memory, whatever they came from: numbers, texts or bytes, each possibly missing.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, RecordBatch, StringArray, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Float64Type, SchemaRef, TimeUnit};
use indexmap::IndexMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Error;
use crate::parts::in_parts;

/// Values of one column. A part of it is taken without a copy.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers; NaN is missing. `integers` tells that the source holds whole numbers. Dates and times
    /// are seconds since 1970.
    Number {
        /// One for each row.
        values: ScalarBuffer<f64>,
        /// Whether the source's type is an integer.
        integers: bool,
    },
    /// Texts; null is missing.
    Text(StringArray),
    /// Contents of files, such as pictures; null is missing.
    Bytes(BinaryArray),
}

/// Named columns of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    columns: IndexMap<String, Column>,
    rows: usize,
}

impl Column {
    /// Numbers, NaN where they are missing.
    pub fn numbers(values: Vec<f64>) -> Self {
        Self::Number { values: values.into(), integers: false }
    }

    /// Texts, `None` where they are missing.
    pub fn texts<T: AsRef<str>>(values: impl IntoIterator<Item = Option<T>>) -> Self {
        Self::Text(values.into_iter().collect())
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Number { values, .. } => values.len(),
            Self::Text(values) => values.len(),
            Self::Bytes(values) => values.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the value is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number { values, .. } => values[row].is_nan(),
            Self::Text(values) => values.is_null(row),
            Self::Bytes(values) => values.is_null(row),
        }
    }

    /// The value as a text, the way categories are named: 3.0 is "3". Bytes have none.
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::Number { values, .. } => {
                (!values[row].is_nan()).then(|| Cow::Owned(number_text(values[row])))
            }
            Self::Text(values) => values.is_valid(row).then(|| Cow::Borrowed(values.value(row))),
            Self::Bytes(_) => None,
        }
    }

    /// The value as a number; `Ok(None)` is missing, `Err` a text that is no number.
    ///
    /// # Errors
    /// The text.
    pub fn number(&self, row: usize) -> Result<Option<f64>, String> {
        match self {
            Self::Number { values, .. } => Ok((!values[row].is_nan()).then_some(values[row])),
            Self::Text(values) if values.is_null(row) => Ok(None),
            Self::Text(values) => match values.value(row).trim().parse::<f64>() {
                Ok(number) => Ok((!number.is_nan()).then_some(number)),
                Err(_) => Err(values.value(row).to_owned()),
            },
            Self::Bytes(values) => {
                if values.is_null(row) {
                    Ok(None)
                } else {
                    Err("bytes".to_owned())
                }
            }
        }
    }

    /// Adds what tells the value apart.
    fn bytes(&self, row: usize, out: &mut Vec<u8>) {
        let mut part = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => {
                out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            None => out.extend_from_slice(&u64::MAX.to_le_bytes()),
        };
        match self {
            // -0 and 0 are one value, and so are all NaN.
            Self::Number { values, .. } => {
                let value = values[row];
                let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
                out.extend_from_slice(&canonical.to_bits().to_le_bytes());
            }
            Self::Text(values) => part(values.is_valid(row).then(|| values.value(row).as_bytes())),
            Self::Bytes(values) => part(values.is_valid(row).then(|| values.value(row))),
        }
    }

    fn slice(&self, start: usize, rows: usize) -> Self {
        match self {
            Self::Number { values, integers } => {
                Self::Number { values: values.slice(start, rows), integers: *integers }
            }
            Self::Text(values) => Self::Text(values.slice(start, rows)),
            Self::Bytes(values) => Self::Bytes(values.slice(start, rows)),
        }
    }

    fn pick(&self, rows: &UInt64Array) -> Self {
        // Indices that are out of range are a bug, as they are for a slice.
        let taken = |values: &dyn Array| match take(values, rows, None) {
            Ok(taken) => taken,
            Err(error) => unreachable!("rows of a frame: {error}"),
        };
        match self {
            Self::Number { values, integers } => {
                let picked =
                    rows.values().iter().map(|&row| values[usize::try_from(row).unwrap_or(usize::MAX)]);
                Self::Number { values: picked.collect(), integers: *integers }
            }
            Self::Text(values) => Self::Text(taken(values).as_string::<i32>().clone()),
            Self::Bytes(values) => Self::Bytes(taken(values).as_binary::<i32>().clone()),
        }
    }

    fn append(&mut self, other: &Self) {
        let joined = |a: &dyn Array, b: &dyn Array| match concat(&[a, b]) {
            Ok(joined) => joined,
            // More than 2 GiB of text in what is meant to be a sample.
            Err(error) => unreachable!("batches of one source: {error}"),
        };
        match (&mut *self, other) {
            (Self::Number { values, .. }, Self::Number { values: more, .. }) => {
                *values = values.iter().chain(more.iter()).copied().collect();
            }
            (Self::Text(values), Self::Text(more)) => {
                *values = joined(values, more).as_string::<i32>().clone();
            }
            (Self::Bytes(values), Self::Bytes(more)) => {
                *values = joined(values, more).as_binary::<i32>().clone();
            }
            // Batches of one source have one schema.
            (_, other) => unreachable!("columns of other kinds: {} rows", other.len()),
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

    /// A seeded hash of each row's content: equal rows have equal keys wherever they stand.
    pub fn row_keys(&self, seed: u64) -> Vec<u64> {
        in_parts(self.rows, |start, rows| {
            let mut bytes = Vec::new();
            let key = |row: usize| {
                bytes.clear();
                self.columns.values().for_each(|column| column.bytes(row, &mut bytes));
                xxh3_64_with_seed(&bytes, seed)
            };
            (start..start + rows).map(key).collect()
        })
    }

    /// Adds the rows of frames with the same columns; an empty frame takes those of the first.
    pub fn append(&mut self, other: &Self) {
        if self.columns.is_empty() {
            *self = other.clone();
            return;
        }
        self.rows += other.rows;
        for (name, column) in &other.columns {
            if let Some(own) = self.columns.get_mut(name) {
                own.append(column);
            }
        }
    }

    /// The rows at `indices`, in that order.
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Self {
        let rows: UInt64Array = indices.iter().map(|&row| row as u64).collect::<Vec<_>>().into();
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.pick(&rows))).collect();
        Self { columns, rows: indices.len() }
    }

    /// `rows` rows from `start` on, without a copy.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.slice(start, rows)));
        Self { columns: columns.collect(), rows }
    }

    /// The same with a column in place of one of that name, or after all others.
    ///
    /// # Panics
    /// When the lengths differ: a bug, not an input.
    #[must_use]
    pub fn with(mut self, name: &str, column: Column) -> Self {
        assert!(self.columns.is_empty() || column.len() == self.rows, "a column of another length");
        self.rows = column.len();
        self.columns.insert(name.to_owned(), column);
        self
    }

    /// The same without a column.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.columns.shift_remove(name);
        self
    }
}

fn column<'a>(
    name: &str,
    kind: &DataType,
    arrays: impl Iterator<Item = &'a Arc<dyn Array>>,
) -> Result<Column, Error> {
    let wrong = || Error::ArrowType { column: name.to_owned(), found: kind.to_string() };
    let whole = |kind: &DataType, arrays: Vec<ArrayRef>| -> Result<ArrayRef, Error> {
        let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [] => Ok(arrow::array::new_empty_array(kind)),
            [_] => Ok(Arc::clone(&arrays[0])),
            // More than 2 GiB of text does not fit one array.
            many => concat(many).map_err(|_| Error::TooLarge { column: name.to_owned() }),
        }
    };
    if kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Null) {
        let mut values: Vec<f64> = Vec::new();
        for array in arrays {
            let (array, scale) = numbers(array).ok_or_else(wrong)?;
            let array = array.as_primitive::<Float64Type>();
            if array.null_count() == 0 && scale.is_none() {
                values.extend_from_slice(array.values());
            } else {
                values.extend(
                    array.iter().map(|value| value.map_or(f64::NAN, |value| value * scale.unwrap_or(1.0))),
                );
            }
        }
        return Ok(Column::Number { values: values.into(), integers: kind.is_integer() });
    }
    if kind.is_binary() || matches!(kind, DataType::BinaryView | DataType::LargeBinary) {
        let parts: Result<Vec<ArrayRef>, Error> =
            arrays.map(|array| cast(array, &DataType::Binary).map_err(|_| wrong())).collect();
        return Ok(Column::Bytes(whole(&DataType::Binary, parts?)?.as_binary::<i32>().clone()));
    }
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    let dictionary = matches!(kind, DataType::Dictionary(_, value) if value.is_string());
    if !text && !dictionary {
        return Err(wrong());
    }
    let parts: Result<Vec<ArrayRef>, Error> =
        arrays.map(|array| cast(array, &DataType::Utf8).map_err(|_| wrong())).collect();
    Ok(Column::Text(whole(&DataType::Utf8, parts?)?.as_string::<i32>().clone()))
}

/// Numbers, and what they are multiplied by: dates and times become seconds.
fn numbers(array: &ArrayRef) -> Option<(ArrayRef, Option<f64>)> {
    let scale = match array.data_type() {
        DataType::Date32 => Some(86_400.0),
        DataType::Date64 => Some(1e-3),
        DataType::Timestamp(unit, _)
        | DataType::Time32(unit)
        | DataType::Time64(unit)
        | DataType::Duration(unit) => match unit {
            TimeUnit::Second => Some(1.0),
            TimeUnit::Millisecond => Some(1e-3),
            TimeUnit::Microsecond => Some(1e-6),
            TimeUnit::Nanosecond => Some(1e-9),
        },
        _ => None,
    };
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32).ok()?,
        kind if kind.is_temporal() => cast(array, &DataType::Int64).ok()?,
        _ => Arc::clone(array),
    };
    Some((cast(&array, &DataType::Float64).ok()?, scale))
}
