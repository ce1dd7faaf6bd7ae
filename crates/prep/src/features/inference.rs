//! Inference of inputs from the columns of the data.

use cupola_spec::{Encoding, Input, Kind};
use serde::{Deserialize, Serialize};

use super::nature::{ColumnNature, ValueCounts, nature};
use super::resolved::ResolvedInput;
use crate::error::Error;
use crate::frame::Frame;
use crate::frame::meaning::ValueRules;

/// Result of the inference for one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferredColumn {
    /// Name of the column.
    pub column: String,
    /// `number`, `category`, `date`, or `left out`.
    pub kind: String,
    /// Number of distinct values.
    pub distinct: usize,
    /// Number of missing values.
    pub missing: usize,
    /// Encoding of a category, or the reason why the column is left out.
    pub note: String,
}

/// Infers one input per column that is not in `excluded`.
///
/// # Errors
/// [`Error::Input`] if no column can be used.
pub(super) fn infer(
    frame: &Frame,
    rules: &ValueRules,
    excluded: &[&str],
) -> Result<(Vec<ResolvedInput>, Vec<InferredColumn>), Error> {
    let (mut resolved, mut inferred) = (Vec::new(), Vec::new());
    for name in frame.names().filter(|name| !excluded.contains(name)) {
        let Some(column) = frame.get(name) else { continue };
        let counts = ValueCounts::of(column);
        let nature = nature(name, column, rules.get(name), frame.is_inexact(name), counts);
        let (input, note) = describe(nature);
        let kind = match input {
            Some(Kind::Number) => "number",
            Some(Kind::Date) => "date",
            Some(_) => "category",
            None => "left out",
        };
        if let Some(kind) = input {
            let input = Input { encode: nature.encoding(), ..Input::new(name, kind) };
            resolved.push(ResolvedInput::new(input, vec![name.to_owned()]));
        }
        let ValueCounts { distinct, missing } = counts;
        let (column, kind, note) = (name.to_owned(), kind.to_owned(), note.to_owned());
        inferred.push(InferredColumn { column, kind, distinct, missing, note });
    }
    if resolved.is_empty() {
        let why = "no usable column besides the target; check `data.query` or declare `[[inputs]]`";
        return Err(Error::Input { input: "*".into(), why: why.into() });
    }
    Ok((resolved, inferred))
}

/// Kind of the input that a column becomes, and a note on its encoding or the reason why it is left out.
fn describe(nature: ColumnNature) -> (Option<Kind>, &'static str) {
    match nature {
        ColumnNature::Number => (Some(Kind::Number), ""),
        ColumnNature::Date => (Some(Kind::Date), "year, month, day, weekday"),
        ColumnNature::Category(Encoding::Index) => (Some(Kind::Category), "embedding"),
        ColumnNature::Category(_) => (Some(Kind::Category), "one-hot"),
        ColumnNature::Text => (None, "free text; declare an input of kind `text`"),
        ColumnNature::Files => (None, "files; declare an input of kind `image` or `series`"),
        ColumnNature::Identifier(why) | ColumnNature::Unusable(why) => (None, why),
    }
}
