//! Values of one column: numbers, texts or bytes, each possibly missing.

use std::borrow::Cow;

use arrow::array::{Array, AsArray, BinaryArray, StringArray, UInt64Array};
use arrow::buffer::ScalarBuffer;
use arrow::compute::{concat, take};
use cupola_values::{DecimalMark, canonical_number, is_common_marker, number_text, parse_number};

/// Values of one column. Slices share memory with the whole.
#[derive(Debug, Clone, PartialEq)]
pub enum Column {
    /// Numbers, NaN where missing. Dates and times are seconds since 1970.
    Number {
        /// One value per row.
        values: ScalarBuffer<f64>,
        /// `true` if the values are dates or times, in seconds.
        time: bool,
    },
    /// Texts, null where missing.
    Text(StringArray),
    /// Contents of files such as images, null where missing.
    Bytes(BinaryArray),
}

/// Value that is not a number, as text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a number")]
pub struct NotANumber(pub String);

impl Column {
    /// A column of numbers, NaN where missing.
    pub fn numbers(values: Vec<f64>) -> Self {
        Self::Number { values: values.into(), time: false }
    }

    /// A column of texts, `None` where missing.
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

    /// Bytes of its values in memory, of which slices may share some.
    pub(super) fn memory_bytes(&self) -> usize {
        match self {
            Self::Number { values, .. } => values.len() * size_of::<f64>(),
            Self::Text(values) => values.get_array_memory_size(),
            Self::Bytes(values) => values.get_array_memory_size(),
        }
    }

    /// `true` if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `true` if the value in this row is missing.
    pub fn is_missing(&self, row: usize) -> bool {
        match self {
            Self::Number { values, .. } => values[row].is_nan(),
            Self::Text(values) => values.is_null(row),
            Self::Bytes(values) => values.is_null(row),
        }
    }

    /// The value as text, in the form that names a category: 3.0 is "3". `None` if missing, and for bytes.
    pub fn text(&self, row: usize) -> Option<Cow<'_, str>> {
        match self {
            Self::Number { values, .. } => {
                (!values[row].is_nan()).then(|| Cow::Owned(number_text(values[row])))
            }
            Self::Text(values) => values.is_valid(row).then(|| Cow::Borrowed(values.value(row))),
            Self::Bytes(_) => None,
        }
    }

    /// The value as a number; `None` if missing.
    ///
    /// # Errors
    /// [`NotANumber`] for any other text, and for bytes.
    pub fn number(&self, row: usize) -> Result<Option<f64>, NotANumber> {
        match self {
            // Zero has no sign, whatever the source wrote.
            Self::Number { values, .. } => Ok((!values[row].is_nan()).then_some(values[row] + 0.0)),
            Self::Text(values) if values.is_null(row) => Ok(None),
            Self::Text(values) => match parse_number(values.value(row), DecimalMark::Point) {
                Some(number) => Ok(Some(number + 0.0)),
                None if is_common_marker(values.value(row)) => Ok(None),
                None => Err(NotANumber(values.value(row).to_owned())),
            },
            Self::Bytes(values) if values.is_null(row) => Ok(None),
            Self::Bytes(_) => Err(NotANumber("bytes".to_owned())),
        }
    }

    /// Appends bytes that identify the value, for hashing.
    pub(super) fn write_bytes(&self, row: usize, out: &mut Vec<u8>) {
        let mut part = |bytes: Option<&[u8]>| match bytes {
            Some(bytes) => {
                out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
                out.extend_from_slice(bytes);
            }
            None => out.extend_from_slice(&u64::MAX.to_le_bytes()),
        };
        match self {
            // -0 equals 0, and all NaN are equal.
            Self::Number { values, .. } => {
                let value = values[row];
                let canonical = if value.is_nan() { f64::NAN } else { value + 0.0 };
                out.extend_from_slice(&canonical.to_bits().to_le_bytes());
            }
            Self::Text(values) if values.is_valid(row) => {
                let text = values.value(row);
                // A number has the same bytes whether the source delivers it as a number or as a text.
                match canonical_float(text) {
                    Some(number) => out.extend_from_slice(&number.to_bits().to_le_bytes()),
                    None => part(Some(text.as_bytes())),
                }
            }
            Self::Text(_) => part(None),
            Self::Bytes(values) => part(values.is_valid(row).then(|| values.value(row))),
        }
    }

    pub(super) fn slice(&self, start: usize, rows: usize) -> Self {
        match self {
            Self::Number { values, time } => Self::Number { values: values.slice(start, rows), time: *time },
            Self::Text(values) => Self::Text(values.slice(start, rows)),
            Self::Bytes(values) => Self::Bytes(values.slice(start, rows)),
        }
    }

    pub(super) fn take(&self, rows: &UInt64Array) -> Self {
        // An index out of range is a bug of the caller, as for a slice.
        let taken = |values: &dyn Array| match take(values, rows, None) {
            Ok(taken) => taken,
            Err(error) => unreachable!("rows of a frame: {error}"),
        };
        match self {
            Self::Number { values, time } => {
                let picked =
                    rows.values().iter().map(|&row| values[usize::try_from(row).unwrap_or(usize::MAX)]);
                Self::Number { values: picked.collect(), time: *time }
            }
            Self::Text(values) => Self::Text(taken(values).as_string::<i32>().clone()),
            Self::Bytes(values) => Self::Bytes(taken(values).as_binary::<i32>().clone()),
        }
    }

    /// Values of all columns, one after the other: as texts if they are of different kinds.
    pub(super) fn concat(columns: &[&Self]) -> Self {
        let numbers = |column: &&Self| match column {
            Self::Number { values, time } => Some((values.clone(), *time)),
            _ => None,
        };
        if let Some(all) = columns.iter().map(numbers).collect::<Option<Vec<_>>>() {
            let time = all.iter().any(|(_, time)| *time);
            return Self::Number {
                values: all.iter().flat_map(|(values, _)| values.iter()).copied().collect(),
                time,
            };
        }
        let bytes = |column: &&Self| match column {
            Self::Bytes(files) => Some(files.clone()),
            _ => None,
        };
        if let Some(all) = columns.iter().map(bytes).collect::<Option<Vec<_>>>() {
            return Self::Bytes(all.iter().flat_map(BinaryArray::iter).collect());
        }
        Self::texts(columns.iter().flat_map(|column| (0..column.len()).map(|row| column.text(row))))
    }

    pub(super) fn append(&mut self, other: &Self) {
        let joined = |a: &dyn Array, b: &dyn Array| match concat(&[a, b]) {
            Ok(joined) => joined,
            // Only samples are appended, which stay below the 2 GiB limit of a text array.
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
            // Batches of one source share a schema.
            (_, other) => unreachable!("columns of other kinds: {} rows", other.len()),
        }
    }
}

/// Number that a text is the canonical text of, if 64-bit floats hold it exactly.
fn canonical_float(text: &str) -> Option<f64> {
    let first = text.as_bytes().first()?;
    if !first.is_ascii_digit() && *first != b'-' || canonical_number(text)? != text {
        return None;
    }
    let number: f64 = text.parse().ok()?;
    (number_text(number) == text).then_some(number)
}
