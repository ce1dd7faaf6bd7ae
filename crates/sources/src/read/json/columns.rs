//! Columns of JSON objects: their names and types, and the values of a chunk.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanBuilder, Float64Builder, Int64Builder, StringBuilder, new_null_array};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::value::JsonValue;
use crate::read::csv::field::{FieldType, parse_integer, parse_real};

/// Names and types of columns, in the order of their first occurrence.
#[derive(Debug, Clone, Default)]
pub(super) struct JsonColumns {
    names: Vec<String>,
    kinds: Vec<FieldType>,
    index: HashMap<String, usize>,
    /// `true` if there are records of Airbyte.
    pub airbyte: bool,
}

impl JsonColumns {
    /// Index of a column; `near` is tried first, since rows mostly have the same keys.
    pub fn position(&self, name: &str, near: usize) -> Option<usize> {
        if self.names.get(near).is_some_and(|known| known == name) {
            return Some(near);
        }
        self.index.get(name).copied()
    }

    /// Adds a value of a column.
    pub fn add(&mut self, name: &str, kind: FieldType) {
        if let Some(at) = self.index.get(name) {
            self.kinds[*at] = self.kinds[*at].union(kind);
        } else {
            self.index.insert(name.to_owned(), self.names.len());
            self.names.push(name.to_owned());
            self.kinds.push(kind);
        }
    }

    /// Adds the values of other rows.
    pub fn merge(&mut self, other: &Self) {
        for (name, kind) in other.names.iter().zip(&other.kinds) {
            self.add(name, *kind);
        }
        self.airbyte |= other.airbyte;
    }

    /// Columns without those of an object that is `null` in some rows: its keys are columns of their own.
    pub fn without_null_objects(self) -> Self {
        let objects: HashSet<&str> = self
            .names
            .iter()
            .flat_map(|name| name.match_indices('.').map(move |(at, _)| &name[..at]))
            .collect();
        let is_object = |name: &str| objects.contains(name);
        let mut found = Self { airbyte: self.airbyte, ..Self::default() };
        for (name, kind) in self.names.iter().zip(&self.kinds) {
            if *kind != FieldType::Unknown || !is_object(name) {
                found.add(name, *kind);
            }
        }
        found
    }

    /// Number of columns.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Type of a column.
    pub fn kind(&self, index: usize) -> FieldType {
        self.kinds[index]
    }

    /// Schema of the batches.
    pub fn schema(&self) -> SchemaRef {
        let fields = self.names.iter().zip(&self.kinds);
        let fields = fields.map(|(name, kind)| Field::new(name, kind.data_type(), true));
        Arc::new(Schema::new(fields.collect::<Vec<_>>()))
    }
}

/// Builder of one column.
pub(super) enum ColumnBuilder {
    /// Column without any value so far.
    Unknown(usize),
    Integer(Int64Builder),
    Real(Float64Builder),
    Boolean(BooleanBuilder),
    Text(StringBuilder),
}

impl ColumnBuilder {
    pub fn new(kind: FieldType, rows: usize) -> Self {
        match kind {
            FieldType::Unknown => Self::Unknown(0),
            FieldType::Integer => Self::Integer(Int64Builder::with_capacity(rows)),
            FieldType::Real => Self::Real(Float64Builder::with_capacity(rows)),
            FieldType::Boolean => Self::Boolean(BooleanBuilder::with_capacity(rows)),
            // Texts are never dates here.
            FieldType::Text | FieldType::Date | FieldType::Time(_) => {
                Self::Text(StringBuilder::with_capacity(rows, rows * 8))
            }
        }
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        match self {
            Self::Unknown(rows) => *rows,
            Self::Integer(builder) => builder.len(),
            Self::Real(builder) => builder.len(),
            Self::Boolean(builder) => builder.len(),
            Self::Text(builder) => builder.len(),
        }
    }

    /// Adds a value; `false` if it does not have the type of the column.
    pub fn push(&mut self, value: &JsonValue<'_>) -> bool {
        match (self, value) {
            (Self::Unknown(rows), JsonValue::Null) => *rows += 1,
            (Self::Integer(builder), JsonValue::Null) => builder.append_null(),
            (Self::Real(builder), JsonValue::Null) => builder.append_null(),
            (Self::Boolean(builder), JsonValue::Null) => builder.append_null(),
            (Self::Integer(builder), JsonValue::Number(text)) => match parse_integer(text) {
                Some(value) => builder.append_value(value),
                None => return false,
            },
            (Self::Real(builder), JsonValue::Number(text)) => match parse_real(text) {
                Some(value) => builder.append_value(value),
                None => return false,
            },
            (Self::Boolean(builder), JsonValue::Boolean(value)) => builder.append_value(*value),
            (Self::Text(builder), value) => builder.append_option(value.text()),
            _ => return false,
        }
        true
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Unknown(rows) => new_null_array(&DataType::Utf8, rows),
            Self::Integer(mut builder) => Arc::new(builder.finish()),
            Self::Real(mut builder) => Arc::new(builder.finish()),
            Self::Boolean(mut builder) => Arc::new(builder.finish()),
            Self::Text(mut builder) => Arc::new(builder.finish()),
        }
    }
}
