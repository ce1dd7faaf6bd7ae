//! The filter `tojson` of chat templates, as transformers defines it: Python's `json.dumps` with `ensure_ascii=False`.
//!
//! The filter of Jinja also escapes HTML, so a model would read other text than it was trained with.

use std::io::{self, Write};

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, State, Value};
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{Formatter, PrettyFormatter};

use super::limits::measure;

/// Largest indentation.
const MAX_INDENT: usize = 16;

/// Separators `, ` and `: `, which `json.dumps` writes.
struct SpacedFormatter;

impl Formatter for SpacedFormatter {
    fn begin_array_value<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: Write + ?Sized>(&mut self, writer: &mut W) -> io::Result<()> {
        writer.write_all(b": ")
    }
}

/// JSON of a value; `indent` breaks it into lines.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
pub(in crate::generation) fn to_json(
    state: &State<'_, '_>,
    value: Value,
    options: Kwargs,
) -> Result<String, Error> {
    measure(state, &value)?;
    let indent: Option<usize> = options.get("indent")?;
    let mut out = Vec::new();
    let written = match indent {
        None => value.serialize(&mut Serializer::with_formatter(&mut out, SpacedFormatter)),
        Some(indent) => {
            let indent = " ".repeat(indent.min(MAX_INDENT));
            let formatter = PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut Serializer::with_formatter(&mut out, formatter))
        }
    };
    let invalid = |why: String| Error::new(ErrorKind::InvalidOperation, why);
    written.map_err(|error| invalid(format!("a value is not JSON: {error}")))?;
    String::from_utf8(out).map_err(|error| invalid(error.to_string()))
}
