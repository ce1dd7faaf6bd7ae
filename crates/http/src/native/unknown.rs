//! Keys of rows that the model does not have, and keys that a row repeats.
//!
//! The parser of rows ignores both. A valid body is looked at again only if it has more colons than its known
//! columns account for, so requests without unknown columns pay for one count.

use std::collections::HashMap;
use std::fmt;

use cupola_prep::Signature;
use cupola_runtime::{BulkFormat, PredictInput};
use cupola_spec::nearest;
use indexmap::IndexMap;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ApiError;

/// Unknown columns that a response names.
const LISTED: usize = 16;
/// Longest part of a column's name that a response quotes.
const NAME_CHARS: usize = 48;
/// Pairs of names that are compared for a suggestion, so that many unknown columns of a wide model cost little.
const COMPARED: usize = 2048;

/// Columns of a request that the model does not have, each with its first row, from 0.
#[derive(Debug, Default)]
pub(super) struct UnknownColumns {
    first_rows: IndexMap<String, usize>,
    /// `true` if there are more than are listed.
    more: bool,
}

impl UnknownColumns {
    /// Unknown columns of a request whose body was parsed.
    ///
    /// # Errors
    /// [`ApiError`] for a JSON row that repeats a key.
    pub fn of_request(
        signature: &Signature,
        format: Option<BulkFormat>,
        body: &[u8],
        input: &PredictInput,
    ) -> Result<Self, ApiError> {
        match (format, input) {
            (Some(BulkFormat::Csv | BulkFormat::Arrow), PredictInput::Frame(frame)) => {
                let mut unknown = Self::default();
                let known = |name: &str| signature.inputs.iter().any(|input| input.name == name);
                frame.names().filter(|name| !known(name)).for_each(|name| unknown.add(name, 0));
                Ok(unknown)
            }
            (Some(BulkFormat::Csv | BulkFormat::Arrow), PredictInput::Floats(_)) => Ok(Self::default()),
            (None | Some(BulkFormat::Lines), _) => Self::of_json(signature, format.is_some(), body, input),
        }
    }

    fn of_json(
        signature: &Signature,
        lines: bool,
        body: &[u8],
        input: &PredictInput,
    ) -> Result<Self, ApiError> {
        let width = signature.inputs.len();
        // Each row has every column of the signature, or it would have been refused.
        let expected = input.rows(width) * width + usize::from(!lines);
        if body.iter().filter(|byte| **byte == b':').count() == expected {
            return Ok(Self::default());
        }
        let mut scan = KeyScan::new(signature);
        let mut json = serde_json::Deserializer::from_slice(body);
        // The body was parsed before: an error of syntax cannot come up here.
        let mut read = Ok(());
        if lines {
            while read.is_ok() && json.end().is_err() {
                read = RowSeed(&mut scan).deserialize(&mut json);
            }
        } else {
            read = BodySeed(&mut scan).deserialize(&mut json);
        }
        match scan.repeated {
            Some((row, key)) => Err(repeated(row, &key)),
            None => read.map(|()| scan.unknown).map_err(|error| ApiError::malformed(error.to_string())),
        }
    }

    fn add(&mut self, name: &str, row: usize) {
        if self.first_rows.contains_key(name) {
            return;
        }
        if self.first_rows.len() == LISTED {
            self.more = true;
        } else {
            self.first_rows.insert(name.to_owned(), row);
        }
    }

    /// Warnings of a response: one for each column.
    pub fn warnings(&self, signature: &Signature) -> Vec<String> {
        let each = self.suggestions(signature).map(|(name, near)| {
            let quoted = shortened(name);
            match near {
                _ if signature.outputs.iter().any(|output| output.name == name) => {
                    format!("the target `{quoted}` is ignored")
                }
                Some(near) => format!("unknown column `{quoted}`; did you mean `{near}`?"),
                None => format!("unknown column `{quoted}`"),
            }
        });
        each.chain(self.more.then(|| "further unknown columns are not listed".to_owned())).collect()
    }

