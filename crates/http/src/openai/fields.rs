//! Fields of a request's body: bounded JSON in which an explicit null equals absence.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::ApiError;

/// Values of one body. An empty value takes up to forty times as many bytes in memory as in the body.
const MAX_VALUES: usize = 1 << 20;
/// Characters of a parser's message that an error shows.
const MAX_MESSAGE: usize = 400;
/// Keys of JSON Schemas, in which null has a meaning.
const SCHEMAS: [&str; 2] = ["schema", "parameters"];

/// Fields of a JSON object that were not taken yet.
pub(super) struct Fields {
    /// Path of the object; empty for the body.
    path: String,
    fields: Map<String, Value>,
}

impl Fields {
    /// Parses a body.
    pub fn parse(body: &[u8]) -> Result<Self, ApiError> {
        let malformed = |why: &dyn fmt::Display| ApiError::malformed(format!("invalid body: {why}"));
        let left = Cell::new(MAX_VALUES);
        let mut json = serde_json::Deserializer::from_slice(body);
        let value = ValueReader { left: &left, keeps_null: false }.deserialize(&mut json);
        let value = value.and_then(|value| json.end().map(|()| value)).map_err(|error| malformed(&error))?;
        match value {
            Value::Object(fields) => Ok(Self { path: String::new(), fields }),
            _ => Err(malformed(&"expected a JSON object")),
        }
    }

    /// Fields of an object inside the body, which `path` leads to.
    pub fn nested(value: Value, path: String) -> Result<Self, ApiError> {
        match value {
            Value::Object(fields) => Ok(Self { path, fields }),
            _ => Err(ApiError::invalid_value(format!("invalid `{path}`: expected a JSON object"), &path)),
        }
    }

    /// Path of a field, as errors name it.
    pub fn path(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// `true` if a field was sent and not taken yet; null counts as missing.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Takes a field; `None` if it is missing or null.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, ApiError> {
        let Some(value) = self.fields.remove(name) else { return Ok(None) };
        match serde_json::from_value(value) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(self.invalid(name, &error)),
        }
    }

    /// Takes a field that must be there.
    pub fn require<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, ApiError> {
        let path = self.path(name);
        let missing = || ApiError::invalid_value(format!("`{path}` is missing; send it"), &path);
        self.take(name)?.ok_or_else(missing)
    }

    /// Error about a field.
    pub fn invalid(&self, name: &str, why: &dyn fmt::Display) -> ApiError {
        let path = self.path(name);
        // A parser's message repeats the value.
        let why = shortened(&why.to_string());
        ApiError::invalid_value(format!("invalid `{path}`: {why}"), &path)
    }

    /// Refuses a field that has an effect which this server does not have: a response without the effect would look like
    /// one that has it.
    pub fn refuse(&self, name: &str, remedy: &str) -> Result<(), ApiError> {
        let has_effect = |value: &Value| match value {
            Value::Bool(value) => *value,
            Value::Number(value) => value.as_f64() != Some(0.0),
            Value::String(text) => !text.is_empty(),
            Value::Array(values) => !values.is_empty(),
            _ => true,
        };
        if !self.fields.get(name).is_some_and(has_effect) {
            return Ok(());
        }
        let path = self.path(name);
        Err(ApiError::invalid_value(format!("`{path}` is not supported; {remedy}"), &path))
    }
}

fn shortened(why: &str) -> String {
    match why.char_indices().nth(MAX_MESSAGE) {
        Some((end, _)) => format!("{}...", &why[..end]),
        None => why.to_owned(),
    }
}

/// Reader of a JSON value without the nulls of its objects.
#[derive(Clone, Copy)]
struct ValueReader<'a> {
    /// Values that may still follow.
    left: &'a Cell<usize>,
    keeps_null: bool,
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.left.get().checked_sub(1).ok_or_else(|| {
            D::Error::custom(format!("it has more than {MAX_VALUES} values; send less at once"))
        })?;
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        while let Some(value) = values.next_element_seed(self)? {
            out.push(value);
        }
        Ok(Value::Array(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let keeps_null = self.keeps_null || SCHEMAS.contains(&key.as_str());
            let value = entries.next_value_seed(Self { keeps_null, ..self })?;
            if value.is_null() && !self.keeps_null {
                out.remove(&key);
            } else {
                out.insert(key, value);
            }
        }
        Ok(Value::Object(out))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fields(body: &Value) -> Map<String, Value> {
        Fields::parse(body.to_string().as_bytes()).unwrap().fields
    }

    #[test]
    fn nulls_of_objects_are_absent_except_in_schemas() {
        let schema =
            json!({ "type": "object", "properties": { "a": { "default": null, "enum": [null, 1] } } });
        let body = json!({
            "a": null, "b": { "c": null, "d": [null, { "e": null, "f": 1.5 }] },
            "parameters": schema, "json_schema": { "name": null, "schema": schema },
        });
        let expected = json!({
            "b": { "d": [null, { "f": 1.5 }] }, "parameters": schema, "json_schema": { "schema": schema },
        });
        assert_eq!(Value::Object(fields(&body)), expected);
        assert_eq!(fields(&json!({ "parameters": null })).len(), 0);
        // The last one of equal keys counts.
        assert!(Fields::parse(br#"{"a": 1, "a": null}"#).unwrap().fields.is_empty());
    }

    #[test]
    fn fields_are_typed_and_errors_name_them() {
        let mut fields =
            Fields::parse(br#"{"n": 2, "temperature": "hot", "seed": 1.5, "echo": true}"#).unwrap();
        assert_eq!(fields.take::<usize>("n").unwrap(), Some(2));
        assert_eq!(fields.take::<usize>("n").unwrap(), None);
        for name in ["temperature", "seed"] {
            let error = fields.take::<i64>(name).unwrap_err();
            assert_eq!((error.status.as_u16(), error.field.as_deref()), (400, Some(name)));
        }
        assert_eq!(fields.require::<String>("model").unwrap_err().field.as_deref(), Some("model"));
        assert!(fields.refuse("echo", "omit it").is_err() && fields.refuse("audio", "omit it").is_ok());
        let mut nested = Fields::nested(json!({ "a": 1 }), "messages[0]".to_owned()).unwrap();
        assert_eq!(nested.take::<String>("a").unwrap_err().field.as_deref(), Some("messages[0].a"));
        assert!(Fields::nested(json!([1]), "messages[0]".to_owned()).is_err());
    }

    #[test]
    fn hostile_bodies_are_refused() {
        let many = format!("{{\"prompt\": [{}0]}}", "0,".repeat(MAX_VALUES));
        let deep = format!("{{\"a\": {}", "[".repeat(100_000));
        let bodies: [&[u8]; 8] = [
            many.as_bytes(),
            deep.as_bytes(),
            b"",
            b"[]",
            b"null",
            b"{\"a\": NaN}",
            b"{\"a\": 1e999}",
            b"{\"a\": 1} {}",
        ];
        for body in bodies {
            let error = Fields::parse(body).map(|_| ()).unwrap_err();
            assert_eq!((error.status.as_u16(), error.code), (400, "malformed"), "{}", error.message);
        }
    }
}
