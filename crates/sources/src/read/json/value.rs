//! Values of JSON objects, nested objects flattened.

use std::borrow::Cow;
use std::fmt;

use cupola_values::canonical_number;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::read::conform::{is_metadata_of_airbyte, is_of_airbyte};
use crate::read::csv::field::FieldType;

/// Depth of nested objects that are flattened; deeper ones are kept as JSON text.
const MAX_DEPTH: usize = 32;
/// Key under which Airbyte writes a record.
const AIRBYTE_DATA: &str = "_airbyte_data";

/// Value of a key. Numbers and lists are the text of the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum JsonValue<'a> {
    Null,
    Boolean(bool),
    Number(&'a str),
    Text(Cow<'a, str>),
    /// List, or an object that is nested too deeply.
    Json(&'a str),
}

impl JsonValue<'_> {
    /// Narrowest type of the value.
    pub fn kind(&self) -> FieldType {
        match self {
            Self::Null => FieldType::Unknown,
            Self::Boolean(_) => FieldType::Boolean,
            Self::Number(text) => match FieldType::of(text, true) {
                number @ (FieldType::Integer | FieldType::Real) => number,
                _ => FieldType::Text,
            },
            Self::Text(_) | Self::Json(_) => FieldType::Text,
        }
    }

    /// Value as text: numbers in their canonical form, lists as JSON; `None` for `null`.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Boolean(value) => Some(if *value { "true" } else { "false" }.into()),
            Self::Number(text) => Some(canonical_number(text).unwrap_or(Cow::Borrowed(text))),
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Json(text) => Some(compact(text)),
        }
    }
}

/// JSON without blanks between its tokens.
fn compact(text: &str) -> Cow<'_, str> {
    if !text.contains([' ', '\t', '\r', '\n']) {
        return text.into();
    }
    let (mut out, mut quoted, mut escaped) = (String::with_capacity(text.len()), false, false);
    for c in text.chars() {
        if quoted || !c.is_ascii_whitespace() {
            out.push(c);
        }
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
    }
    out.into()
}

/// Keys and values of one object, as they are written.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("one JSON object a line")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key_seed(TextSeed)? {
            entries.push((key, map.next_value::<&'de RawValue>()?));
        }
        Ok(Entries(entries))
    }
}

/// Text that is borrowed where it has no escapes.
struct TextSeed;

impl<'de> DeserializeSeed<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for TextSeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Object of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ObjectKind {
    /// Row.
    Plain,
    /// Record of Airbyte, whose payload is the row.
    Airbyte,
}

/// Visitor of the values of a row with their keys; the key of `b` within `a` is `a.b`.
pub(super) type ValueVisitor<'v, E> = &'v mut dyn FnMut(&str, JsonValue<'_>) -> Result<(), E>;

/// Visits the values of the object in `line`.
pub(super) fn visit_object<E: From<serde_json::Error>>(
    line: &str,
    visit: ValueVisitor<'_, E>,
) -> Result<ObjectKind, E> {
    let entries: Entries<'_> = serde_json::from_str(line)?;
    let mut path = String::new();
    if let Some((_, payload)) = entries.0.iter().find(|(key, _)| key == AIRBYTE_DATA) {
        let text = payload.get();
        if text.starts_with('"') {
            let inner: String = serde_json::from_str(text)?;
            flatten(serde_json::from_str(&inner)?, &mut path, 0, visit)?;
        } else {
            flatten(serde_json::from_str(text)?, &mut path, 0, visit)?;
        }
        return Ok(ObjectKind::Airbyte);
    }
    if is_of_airbyte(entries.0.iter().map(|(key, _)| key.as_ref())) {
        let record = entries.0.into_iter().filter(|(key, _)| !is_metadata_of_airbyte(key));
        flatten(Entries(record.collect()), &mut path, 0, visit)?;
        return Ok(ObjectKind::Airbyte);
    }
    flatten(entries, &mut path, 0, visit)?;
    Ok(ObjectKind::Plain)
}

fn flatten<E: From<serde_json::Error>>(
    entries: Entries<'_>,
    path: &mut String,
    depth: usize,
    visit: ValueVisitor<'_, E>,
) -> Result<(), E> {
    for (key, value) in entries.0 {
        let before = path.len();
        if before > 0 {
            path.push('.');
        }
        path.push_str(&key);
        let text = value.get();
        match text.as_bytes().first() {
            Some(b'{') if depth < MAX_DEPTH => {
                flatten(serde_json::from_str(text)?, path, depth + 1, visit)?;
            }
            _ => visit(path, plain_value(text)?)?,
        }
        path.truncate(before);
    }
    Ok(())
}

fn plain_value(text: &str) -> Result<JsonValue<'_>, serde_json::Error> {
    Ok(match text.as_bytes().first() {
        Some(b'"') => {
            let inner = text.get(1..text.len() - 1).unwrap_or_default();
            if inner.contains('\\') {
                JsonValue::Text(Cow::Owned(serde_json::from_str(text)?))
            } else {
                JsonValue::Text(Cow::Borrowed(inner))
            }
        }
        Some(b't') => JsonValue::Boolean(true),
        Some(b'f') => JsonValue::Boolean(false),
        Some(b'n') => JsonValue::Null,
        Some(b'{' | b'[') => JsonValue::Json(text),
        _ => JsonValue::Number(text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Result<Vec<(String, Option<String>)>, serde_json::Error> {
        let mut found = Vec::new();
        visit_object(line, &mut |key, value| {
            found.push((key.to_owned(), value.text().map(Cow::into_owned)));
            Ok::<(), serde_json::Error>(())
        })?;
        Ok(found)
    }

    #[test]
    fn objects_are_flattened_and_numbers_are_canonical() {
        let line = r#"{"a": 12, "b": {"c": "x\n", "d": {"e": [1, "y z"]}}, "f": null, "g": {}, "h": true}"#;
        let expected = [
            ("a", Some("12")),
            ("b.c", Some("x\n")),
            ("b.d.e", Some(r#"[1,"y z"]"#)),
            ("f", None),
            ("h", Some("true")),
        ];
        let expected: Vec<(String, Option<String>)> =
            expected.iter().map(|(key, text)| ((*key).to_owned(), text.map(str::to_owned))).collect();
        assert_eq!(read(line).unwrap(), expected);
        for (number, text) in [
            ("2.0", "2"),
            ("1e0", "1"),
            ("-0", "0"),
            ("-0.0", "0"),
            ("0.10", "0.1"),
            ("12345678901234567890123", "12345678901234567890123"),
        ] {
            assert_eq!(read(&format!("{{\"n\":{number}}}")).unwrap()[0].1.as_deref(), Some(text));
        }
    }

    #[test]
    fn records_of_airbyte_are_their_payload() {
        for line in [
            r#"{"_airbyte_ab_id":"u","_airbyte_emitted_at":1,"_airbyte_data":{"x":1}}"#,
            r#"{"_airbyte_data":"{\"x\": 1}","_airbyte_raw_id":"u"}"#,
        ] {
            assert_eq!(read(line).unwrap(), [("x".to_owned(), Some("1".to_owned()))]);
        }
    }

    #[test]
    fn other_values_than_objects_are_refused() {
        for line in ["[1]", "1", "{\"a\":1} {\"b\":2}", "{\"a\":", "{\"a\":01}"] {
            assert!(read(line).is_err(), "{line}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_an_object_or_an_error(text in "[a{}\\[\\]:,\"1. \\\\etrufalsn-]{0,40}") {
            let _ = read(&text);
        }
    }
}
