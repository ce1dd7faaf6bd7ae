//! Raw rows as named columns of one length, whatever source they came from.

mod arrow;
mod column;
pub(crate) mod meaning;
pub(crate) mod parallel;
mod values;

use std::collections::BTreeSet;

use ::arrow::array::{RecordBatch, UInt64Array};
use ::arrow::datatypes::SchemaRef;
use indexmap::IndexMap;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::error::Error;
use crate::frame::meaning::ExactColumns;
pub(crate) use crate::frame::meaning::shortened;

pub use self::arrow::list_column;
pub use self::column::{Column, NotANumber};
pub(crate) use self::values::{SEND_TRAINED_COLUMNS, finite, required};

/// Named columns of one length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Frame {
    columns: IndexMap<String, Column>,
    rows: usize,
    /// Arrow types of columns that are left out because no kind of input takes them.
    unsupported: IndexMap<String, String>,
    /// Columns of integers that 64-bit floats do not hold.
    inexact: BTreeSet<String>,
}

impl Frame {
    /// Creates a frame from columns.
    ///
    /// # Panics
    /// Panics if the lengths differ, which is a bug of the caller.
    pub fn new(columns: IndexMap<String, Column>) -> Self {
        let rows = columns.values().next().map_or(0, Column::len);
        assert!(columns.values().all(|column| column.len() == rows), "columns of different lengths");
        Self { columns, rows, ..Self::default() }
    }

    /// Copies Arrow batches of one schema, the columns in `exact` as texts. Columns of lists and structs are left out.
    ///
    /// # Errors
    /// [`Error::TooLarge`] for more than 2 GiB of text in a column.
    pub fn from_batches(
        schema: &SchemaRef,
        batches: &[RecordBatch],
        exact: &ExactColumns,
    ) -> Result<Self, Error> {
        let rows = batches.iter().map(RecordBatch::num_rows).sum();
        let fields: Vec<_> = schema.fields().iter().enumerate().collect();
        let converted = parallel::map_items(fields, rows, |(index, field)| {
            let arrays = batches.iter().map(|batch| batch.column(index));
            let as_text = exact.contains(field.name());
            let is_inexact = !as_text && arrays.clone().any(arrow::is_inexact);
            let column = arrow::column(field.name(), field.data_type(), arrays, as_text)?;
            Ok::<_, Error>((field, is_inexact, column))
        });
        let mut columns = IndexMap::with_capacity(schema.fields().len());
        let (mut unsupported, mut inexact) = (IndexMap::new(), BTreeSet::new());
        for converted in converted {
            let (field, is_inexact, column) = converted?;
            let name = field.name();
            if is_inexact {
                inexact.insert(name.clone());
            }
            match column {
                Some(column) => columns.insert(name.clone(), column).map_or((), |_| ()),
                None => drop(unsupported.insert(name.clone(), field.data_type().to_string())),
            }
        }
        Ok(Self { columns, rows, unsupported, inexact })
    }

    /// Bytes of its values in memory, of which slices may share some.
    pub fn memory_bytes(&self) -> usize {
        self.columns.values().map(Column::memory_bytes).sum()
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Names of the columns, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.keys().map(String::as_str)
    }

