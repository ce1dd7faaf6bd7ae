//! Parser of configs: from a TOML text and `--set` overrides to a [`Run`] or to all of its problems.

mod family_train;

use std::fmt::Display;
use std::sync::LazyLock;

use serde_json::{Map, Value};

pub use self::family_train::train_for;

use self::family_train::family_train;
use crate::config::Config;
use crate::config::Run;
use crate::config::document::{Document, dotted};
use crate::config::schema;
use crate::config::target::Target;
use crate::config::{Gate, GateCondition};
use crate::config::{Problem, Problems};
use crate::data::Data;
use crate::data::Expectation;
use crate::model::{Family, Model, ModelFile};
use crate::validate::{validate, validate_data};

/// The text of `configs/default.toml`, which holds the defaults.
pub const DEFAULTS: &str = include_str!("../../../../configs/default.toml");

/// Prefix of the name of a package that [`parse`] asks its loader for.
pub const PACKAGE: &str = "package:";

static DEFAULT_VALUES: LazyLock<Value> = LazyLock::new(|| {
    Document::parse("configs/default.toml", DEFAULTS).map_or(Value::Null, |document| document.value)
});

pub(crate) fn defaults() -> &'static Value {
    &DEFAULT_VALUES
}

/// Parses a run config.
///
/// `origin` names the text in messages. Each override is `a.b=c`, where `c` is a TOML value or a text without
/// quotes. `load` returns the text of an architecture file, or of the network of a package, whose name then
/// follows [`PACKAGE`].
///
/// # Errors
/// All problems at once, each with line, column, key and remedy.
pub fn parse<E: Display>(
    origin: &str,
    text: &str,
    overrides: &[String],
    load: &dyn Fn(&str) -> Result<String, E>,
) -> Result<Run, Problems> {
    let file = Document::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let mut typed = file.value.clone();
    let mut problems = Vec::new();
    for text in overrides {
        if let Err(problem) = set(&mut typed, text) {
            problems.push(problem);
        }
    }
    let typed_train = typed.get("train").cloned().unwrap_or_default();
    replace_model_keys(&mut typed, load);
    let mut merged = merge(defaults().clone(), typed);
    if let Some(space) = merged.pointer_mut("/tune/space") {
        *space = crate::train::flatten(space.take());
    }
    problems.extend(schema::check_config(&file, &merged));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let wrong =
        |error: serde_json::Error| Problems(vec![file.problem("", format!("{error}; see `cupola schema`"))]);
    let mut config: Config = serde_json::from_value(merged).map_err(wrong)?;
    let family = architecture(&file, &config, load)?;
    if let Some(own) = family_train(&family, &config, typed_train) {
        config.train = serde_json::from_value(own).map_err(wrong)?;
    }
    let problems = validate(&file, &config, &family);
    match Run::new(config, &family) {
        Some(run) if problems.is_empty() => Ok(run),
        _ => Err(Problems(problems)),
    }
}

/// Parses `[data]` and `[[expect]]` of a run config, or of a file that has nothing else.
///
/// # Errors
/// All problems of these two tables.
pub fn parse_data(origin: &str, text: &str) -> Result<(Data, Vec<Expectation>), Problems> {
    let file = Document::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let merged = merge(defaults().clone(), file.value.clone());
    let mut problems = schema::check_config(&file, &merged);
    problems.retain(|problem| problem.key.starts_with("data") || problem.key.starts_with("expect"));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let part = |name: &str| merged.get(name).cloned();
    let wrong = |error: serde_json::Error| Problems(vec![file.problem("/data", error.to_string())]);
    let data: Data = serde_json::from_value(part("data").unwrap_or_default()).map_err(wrong)?;
    let expect: Vec<Expectation> =
        part("expect").map(serde_json::from_value).transpose().map_err(wrong)?.unwrap_or_default();
    let problems = validate_data(&file, &data, &expect);
    if problems.is_empty() { Ok((data, expect)) } else { Err(Problems(problems)) }
}

/// Parses `[gate]` of a run config, or of a file that has nothing else, for a model with these targets.
///
/// # Errors
/// All problems of this table; a file without it.
pub fn parse_gate(origin: &str, text: &str, targets: &[Target]) -> Result<Vec<GateCondition>, Problems> {
    let file = Document::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let merged = merge(defaults().clone(), file.value.clone());
    let mut problems = schema::check_config(&file, &merged);
    problems.retain(|problem| problem.key.split('.').next() == Some("gate"));
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let gate = merged.get("gate").cloned().map(serde_json::from_value::<Gate>).transpose();
    let gate = gate.map_err(|error| Problems(vec![file.problem("/gate", error.to_string())]))?;
    let gate = gate.filter(|gate| !gate.is_empty()).ok_or_else(|| {
        let message = "no conditions; add `[gate]` with some, such as `\"test/accuracy\" = \">= 0.9\"`";
        Problems(vec![file.problem("/gate", message.to_owned())])
    })?;
    gate.parse(targets).map_err(|invalid| {
        Problems(invalid.into_iter().map(|one| file.problem(&one.pointer(), one.message)).collect())
    })
}

