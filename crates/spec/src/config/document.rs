//! A TOML text as JSON values, with the line and column of every key.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;

use serde_json::{Map, Value};
use toml_edit::{Item, TableLike};

use crate::config::Problem;

/// Values of a TOML file and the positions of its keys by JSON pointer, such as `/inputs/0/kind`.
pub(crate) struct Document {
    pub value: Value,
    origin: String,
    text: String,
    spans: HashMap<String, Range<usize>>,
}

impl Document {
    /// Parses `text`, which messages call `origin`.
    pub fn parse(origin: &str, text: &str) -> Result<Self, Problem> {
        let document = toml_edit::Document::parse(text).map_err(|error| Problem {
            origin: origin.to_owned(),
            at: error.span().map(|span| line_column(text, span.start)),
            key: String::new(),
            message: format!("invalid TOML: {}", error.message().replace('\n', "; ")),
        })?;
        let mut spans = HashMap::new();
        let value = table(document.as_table(), "", &mut spans);
        Ok(Self { value, origin: origin.to_owned(), text: text.to_owned(), spans })
    }

    /// A problem at `pointer`, located at the nearest enclosing key of the file.
    pub fn problem(&self, pointer: &str, message: String) -> Problem {
        let mut at = pointer;
        let span = loop {
            if let Some(span) = self.spans.get(at) {
                break Some(span);
            }
            match at.rfind('/') {
                Some(cut) => at = &at[..cut],
                None => break None,
            }
        };
        Problem {
            origin: self.origin.clone(),
            at: span.map(|span| line_column(&self.text, span.start)),
            key: dotted(pointer),
            message,
        }
    }
}

/// The key of a pointer as users write it: `/inputs/0/kind` becomes `inputs[0].kind`.
pub(crate) fn dotted(pointer: &str) -> String {
    let mut key = String::new();
    for part in pointer.split('/').skip(1) {
        if part.bytes().all(|b| b.is_ascii_digit()) {
            let _ = write!(key, "[{part}]");
        } else {
            if !key.is_empty() {
                key.push('.');
            }
            key.push_str(&part.replace("~1", "/").replace("~0", "~"));
        }
    }
    key
}

fn line_column(text: &str, offset: usize) -> (usize, usize) {
    let before = &text.as_bytes()[..offset.min(text.len())];
    let line = before.split(|&b| b == b'\n').count();
    let start = before.iter().rposition(|&b| b == b'\n').map_or(0, |p| p + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

fn table(table: &dyn TableLike, pointer: &str, spans: &mut HashMap<String, Range<usize>>) -> Value {
    let mut map = Map::new();
    for (key, item) in table.iter() {
        let here = format!("{pointer}/{}", escape(key));
        let span = table.key(key).and_then(toml_edit::Key::span).or_else(|| item.span());
        if let Some(span) = span {
            spans.insert(here.clone(), span);
        }
        map.insert(key.to_owned(), item_value(item, &here, spans));
    }
    Value::Object(map)
}

fn item_value(item: &Item, pointer: &str, spans: &mut HashMap<String, Range<usize>>) -> Value {
    match item {
        Item::None => Value::Null,
        Item::Value(value) => plain(value, pointer, spans),
        Item::Table(inner) => table(inner, pointer, spans),
        Item::ArrayOfTables(tables) => {
            let each = tables.iter().enumerate().map(|(index, inner)| {
                let here = format!("{pointer}/{index}");
                if let Some(span) = inner.span() {
                    spans.insert(here.clone(), span);
                }
                table(inner, &here, spans)
            });
            Value::Array(each.collect())
        }
    }
}

fn plain(value: &toml_edit::Value, pointer: &str, spans: &mut HashMap<String, Range<usize>>) -> Value {
    match value {
        toml_edit::Value::String(s) => Value::String(s.value().clone()),
        toml_edit::Value::Integer(i) => Value::from(*i.value()),
        // JSON has neither inf nor nan; as texts they fail the schema with a clear type error.
        toml_edit::Value::Float(x) => serde_json::Number::from_f64(*x.value())
            .map_or_else(|| Value::String(x.value().to_string()), Value::Number),
        toml_edit::Value::Boolean(b) => Value::Bool(*b.value()),
        toml_edit::Value::Datetime(d) => Value::String(d.value().to_string()),
        toml_edit::Value::Array(array) => {
            let each = array.iter().enumerate().map(|(index, value)| {
                let here = format!("{pointer}/{index}");
                if let Some(span) = value.span() {
                    spans.insert(here.clone(), span);
                }
                plain(value, &here, spans)
            });
            Value::Array(each.collect())
        }
        toml_edit::Value::InlineTable(inner) => table(inner, pointer, spans),
    }
}