    /// The column with this name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.get(name)
    }

    /// `true` for a column of integers of which some are the same number as 64-bit floats.
    pub(crate) fn is_inexact(&self, name: &str) -> bool {
        self.inexact.contains(name)
    }

    /// The column with this name, which the caller needs.
    ///
    /// # Errors
    /// [`Error::Column`] with the nearest name and `remedy` if there is none, [`Error::ArrowType`] for a column of lists or
    /// structs.
    pub fn require(&self, name: &str, remedy: &'static str) -> Result<&Column, Error> {
        self.get(name).ok_or_else(|| {
            if let Some(found) = self.unsupported.get(name) {
                return Error::ArrowType { column: name.to_owned(), found: found.clone() };
            }
            let near = cupola_spec::did_you_mean(name, self.names());
            let near = if near.is_empty() { self.listed_names() } else { near };
            Error::Column { column: name.to_owned(), near, remedy }
        })
    }

    /// First names for a message, with a leading space; empty without columns.
    pub fn listed_names(&self) -> String {
        const LISTED: usize = 8;
        let names: Vec<String> =
            self.names().take(LISTED).map(|name| format!("`{}`", shortened(name))).collect();
        match self.columns.len() {
            0 => String::new(),
            all if all > LISTED => format!(" (which has {} and {} more)", names.join(", "), all - LISTED),
            _ => format!(" (which has {})", names.join(", ")),
        }
    }

    /// Seeded hash of each row's content. Equal rows have equal keys, wherever they are in the frame.
    pub fn row_keys(&self, seed: u64) -> Vec<u64> {
        parallel::map_rows(self.rows, |start, rows| {
            let mut bytes = Vec::new();
            let key = |row: usize| {
                bytes.clear();
                self.columns.values().for_each(|column| column.write_bytes(row, &mut bytes));
                xxh3_64_with_seed(&bytes, seed)
            };
            (start..start + rows).map(key).collect()
        })
    }

    /// Appends the rows of a frame with the same columns. An empty frame becomes a copy of `other`.
    pub fn append(&mut self, other: &Self) {
        if self.columns.is_empty() {
            *self = other.clone();
            return;
        }
        self.rows += other.rows;
        self.inexact.extend(other.inexact.iter().cloned());
        for (name, column) in &other.columns {
            if let Some(own) = self.columns.get_mut(name) {
                own.append(column);
            }
        }
    }

    /// Rows of all frames, one after the other. They have the columns of the first one.
    pub(crate) fn concat(frames: &[Self]) -> Self {
        let Some(first) = frames.first().filter(|_| frames.len() > 1) else {
            return frames.first().cloned().unwrap_or_default();
        };
        let rows = frames.iter().map(Self::rows).sum();
        let joined = parallel::map_items(first.columns.keys().collect(), rows, |name| {
            let parts: Vec<&Column> = frames.iter().filter_map(|frame| frame.get(name)).collect();
            (name.clone(), Column::concat(&parts))
        });
        let columns = joined.into_iter().filter(|(_, column)| column.len() == rows).collect();
        Self { columns, rows, ..first.without_columns() }
    }

    /// Copies the rows at `indices`, in that order.
    #[must_use]
    pub fn take(&self, indices: &[usize]) -> Self {
        let rows: UInt64Array = indices.iter().map(|&row| row as u64).collect::<Vec<_>>().into();
        let columns = parallel::map_items(self.columns.iter().collect(), indices.len(), |(name, column)| {
            (name.clone(), column.take(&rows))
        });
        Self { columns: columns.into_iter().collect(), rows: indices.len(), ..self.without_columns() }
    }

    /// Frame without rows that knows the same of its source.
    fn without_columns(&self) -> Self {
        let (unsupported, inexact) = (self.unsupported.clone(), self.inexact.clone());
        Self { unsupported, inexact, ..Self::default() }
    }

    /// A view of `rows` rows from `start` on, without a copy.
    #[must_use]
    pub fn slice(&self, start: usize, rows: usize) -> Self {
        let columns = self.columns.iter().map(|(name, column)| (name.clone(), column.slice(start, rows)));
        Self { columns: columns.collect(), rows, ..self.without_columns() }
    }

    /// The frame with `column` in place of the one of that name, or after all others.
    ///
    /// # Panics
    /// Panics if the lengths differ, which is a bug of the caller.
    #[must_use]
    pub fn with(mut self, name: &str, column: Column) -> Self {
        assert!(self.columns.is_empty() || column.len() == self.rows, "a column of another length");
        self.rows = column.len();
        self.columns.insert(name.to_owned(), column);
        self
    }

    /// The frame without the column of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.columns.shift_remove(name);
        self
    }
}
