//! Fast path of JSON rows: valid rows go from bytes to columns in one pass, without JSON values in between.

use std::fmt;

use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, Frame, InputColumn, Signature};
use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::float_text;

/// Rows between two looks at the deadline.
const ROWS_BETWEEN_CHECKS: usize = 512;

/// Columns of a body of valid rows; `None` for anything else, which the general path handles.
pub(super) fn parse(signature: &Signature, body: &[u8], budget: &Budget) -> Option<Frame> {
    read(signature, body, budget).map(Columns::finish)
}

/// Values row by row, `[rows, columns]`; `None` unless all columns are numbers and all values finite floats.
#[allow(clippy::cast_possible_truncation, reason = "networks take 32-bit floats")]
pub(super) fn floats(signature: &Signature, body: &[u8], budget: &Budget) -> Option<Vec<f32>> {
    let columns = read(signature, body, budget)?;
    let width = columns.values.len();
    let mut out = vec![0.0; columns.rows * width];
    for (at, values) in columns.values.iter().enumerate() {
        let ColumnValues::Numbers(values) = values else { return None };
        for (row, value) in values.iter().enumerate() {
            out[row * width + at] = *value as f32;
        }
    }
    out.iter().all(|value| value.is_finite()).then_some(out)
}

fn read<'a>(signature: &'a Signature, body: &[u8], budget: &'a Budget) -> Option<Columns<'a>> {
    let mut columns = Columns::new(&signature.inputs, budget);
    let mut json = serde_json::Deserializer::from_slice(body);
    BodySeed(&mut columns).deserialize(&mut json).ok()?;
    json.end().ok()?;
    (columns.rows > 0).then_some(columns)
}

enum ColumnValues {
    Numbers(Vec<f64>),
    Texts(Vec<Option<String>>),
}

impl ColumnValues {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len(),
            Self::Texts(values) => values.len(),
        }
    }
}

struct Columns<'a> {
    inputs: &'a [InputColumn],
    values: Vec<ColumnValues>,
    rows: usize,
    /// Column of the next key, if keys keep the signature's order, as they mostly do.
    next: usize,
    budget: &'a Budget,
}

impl<'a> Columns<'a> {
    fn new(inputs: &'a [InputColumn], budget: &'a Budget) -> Self {
        let values = inputs.iter().map(|input| match input.kind {
            ColumnType::Number => ColumnValues::Numbers(Vec::new()),
            _ => ColumnValues::Texts(Vec::new()),
        });
        Self { inputs, values: values.collect(), rows: 0, next: 0, budget }
    }

    fn column(&mut self, name: &str) -> Option<usize> {
        let is = |input: &InputColumn| input.name == name;
        let at = match self.inputs.get(self.next) {
            Some(input) if is(input) => self.next,
            _ => self.inputs.iter().position(is)?,
        };
        self.next = at + 1;
        Some(at)
    }

    fn finish(self) -> Frame {
        let each = self.inputs.iter().zip(self.values).map(|(input, values)| {
            let column = match values {
                ColumnValues::Numbers(values) => Column::numbers(values),
                ColumnValues::Texts(values) => Column::texts(values),
            };
            (input.name.clone(), column)
        });
        Frame::new(each.collect::<IndexMap<_, _>>())
    }
}

/// `{"rows": [...]}`
struct BodySeed<'c, 'a>(&'c mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for BodySeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("rows")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        if map.next_key::<&str>()? != Some("rows") {
            return Err(unsupported());
        }
        map.next_value_seed(RowsSeed(self.0))?;
        if map.next_key::<IgnoredAny>()?.is_some() { Err(unsupported()) } else { Ok(()) }
    }
}

struct RowsSeed<'c, 'a>(&'c mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for RowsSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<(), S::Error> {
        while seq.next_element_seed(RowSeed(self.0))?.is_some() {
            if self.0.rows.is_multiple_of(ROWS_BETWEEN_CHECKS) && self.0.budget.check().is_err() {
                return Err(unsupported());
            }
        }
        Ok(())
    }
}

struct RowSeed<'c, 'a>(&'c mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.0.next = 0;
        let mut filled = 0;
        while let Some(at) = map.next_key_seed(KeySeed(self.0))? {
            match at {
                Some(at) => {
                    // A key that is repeated.
                    if self.0.values[at].len() != self.0.rows {
                        return Err(unsupported());
                    }
                    map.next_value_seed(CellSeed {
                        input: &self.0.inputs[at],
                        values: &mut self.0.values[at],
                    })?;
                    filled += 1;
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        self.0.rows += 1;
        if filled == self.0.inputs.len() { Ok(()) } else { Err(unsupported()) }
    }
}

/// A key as the index of its column; `None` for a key that is no column.
struct KeySeed<'c, 'a>(&'c mut Columns<'a>);

impl<'de> DeserializeSeed<'de> for KeySeed<'_, '_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.column(name))
    }
}

struct CellSeed<'c> {
    input: &'c InputColumn,
    values: &'c mut ColumnValues,
}

impl<'de> DeserializeSeed<'de> for CellSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for CellSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        match self.values {
            ColumnValues::Numbers(values) => values.push(number),
            ColumnValues::Texts(values) => values.push(Some(float_text(number).ok_or_else(unsupported)?)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        match self.values {
            ColumnValues::Numbers(values) => values.push(number as f64),
            ColumnValues::Texts(values) => values.push(Some(number.to_string())),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        match self.values {
            ColumnValues::Numbers(values) => values.push(number as f64),
            ColumnValues::Texts(values) => values.push(Some(number.to_string())),
        }
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.values {
            ColumnValues::Texts(values) => values.push(Some(value.to_string())),
            ColumnValues::Numbers(_) => return Err(unsupported()),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        match self.values {
            ColumnValues::Texts(values) => values.push(Some(text.to_owned())),
            ColumnValues::Numbers(_) => return Err(unsupported()),
        }
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        match self.values {
            _ if !self.input.nullable => return Err(unsupported()),
            ColumnValues::Numbers(values) => values.push(f64::NAN),
            ColumnValues::Texts(values) => values.push(None),
        }
        Ok(())
    }
}

/// Error that leaves the body to the general path.
fn unsupported<E: Error>() -> E {
    E::custom("unsupported")
}

#[cfg(test)]
mod tests;
