//! Which columns the model sees, and as what.

use std::collections::HashSet;

use cupola_spec::{Encoding, Feature, Input, Kind, Run, TableStem, Target, TargetKind};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::frame::{Column, Frame};
use crate::plan::Plan;
use crate::text::FittedTokenizer;

/// Between the names of two columns in that of their product.
const TIMES: &str = " × ";
/// More distinct texts than this, and a column is no category.
const MOST_CATEGORIES: usize = 1000;
/// Up to so many values a category is one-hot, above it an embedding.
const MOST_ONE_HOT: usize = 64;

/// An input with its columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// The input as declared or inferred.
    pub input: Input,
    /// Its columns, in the order of the table.
    pub columns: Vec<String>,
    /// For a text: a tokenizer that a model has learned before.
    pub tokenizer: Option<FittedTokenizer>,
}

impl Resolved {
    /// An input with its columns.
    pub fn new(input: Input, columns: Vec<String>) -> Self {
        Self { input, columns, tokenizer: None }
    }
}

/// What was inferred about one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The column.
    pub column: String,
    /// `number`, `category`, or `left out`.
    pub kind: String,
    /// Distinct values.
    pub distinct: usize,
    /// Missing values.
    pub missing: usize,
    /// Why.
    pub note: String,
}

/// Columns for every input of `run`; with none declared, all columns but the target's are looked
/// at and the findings say what was made of them. The tokenizer of a `learned` plan is used again.
///
/// # Errors
/// A column that is not there, an image whose columns do not fill its shape, no usable column.
pub fn resolve(
    run: &Run,
    frame: &Frame,
    learned: Option<&Plan>,
) -> Result<(Vec<Resolved>, Vec<Finding>), Error> {
    // A reconstruction may have none.
    let targets: Vec<&str> = run.targets.iter().filter_map(Target::column).collect();
    for target in &targets {
        frame.require(target, "check `[[targets]]`")?;
    }
    let (mut resolved, findings) = if run.inputs.is_empty() {
        // What divides the rows is not known of a new one.
        let split = run.split.column.as_deref();
        inferred(frame, &targets.iter().copied().chain(split).collect::<Vec<_>>())?
    } else {
        let declared = run.inputs.iter().map(|input| declared(input, frame, &targets));
        (declared.collect::<Result<_, _>>()?, Vec::new())
    };
    let tokenizer = learned.and_then(Plan::tokenizer);
    for input in &mut resolved {
        input.tokenizer = tokenizer.cloned();
    }
    // One token for each column: a category is one column.
    if matches!(run.design.table, TableStem::Tokens { .. }) {
        for Resolved { input, .. } in resolved.iter_mut().filter(|r| r.input.kind == Kind::Category) {
            input.encode.get_or_insert(Encoding::Index);
        }
    }
    // Only what is a number can be reconstructed.
    if run.targets.first().kind == TargetKind::Reconstruct {
        for Resolved { input, .. } in resolved.iter_mut().filter(|r| r.input.kind == Kind::Category) {
            input.encode = Some(Encoding::OneHot);
        }
    }
    Ok((resolved, findings))
}

fn declared(input: &Input, frame: &Frame, targets: &[&str]) -> Result<Resolved, Error> {
    let own = [input.name.clone()];
    let patterns = input.columns.as_ref().map_or(own.as_slice(), |source| source.patterns());
    let mut columns = Vec::new();
    for pattern in patterns {
        if !pattern.contains('*') {
            frame.require(pattern, "check `[[inputs]]`")?;
        }
        // The text of a language model is its target; the past of a series is no secret.
        // Products are added below, to those of their own input.
        let own = |name: &str| {
            !name.contains(TIMES)
                && (!targets.contains(&name) || input.kind == Kind::Text || input.window.is_some())
        };
        let matching = frame.names().filter(|name| own(name) && matches(pattern, name));
        let before = columns.len();
        columns.extend(matching.map(str::to_owned));
        if columns.len() == before {
            let remedy = "check `[[inputs]]`; the target's own column is never an input";
            return Err(Error::Column { column: pattern.clone(), near: String::new(), remedy });
        }
    }
    if input.interact == Some(true) {
        columns.extend(products(&columns).into_iter().map(|feature| feature.name));
    }
    let image = input.shape.map(|shape| shape.to_vec());
    if let Some(shape) = image.or(input.steps.map(|steps| steps.to_vec())) {
        let expected: usize = shape.iter().product();
        // One column of files holds all of it.
        let of_files = columns.len() == 1 && !matches!(frame.get(&columns[0]), Some(Column::Number { .. }));
        if expected != columns.len() && !of_files {
            let why = format!(
                "shape {shape:?} needs {expected} columns, but {} match; change it or `columns`",
                columns.len()
            );
            return Err(Error::Input { input: input.name.clone(), why });
        }
    }
    Ok(Resolved::new(input.clone(), columns))
}