    /// Error of a strict request.
    ///
    /// # Errors
    /// [`ApiError`] if there is any unknown column.
    pub fn refuse(&self, signature: &Signature) -> Result<(), ApiError> {
        let Some((first, row)) = self.first_rows.first() else { return Ok(()) };
        let named = self.suggestions(signature).map(|(name, near)| {
            let near = near.map_or(String::new(), |near| format!(" (did you mean `{near}`?)"));
            format!("`{}`{near}", shortened(name))
        });
        let named: Vec<String> = named.chain(self.more.then(|| "...".to_owned())).collect();
        let plural = if named.len() > 1 { "s" } else { "" };
        let message = format!(
            "unknown column{plural} {} in a strict request; send only columns of the model",
            named.join(", ")
        );
        Err(ApiError::unknown_columns(message, format!("rows[{row}].{}", shortened(first))))
    }

    /// Unknown columns, each with the column of the model that is most similar.
    fn suggestions<'a>(
        &'a self,
        signature: &'a Signature,
    ) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let compared = (COMPARED / signature.inputs.len().max(1)).max(1);
        self.first_rows.keys().enumerate().map(move |(index, name)| {
            let short = index < compared && name.chars().count() <= NAME_CHARS;
            let columns = signature.inputs.iter().map(|input| input.name.as_str());
            (name.as_str(), short.then(|| nearest(name, columns)).flatten())
        })
    }
}

fn repeated(row: usize, key: &str) -> ApiError {
    let message = format!("row {} has the key `{}` twice; send it once", row + 1, shortened(key));
    ApiError::malformed(message)
}

fn shortened(name: &str) -> String {
    if name.chars().count() <= NAME_CHARS {
        return name.to_owned();
    }
    name.chars().take(NAME_CHARS - 3).collect::<String>() + "..."
}

/// State of a pass over the keys of all rows.
struct KeyScan<'a> {
    known: HashMap<&'a str, usize>,
    /// Row that had the column last, plus 1, by column.
    last_rows: Vec<usize>,
    /// The same of the unknown columns that are listed.
    last_unknown: HashMap<String, usize>,
    unknown: UnknownColumns,
    /// First row, from 0, that repeats a key, and the key.
    repeated: Option<(usize, String)>,
    /// Current row, from 1.
    row: usize,
}

impl<'a> KeyScan<'a> {
    fn new(signature: &'a Signature) -> Self {
        let names = signature.inputs.iter().enumerate();
        let known: HashMap<_, _> = names.map(|(index, input)| (input.name.as_str(), index)).collect();
        Self {
            last_rows: vec![0; known.len()],
            known,
            last_unknown: HashMap::new(),
            unknown: UnknownColumns::default(),
            repeated: None,
            row: 0,
        }
    }

    /// Takes note of a key; `false` if the row has it already.
    fn see(&mut self, key: &str) -> bool {
        let last = if let Some(index) = self.known.get(key) {
            std::mem::replace(&mut self.last_rows[*index], self.row)
        } else {
            self.unknown.add(key, self.row - 1);
            if !self.unknown.first_rows.contains_key(key) {
                return true;
            }
            self.last_unknown.insert(key.to_owned(), self.row).unwrap_or_default()
        };
        if last != self.row {
            return true;
        }
        self.repeated = Some((self.row - 1, key.to_owned()));
        false
    }
}

macro_rules! seed {
    ($name:ident, $method:ident) => {
        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.$method(self)
            }
        }
    };
}

/// `{"rows": [...]}`
struct BodySeed<'s, 'a>(&'s mut KeyScan<'a>);
/// The list of rows.
struct RowsSeed<'s, 'a>(&'s mut KeyScan<'a>);
/// One row.
struct RowSeed<'s, 'a>(&'s mut KeyScan<'a>);
/// One key of a row.
struct KeySeed<'s, 'a>(&'s mut KeyScan<'a>);

seed!(BodySeed, deserialize_map);
seed!(RowsSeed, deserialize_seq);
seed!(RowSeed, deserialize_map);
seed!(KeySeed, deserialize_str);

impl<'de> Visitor<'de> for BodySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with rows")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        while map.next_key::<IgnoredAny>()?.is_some() {
            map.next_value_seed(RowsSeed(self.0))?;
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for RowsSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of rows")
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut list: S) -> Result<(), S::Error> {
        while list.next_element_seed(RowSeed(self.0))?.is_some() {}
        Ok(())
    }
}

impl<'de> Visitor<'de> for RowSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a row")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<(), M::Error> {
        self.0.row += 1;
        while map.next_key_seed(KeySeed(self.0))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a column")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if self.0.see(key) { Ok(()) } else { Err(E::custom("a key is repeated")) }
    }
}

#[cfg(test)]
mod tests;
