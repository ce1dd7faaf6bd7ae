//! Checks of a plan that was read: one that passes can transform rows and decode predictions.

use std::collections::HashSet;

use super::Plan;
use crate::error::Error;
use crate::target::FittedTarget;
use crate::transform::FittedInput;

/// Values of an example, logits and rows of a window, which decide how much memory a row takes.
const MAX_SIZE: usize = 1 << 28;

impl Plan {
    /// Checks that the plan has inputs, classes, finite scales and sizes that fit into memory.
    ///
    /// # Errors
    /// [`Error::Plan`] with the first key that is wrong.
    pub fn check(&self) -> Result<(), Error> {
        if self.inputs.is_empty() {
            return Err(wrong("inputs", "expected at least one input"));
        }
        for (index, input) in self.inputs.iter().enumerate() {
            check_input(input).map_err(|(key, why)| wrong(&format!("inputs[{index}].{key}"), &why))?;
        }
        let (mut names, mut width) = (HashSet::new(), 0_usize);
        for (index, target) in self.targets.iter().enumerate() {
            let at = if index == 0 { "target".to_owned() } else { format!("further[{}]", index - 1) };
            check_target(target).map_err(|(key, why)| wrong(&format!("{at}.{key}"), &why))?;
            if !names.insert(target.name()) {
                return Err(wrong(&format!("{at}.name"), "two targets have this name"));
            }
            width = width.saturating_add(target.width());
            size(width, "width").map_err(|(key, why)| wrong(&format!("{at}.{key}"), &why))?;
        }
        if let Some(why) = self.uncertainty.as_ref().and_then(|own| own.problem(&self.targets)) {
            return Err(wrong("uncertainty", &why));
        }
        Ok(())
    }
}

fn wrong(key: &str, why: &str) -> Error {
    Error::Plan { key: key.to_owned(), why: why.to_owned() }
}

