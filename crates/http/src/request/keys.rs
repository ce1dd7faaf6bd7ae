//! Keys of JSON rows, in their order, without the values.

use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::error::ApiError;

/// Longest part of a key that a message quotes.
const QUOTED_CHARS: usize = 48;

/// Calls `see` with each row, from 0, and each of its keys, until it returns `false`. The body is one that was
/// parsed as rows before: what is not, is passed over.
pub(crate) fn each_key(lines: bool, body: &[u8], see: &mut dyn FnMut(usize, &str) -> bool) {
    let mut pass = Pass { see, rows: 0 };
    let mut json = serde_json::Deserializer::from_slice(body);
    if !lines {
        let _ = BodySeed(&mut pass).deserialize(&mut json);
        return;
    }
    while json.end().is_err() {
        if RowSeed(&mut pass).deserialize(&mut json).is_err() {
            return;
        }
    }
}

/// Refuses rows that have a key twice, of which a parser would keep one value.
///
/// # Errors
/// [`ApiError`] for the first such row.
pub(super) fn check_keys(lines: bool, body: &[u8]) -> Result<(), ApiError> {
    let (mut keys, mut current, mut found) = (HashSet::new(), 0, None);
    each_key(lines, body, &mut |row, key| {
        if row != current {
            keys.clear();
            current = row;
        }
        let new = keys.insert(key.to_owned());
        if !new {
            found = Some((row, key.to_owned()));
        }
        new
    });
    found.map_or(Ok(()), |(row, key)| Err(repeated(row, &key)))
}

/// Error of a row, from 0, that has a key twice.
pub(crate) fn repeated(row: usize, key: &str) -> ApiError {
    ApiError::malformed(format!("row {} has the key `{}` twice; send it once", row + 1, shortened(key)))
}

/// Key as a message quotes it.
pub(crate) fn shortened(key: &str) -> String {
    if key.chars().count() <= QUOTED_CHARS {
        return key.to_owned();
    }
    key.chars().take(QUOTED_CHARS - 3).collect::<String>() + "..."
}

struct Pass<'f> {
    see: &'f mut dyn FnMut(usize, &str) -> bool,
    /// Rows so far, with the current one.
    rows: usize,
}

macro_rules! seed {
    ($name:ident, $method:ident, $doc:literal) => {
        #[doc = $doc]
        struct $name<'p, 'f>(&'p mut Pass<'f>);

        impl<'de> DeserializeSeed<'de> for $name<'_, '_> {
            type Value = ();

            fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
                deserializer.$method(self)
            }
        }
    };
}

seed!(BodySeed, deserialize_map, "`{\"rows\": [...]}`");
seed!(RowsSeed, deserialize_seq, "List of rows.");
seed!(RowSeed, deserialize_map, "One row.");
seed!(KeySeed, deserialize_str, "One key of a row.");

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
        self.0.rows += 1;
        while map.next_key_seed(KeySeed(self.0))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

impl Visitor<'_> for KeySeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        if (self.0.see)(self.0.rows - 1, key) { Ok(()) } else { Err(E::custom("the rest is not read")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_seen_in_order_and_repeated_ones_refused() {
        let mut seen = Vec::new();
        let body = br#"{"rows": [{"a": {"b": 1}, "\u0063": [{"d": 2}]}, {}, {"a": "e:"}]}"#;
        each_key(false, body, &mut |row, key| {
            seen.push((row, key.to_owned()));
            true
        });
        assert_eq!(seen, [(0, "a".to_owned()), (0, "c".to_owned()), (2, "a".to_owned())]);
        assert!(check_keys(false, body).is_ok());
        let message = |lines, body: &[u8]| check_keys(lines, body).unwrap_err().message;
        let words = "row 2 has the key `a` twice; send it once";
        assert_eq!(message(false, br#"{"rows": [{"a": 1}, {"a": 1, "b": 2, "a": 3}]}"#), words);
        assert_eq!(message(true, b"{\"a\": 1}\n\n{\"a\": 1, \"a\": 3}\n"), words);
    }

    #[test]
    fn no_body_breaks_the_pass() {
        let seeds: [&[u8]; 2] = [br#"{"rows": [{"a": 1, "b": {"c": ":"}}]}"#, b"{\"a\": 1}\n{\"a\": 2}"];
        cupola_testkit::fuzz(&seeds, |body| {
            let _ = check_keys(false, body);
            let _ = check_keys(true, body);
        });
    }
}