/// The products that a config asks for, as computed columns. Columns that are not there are told later.
pub(crate) fn interactions(run: &Run, frame: &Frame) -> Vec<Feature> {
    let mut features: Vec<Feature> = Vec::new();
    for input in run.inputs.iter().filter(|input| input.interact == Some(true)) {
        let alone = Input { interact: None, ..input.clone() };
        let Ok(resolved) = declared(&alone, frame, &[]) else { continue };
        for product in products(&resolved.columns) {
            if !features.contains(&product) {
                features.push(product);
            }
        }
    }
    features
}

/// The product of each pair.
fn products(columns: &[String]) -> Vec<Feature> {
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let pairs = columns.iter().enumerate().flat_map(|(i, a)| columns[i + 1..].iter().map(move |b| (a, b)));
    let product = |(a, b): (&String, &String)| Feature {
        name: format!("{a}{TIMES}{b}"),
        sql: format!("{} * {}", quoted(a), quoted(b)),
    };
    pairs.map(product).collect()
}

fn inferred(frame: &Frame, targets: &[&str]) -> Result<(Vec<Resolved>, Vec<Finding>), Error> {
    let (mut resolved, mut findings) = (Vec::new(), Vec::new());
    for name in frame.names().filter(|name| !targets.contains(name)) {
        let Some(column) = frame.get(name) else { continue };
        let (finding, kind) = look(name, column);
        if let Some((kind, encode)) = kind {
            let input = Input { encode, ..Input::new(name, kind) };
            resolved.push(Resolved::new(input, vec![name.to_owned()]));
        }
        findings.push(finding);
    }
    if resolved.is_empty() {
        let why = "no column but the target's can be used; check `data.query` or declare `[[inputs]]`";
        return Err(Error::Input { input: "*".into(), why: why.into() });
    }
    Ok((resolved, findings))
}

type Choice = Option<(Kind, Option<Encoding>)>;

fn look(name: &str, column: &Column) -> (Finding, Choice) {
    let rows = column.len();
    let (distinct, missing) = match column {
        Column::Number { values, .. } => {
            let present = values.iter().filter(|v| !v.is_nan());
            let distinct: HashSet<u64> = present.map(|v| (v + 0.0).to_bits()).collect();
            (distinct.len(), values.iter().filter(|v| v.is_nan()).count())
        }
        Column::Text(values) => {
            let distinct: HashSet<&str> = values.iter().flatten().collect();
            (distinct.len(), values.iter().filter(Option::is_none).count())
        }
        Column::Bytes(values) => (0, values.iter().filter(Option::is_none).count()),
    };
    let is_text = matches!(column, Column::Text(_));
    let (choice, note): (Choice, &str) = if matches!(column, Column::Bytes(_)) {
        (None, "files; declare an input of kind `image` or `series`")
    } else if distinct == 0 {
        (None, "all values are missing")
    } else if distinct == 1 && missing == 0 {
        (None, "one value throughout")
    } else if !is_text {
        (Some((Kind::Number, None)), "")
    } else if distinct > MOST_CATEGORIES || distinct > 20.max((rows - missing) / 2) {
        (None, "nearly as many values as rows: an identifier or free text")
    } else if distinct > MOST_ONE_HOT {
        (Some((Kind::Category, Some(Encoding::Index))), "embedding")
    } else {
        (Some((Kind::Category, None)), "one-hot")
    };
    let kind = match choice {
        Some((Kind::Number, _)) => "number",
        Some(_) => "category",
        None => "left out",
    };
    let finding =
        Finding { column: name.to_owned(), kind: kind.to_owned(), distinct, missing, note: note.to_owned() };
    (finding, choice)
}

/// Whether `name` fits a pattern in which `*` stands for any text.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("pixel_*", "pixel_3", true),
            ("pixel_*", "pixel", false),
            ("a", "a", true),
            ("a", "ab", false),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("a*a", "a", false),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