/// Key within an input or target, and the problem.
type Problem = (&'static str, String);

fn check_input(input: &FittedInput) -> Result<(), Problem> {
    match input {
        FittedInput::Number { columns, .. } => {
            some(columns.len(), "columns")?;
            columns.iter().try_for_each(|column| {
                finite(&[column.fill, column.shift, column.factor], "columns")?;
                finite(&column.edges, "columns")
            })
        }
        FittedInput::Category { columns, .. } => {
            some(columns.len(), "columns")?;
            columns.iter().try_for_each(|column| {
                size(column.size(), "columns")?;
                finite(&column.values, "columns")
            })
        }
        FittedInput::Date { columns, .. } => {
            some(columns.len(), "columns")?;
            let parts = columns.iter().flat_map(|column| &column.numbers);
            parts.map(|part| [part.shift, part.factor]).try_for_each(|scale| finite(&scale, "columns"))
        }
        FittedInput::Image { columns, shape, shift, factor, .. } => {
            raw_values(columns.len(), shape, [*shift, *factor])
        }
        FittedInput::Series { columns, shape, shift, factor, .. } => {
            raw_values(columns.len(), shape, [*shift, *factor])
        }
        FittedInput::Window { columns, window, .. } => {
            some(columns.len(), "columns")?;
            size(window.saturating_mul(columns.len()), "window")?;
            columns
                .iter()
                .try_for_each(|column| finite(&[column.fill, column.shift, column.factor], "columns"))
        }
        FittedInput::Text { length, tokenizer, .. } => {
            size(*length, "length")?;
            // Index 0 is the padding.
            some(tokenizer.vocabulary().saturating_sub(1), "tokenizer")
        }
    }
}

fn check_target(target: &FittedTarget) -> Result<(), Problem> {
    match target {
        FittedTarget::Category { classes, calibration, threshold, .. } => {
            let distinct: HashSet<&String> = classes.iter().collect();
            if classes.len() < 2 || distinct.len() < classes.len() {
                let why = format!("expected two or more distinct classes, found {}", distinct.len());
                return Err(("classes", why));
            }
            if let Some(why) = calibration.as_ref().and_then(|own| own.problem(classes.len())) {
                return Err(("calibration", why));
            }
            if threshold.is_some() && classes.len() != 2 {
                return Err(("threshold", format!("expected two classes, found {}", classes.len())));
            }
            finite(threshold.as_slice(), "threshold")
        }
        FittedTarget::Number { shift, factor, outputs, .. } => match outputs.problem() {
            Some(why) => Err(("outputs", why)),
            None => scale([*shift, *factor]),
        },
        FittedTarget::Forecast { horizon, shift, factor, .. } => {
            size(*horizon, "horizon")?;
            scale([*shift, *factor])
        }
        FittedTarget::Reconstruct { width, threshold, .. } => {
            finite(threshold.as_slice(), "threshold")?;
            size(*width, "width")
        }
        FittedTarget::Embedding { width, .. } => size(*width, "width"),
        FittedTarget::Rank { .. } => Ok(()),
        FittedTarget::NextToken { vocabulary, ends, .. } => {
            size(*vocabulary, "vocabulary")?;
            if *vocabulary < 2 {
                return Err(("vocabulary", "expected at least one token and the padding".to_owned()));
            }
            match ends.iter().find(|end| **end as usize >= *vocabulary) {
                Some(end) => Err(("ends", format!("{end} is not the index of a token"))),
                None => Ok(()),
            }
        }
    }
}

/// Values of a block that come from one column of files, or from a column each.
fn raw_values(columns: usize, shape: &[usize], scale: [f64; 2]) -> Result<(), Problem> {
    let values = shape.iter().fold(1_usize, |all, size| all.saturating_mul(*size));
    size(values, "shape")?;
    if columns != 1 && columns != values {
        return Err(("columns", format!("the shape has {values} values, the columns are {columns}")));
    }
    finite(&scale, "factor")
}

/// Scale that is undone by dividing.
fn scale([shift, factor]: [f64; 2]) -> Result<(), Problem> {
    finite(&[shift, factor], "factor")?;
    if factor == 0.0 { Err(("factor", "expected another number than 0".to_owned())) } else { Ok(()) }
}

fn some(count: usize, key: &'static str) -> Result<(), Problem> {
    if count == 0 { Err((key, "it is empty".to_owned())) } else { Ok(()) }
}

fn size(value: usize, key: &'static str) -> Result<(), Problem> {
    if (1..=MAX_SIZE).contains(&value) {
        Ok(())
    } else {
        Err((key, format!("expected a size from 1 to {MAX_SIZE}, found {value}")))
    }
}

fn finite(values: &[f64], key: &'static str) -> Result<(), Problem> {
    match values.iter().find(|value| !value.is_finite()) {
        Some(value) => Err((key, format!("expected finite numbers, found {value}"))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn checked(change: impl FnOnce(&mut Value)) -> Result<(), String> {
        let mut plan = json!({
            "format_version": Plan::FORMAT_VERSION, "null_texts": [],
            "inputs": [{ "kind": "number", "name": "heat", "columns":
                [{ "column": "heat", "fill": 0.0, "shift": 1.0, "factor": 2.0 }] }],
            "target": { "kind": "category", "name": "metal", "column": "metal", "classes": ["iron", "zinc"],
                "numeric": false },
        });
        change(&mut plan);
        let plan: Plan = serde_json::from_value(plan).map_err(|error| error.to_string())?;
        plan.check().map_err(|error| error.to_string())
    }

    #[test]
    fn a_plan_that_can_not_answer_is_refused_by_key() {
        assert_eq!(checked(|_| ()), Ok(()));
        let forecast = |horizon: u64, factor: f64| {
            json!({ "kind": "forecast", "name": "a", "column": "a", "horizon": horizon, "season": 1, "shift": 0.0,
                "factor": factor })
        };
        let image = |shape: [u64; 3]| json!([{ "kind": "image", "name": "i", "columns": ["file"], "shape": shape, "shift": 0.0, "factor": 1.0 }]);
        for (pointer, value, key) in [
            ("/target/classes", json!([]), "target.classes"),
            ("/target/classes", json!(["iron"]), "target.classes"),
            ("/target/classes", json!(["iron", "iron"]), "target.classes"),
            ("/target", forecast(0, 1.0), "target.horizon"),
            ("/target", forecast(u64::MAX, 1.0), "target.horizon"),
            ("/target", forecast(1, 0.0), "target.factor"),
            ("/inputs", json!([]), "inputs"),
            ("/inputs/0/columns", json!([]), "inputs[0].columns"),
            ("/inputs", image([u64::MAX, 2, 2]), "inputs[0].shape"),
            ("/inputs", image([0, 2, 2]), "inputs[0].shape"),
        ] {
            let error = checked(|plan| *plan.pointer_mut(pointer).unwrap() = value.clone()).unwrap_err();
            assert!(error.contains(&format!("`{key}`")), "{pointer} {value}: {error}");
        }
    }
}
