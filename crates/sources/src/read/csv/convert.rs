//! Columns from the fields of a chunk.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, NullBufferBuilder, PrimitiveArray, StringBuilder, new_null_array,
};
use arrow::datatypes::{
    ArrowPrimitiveType, DataType, Date32Type, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
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
    pub records: &'a Records<'a>,
    pub column: usize,
    pub nulls: &'a NullMarkers,
    /// `false` if a point is not the decimal mark.
    pub points: bool,
}

impl<'a> Fields<'a> {
    /// Narrowest type of the values.
    pub fn guess(self) -> FieldType {
        let mut found = FieldType::Unknown;
        for value in self.values().flatten() {
            found = found.union(FieldType::of(value, self.points));
            if found == FieldType::Text {
                break;
            }
        }
        found
    }

    /// Values with the type of the column.
    pub fn convert(self, kind: FieldType) -> Result<ArrayRef, Unfit> {
        match kind {
            FieldType::Text => Ok(self.texts()),
            FieldType::Integer => self.each::<Int64Type>(parse_integer),
            FieldType::Real if !self.points => self.each::<Float64Type>(|_| None),
            FieldType::Real => self.each::<Float64Type>(parse_real),
            FieldType::Date => self.each::<Date32Type>(|value| {
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
            FieldType::Unknown => match self.values().position(|value| value.is_some()) {
                Some(row) => Err(Unfit { row }),
                None => Ok(new_null_array(&DataType::Utf8, self.rows())),
            },
        }
    }

    fn rows(self) -> usize {
        self.records.rows()
    }

    /// Value of each row; `None` if it is missing.
    fn values(self) -> impl Iterator<Item = Option<&'a str>> {
        self.records.column(self.column).map(move |field| self.nulls.value(field))
    }

    fn each<T: ArrowPrimitiveType>(
        self,
        parse: impl Fn(&str) -> Option<T::Native>,
    ) -> Result<ArrayRef, Unfit> {
        let mut numbers = Vec::with_capacity(self.rows());
        let mut valid = NullBufferBuilder::new(self.rows());
        for (row, value) in self.values().enumerate() {
            if let Some(value) = value {
                numbers.push(parse(value).ok_or(Unfit { row })?);
                valid.append_non_null();
            } else {
                numbers.push(T::Native::default());
                valid.append_null();
            }
        }
        Ok(Arc::new(PrimitiveArray::<T>::new(numbers.into(), valid.finish())))
    }

    fn times<T: ArrowPrimitiveType<Native = i64>>(self, unit: TimeUnit) -> Result<ArrayRef, Unfit> {
        self.each::<T>(|value| parse_time(value).and_then(|time| time.value(unit)))
    }

    fn booleans(self) -> Result<ArrayRef, Unfit> {
        let mut builder = BooleanBuilder::with_capacity(self.rows());
        for (row, value) in self.values().enumerate() {
            match value {
                Some(value) => builder.append_value(parse_boolean(value).ok_or(Unfit { row })?),
                None => builder.append_null(),
            }
        }
        Ok(Arc::new(builder.finish()))
    }

    /// Exact texts, blanks around them included.
    fn texts(self) -> ArrayRef {
        let mut builder = StringBuilder::with_capacity(self.rows(), self.records.bytes_per_column());
        for field in self.records.column(self.column) {
            builder.append_option(self.nulls.value(field).map(|_| field));
        }
        Arc::new(builder.finish())
    }
}
