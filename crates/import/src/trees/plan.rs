//! Plan of imported trees: columns as the library compares them, and the target.

use std::collections::HashSet;

use cupola_prep::{CategoryForm, FittedTarget, NumberOutputs, Plan, TreeColumn};
use cupola_trees::TreeScore;
use serde_json::Value;

use super::convert::Place;
use super::foreign::{FeatureKind, ForeignModel};
use crate::error::Error;

/// Name of a target without another one.
const TARGET: &str = "target";

/// Names of a target that the file of a model lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeTarget {
    /// Name; `target` without one.
    pub name: Option<String>,
    /// Classes in the order of their numbers; `0`, `1` and so on without any.
    pub classes: Vec<String>,
}

/// Plan for rows of the model's columns.
pub(super) fn plan(model: &ForeignModel, places: &[Place], target: &TreeTarget) -> Result<Plan, Error> {
    let mut names = HashSet::new();
    let mut columns = Vec::with_capacity(model.features.len());
    for (feature, place) in model.features.iter().zip(places) {
        if feature.name.is_empty() || !names.insert(feature.name.as_str()) {
            let why = format!("two columns have the name `{}`, or it is empty", feature.name);
            return Err(Error::invalid_file(model.library, why, "train with distinct names"));
        }
        let name = feature.name.clone();
        columns.push(match (&feature.kind, &place.steps) {
            (FeatureKind::Category(values), _) => {
                let (categories, form) = categories(&name, values, model.library)?;
                TreeColumn::Category { name, categories, form }
            }
            (_, steps) => TreeColumn::Number { name, steps: steps.clone() },
        });
    }
    let name = target.name.clone().unwrap_or_else(|| TARGET.to_owned());
    if names.contains(name.as_str()) {
        let why = format!("a column has the name of the target, `{name}`");
        return Err(Error::invalid_file(model.library, why, "choose another one with `--target`"));
    }
    Ok(Plan::of_trees(columns, fitted_target(model, name, &target.classes)?))
}

fn fitted_target(model: &ForeignModel, name: String, classes: &[String]) -> Result<FittedTarget, Error> {
    let count = match model.score {
        TreeScore::LogOdds => 2,
        TreeScore::Margin => model.bases.len(),
        _ => 0,
    };
    let column = name.clone();
    let wrong = |why: String, remedy: &str| Err(Error::invalid_file(model.library, why, remedy));
    if count == 0 {
        if !classes.is_empty() {
            return wrong("it predicts a number, not a class".to_owned(), "leave out `--classes`");
        }
        return Ok(FittedTarget::Number {
            name,
            column,
            shift: 0.0,
            factor: 1.0,
            range: None,
            outputs: NumberOutputs::Value,
        });
    }
    let distinct: HashSet<&String> = classes.iter().collect();
    if !classes.is_empty() && (classes.len() != count || distinct.len() != count) {
        let why = format!("it has {count} classes, `--classes` names {} distinct ones", distinct.len());
        return wrong(why, "name each of them once, in the order of their numbers");
    }
    let numeric = classes.is_empty();
    let classes =
        if numeric { (0..count).map(|index| index.to_string()).collect() } else { classes.to_vec() };
    Ok(FittedTarget::Category { name, column, classes, numeric, calibration: None, threshold: None })
}

/// Canonical texts of the values of a category, and the form that makes them.
fn categories(name: &str, values: &[Value], library: &str) -> Result<(Vec<String>, CategoryForm), Error> {
    let form = match values {
        all if all.iter().all(Value::is_number) => CategoryForm::Number,
        all if all.iter().all(Value::is_boolean) => CategoryForm::Boolean,
        _ => CategoryForm::Exact,
    };
    let text = |value: &Value| match value {
        Value::String(text) => form.canonical(text).into_owned(),
        other => form.canonical(&other.to_string()).into_owned(),
    };
    let texts: Vec<String> = values.iter().map(text).collect();
    let distinct: HashSet<&String> = texts.iter().collect();
    if distinct.len() < texts.len() || distinct.iter().any(|text| text.is_empty()) {
        let why = format!("categories of `{name}` are equal but for blanks, or empty");
        return Err(Error::invalid_file(library, why, "train with distinct ones"));
    }
    Ok((texts, form))
}
