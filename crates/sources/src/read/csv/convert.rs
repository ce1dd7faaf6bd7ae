//! Columns from the fields of a chunk.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Float64Builder, Int64Builder, PrimitiveBuilder, StringBuilder,
    new_null_array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, TimeUnit, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};

use super::field::{FieldType, parse_boolean, parse_integer, parse_real, parse_time};
use super::nulls::NullMarkers;
use super::records::Records;

/// Row whose value does not have the type of its column.
pub(super) struct Unfit {
    pub row: usize,
}

/// Fields of one column.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub records: &'a Records,
    pub column: usize,
    pub nulls: &'a NullMarkers,
    /// `false` if a point is not the decimal mark.
    pub points: bool,
}

impl<'a> Fields<'a> {
    /// Narrowest type of the values.
    pub fn guess(self) -> FieldType {
        let mut found = FieldType::Unknown;
        for row in 0..self.records.rows() {
            if let Some(value) = self.value(row) {
                found = found.union(FieldType::of(value, self.points));
                if found == FieldType::Text {
                    break;
                }
            }
        }
        found
    }

    /// Values with the type of the column.
    pub fn convert(self, kind: FieldType) -> Result<ArrayRef, Unfit> {
        match kind {
            FieldType::Text => Ok(self.texts()),
            FieldType::Integer => self.each(Int64Builder::with_capacity(self.rows()), parse_integer),
            FieldType::Real if !self.points => {
                self.each(Float64Builder::with_capacity(self.rows()), |_| None)
            }
            FieldType::Real => self.each(Float64Builder::with_capacity(self.rows()), parse_real),
            FieldType::Date => self.each(Date32Builder::with_capacity(self.rows()), |value| {
                parse_time(value).filter(|time| time.is_date).map(|time| time.days)
            }),
            FieldType::Time(TimeUnit::Second) => self.times::<TimestampSecondType>(TimeUnit::Second),
            FieldType::Time(TimeUnit::Millisecond) => {
                self.times::<TimestampMillisecondType>(TimeUnit::Millisecond)
            }
            FieldType::Time(TimeUnit::Microsecond) => {
                self.times::<TimestampMicrosecondType>(TimeUnit::Microsecond)
            }
            FieldType::Time(TimeUnit::Nanosecond) => {
                self.times::<TimestampNanosecondType>(TimeUnit::Nanosecond)
            }
            FieldType::Boolean => self.booleans(),
            FieldType::Unknown => match (0..self.rows()).find(|row| self.value(*row).is_some()) {
                Some(row) => Err(Unfit { row }),
                None => Ok(new_null_array(&DataType::Utf8, self.rows())),
            },
        }
    }

    fn rows(self) -> usize {
        self.records.rows()
    }

    fn value(self, row: usize) -> Option<&'a str> {
        self.nulls.value(self.records.field(row, self.column))
    }

    fn each<T: ArrowPrimitiveType>(
        self,
        mut builder: PrimitiveBuilder<T>,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef, Unfit> {
        for row in 0..self.rows() {
            match self.value(row) {
                Some(value) => builder.append_value(parse(value).ok_or(Unfit { row })?),
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    fn times<T: ArrowPrimitiveType<Native = i64>>(self, unit: TimeUnit) -> Result<ArrayRef, Unfit> {
        let builder = PrimitiveBuilder::<T>::with_capacity(self.rows());
        self.each(builder, |value| parse_time(value).and_then(|time| time.value(unit)))
    }

    fn booleans(self) -> Result<ArrayRef, Unfit> {
        let mut builder = BooleanBuilder::with_capacity(self.rows());
        for row in 0..self.rows() {
            match self.value(row) {
                Some(value) => builder.append_value(parse_boolean(value).ok_or(Unfit { row })?),
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Exact texts, blanks around them included.
    fn texts(self) -> ArrayRef {
        let rows = self.rows();
        let mut builder = StringBuilder::with_capacity(rows, self.records.bytes_per_column());
        for row in 0..rows {
            let field = self.records.field(row, self.column);
            builder.append_option(self.nulls.value(field).map(|_| field));
        }
        Arc::new(builder.finish())
    }
}