/// Parses an architecture file.
///
/// # Errors
/// All problems at once, each with line, column, key and remedy.
pub fn parse_model_file(origin: &str, text: &str) -> Result<ModelFile, Problems> {
    let file = Document::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let problems = schema::check_model(&file);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let mut value = file.value.clone();
    let expect = value.as_object_mut().and_then(|map| map.remove("expect"));
    let wrong = |error: serde_json::Error| Problems(vec![file.problem("", error.to_string())]);
    Ok(ModelFile {
        family: serde_json::from_value(value).map_err(wrong)?,
        expect: expect.map(serde_json::from_value).transpose().map_err(wrong)?,
    })
}

/// Puts keys that stand beside `model.file`, such as those of an override or of a trial, in place of the file's. A file
/// that cannot be read, or is wrong, is left for [`architecture`] to report.
fn replace_model_keys<E: Display>(config: &mut Value, load: &dyn Fn(&str) -> Result<String, E>) {
    let Some(model) = config.get_mut("model").and_then(Value::as_object_mut) else { return };
    let Some(name) = model.get("file").and_then(Value::as_str).map(str::to_owned) else { return };
    if model.len() == 1 {
        return;
    }
    let Some(file) = load(&name).ok().and_then(|text| Document::parse(&name, &text).ok()) else { return };
    if !schema::check_model(&file).is_empty() {
        return;
    }
    model.remove("file");
    let mut under = file.value.clone();
    if let Some(under) = under.as_object_mut() {
        under.remove("expect");
    }
    let over = Value::Object(std::mem::take(model));
    config["model"] = merge(under, over);
}

/// The family of the model, from the config itself or from the file or package that it names.
fn architecture<E: Display>(
    file: &Document,
    config: &Config,
    load: &dyn Fn(&str) -> Result<String, E>,
) -> Result<Family, Problems> {
    let for_target = |family: Family| match config.targets.first() {
        Some(target) => family.for_target(target.kind),
        None => family,
    };
    match &config.model {
        Model::Inline(family) => Ok(for_target(family.clone())),
        Model::Package(start) => {
            let text = load(&format!("{PACKAGE}{}", start.package))
                .map_err(|why| Problems(vec![file.problem("/model/package", why.to_string())]))?;
            Ok(parse_model_file(&start.package, &text)?.family)
        }
        Model::File(reference) => {
            let text = load(&reference.file)
                .map_err(|why| Problems(vec![file.problem("/model/file", why.to_string())]))?;
            Ok(for_target(parse_model_file(&reference.file, &text)?.family))
        }
    }
}

/// `over` on top of `under`: tables are merged, other values replaced.
fn merge(under: Value, over: Value) -> Value {
    match (under, over) {
        (Value::Object(mut under), Value::Object(over)) => {
            for (key, value) in over {
                let merged = match under.remove(&key) {
                    Some(default) => merge(default, value),
                    None => value,
                };
                under.insert(key, merged);
            }
            Value::Object(under)
        }
        (_, over) => over,
    }
}

/// Applies an override `a.b=c`. A number is an index into an array.
fn set(root: &mut Value, text: &str) -> Result<(), Problem> {
    let problem = |key: &str, message: String| Problem {
        origin: "--set".to_owned(),
        at: None,
        key: key.to_owned(),
        message,
    };
    let Some((path, raw)) = text.split_once('=') else {
        return Err(problem(text, "missing `=`; write key=value, such as train.epochs=5".into()));
    };
    let (path, raw) = (path.trim(), raw.trim());
    let value = Document::parse("--set", &format!("v = {raw}"))
        .ok()
        .and_then(|document| document.value.get("v").cloned())
        .unwrap_or_else(|| Value::String(raw.to_owned()));
    let mut at = root;
    let mut pointer = String::new();
    for part in path.split('.') {
        pointer = format!("{pointer}/{part}");
        at = match at {
            Value::Array(items) => {
                let n = items.len();
                part.parse::<usize>().ok().and_then(|i| items.get_mut(i)).ok_or_else(|| {
                    problem(
                        &dotted(&pointer),
                        format!("invalid index `{part}`: the list has {n} entries, counted from 0"),
                    )
                })?
            }
            Value::Object(map) => map.entry(part).or_insert_with(|| Value::Object(Map::new())),
            _ => {
                return Err(problem(
                    &dotted(&pointer),
                    "the key above is neither a table nor a list; shorten the key".into(),
                ));
            }
        };
    }
    *at = value;
    Ok(())
}

#[cfg(test)]
mod tests;
