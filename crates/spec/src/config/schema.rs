//! JSON Schemas of run configs and architecture files, and violations of any schema as messages.

use std::sync::LazyLock;

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{ValidationError, Validator};
use schemars::JsonSchema;
use serde_json::Value;

use crate::config::Config;
use crate::config::Problem;
use crate::config::document::Document;
use crate::model::{Expect, Family, FamilyUse, families_for};
use crate::names::nearest;

static CONFIG: LazyLock<Value> =
    LazyLock::new(|| relaxed(schema_of::<Config>(), crate::config::parse::defaults()));
static MODEL: LazyLock<Value> = LazyLock::new(|| {
    let mut schema = schema_of::<Family>();
    let expect = schema_of::<Expect>();
    for variant in schema["oneOf"].as_array_mut().into_iter().flatten() {
        variant["properties"]["expect"] = expect.clone();
    }
    schema
});
static CONFIG_VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(&CONFIG));
static MODEL_VALIDATOR: LazyLock<Validator> = LazyLock::new(|| validator(&MODEL));

/// JSON Schema (draft 2020-12) of a run config. The keys of `configs/default.toml` are optional and have
/// their defaults.
pub fn config_schema() -> &'static Value {
    &CONFIG
}

/// JSON Schema of an architecture file.
pub fn model_schema() -> &'static Value {
    &MODEL
}

pub(crate) fn check_config(file: &Document, value: &Value) -> Vec<Problem> {
    let mut problems = explain(&CONFIG, &CONFIG_VALIDATOR, file, value);
    for problem in &mut problems {
        let missing = |key: &str| problem.message.starts_with(&format!("`{key}` is missing"));
        // A table `[model]` without any of its three keys is no better than none.
        if missing("model") || problem.key == "model" && (missing("family") || missing("file")) {
            problem.message = missing_model(value);
        }
        if problem.key.starts_with("gate.") {
            problem.message.push_str("; write a condition in quotes, such as \">= 0.97\"");
        }
    }
    problems
}

/// Message for a config without a model, with the families that suit its inputs and targets.
fn missing_model(value: &Value) -> String {
    let of_inputs = |kinds: &[&str]| {
        let inputs = value["inputs"].as_array().map(Vec::as_slice).unwrap_or_default();
        let fits = |input: &Value| input["kind"].as_str().is_some_and(|kind| kinds.contains(&kind));
        !inputs.is_empty() && inputs.iter().all(fits)
    };
    let (task, what) = match value["targets"][0]["kind"].as_str() {
        Some("forecast") => (FamilyUse::Forecast, "a forecast"),
        Some("reconstruct") => (FamilyUse::Anomaly, "anomaly scores"),
        Some("next_token") => (FamilyUse::LanguageModel, "a language model"),
        _ if of_inputs(&["image"]) => (FamilyUse::Image, "images"),
        _ if of_inputs(&["text", "series"]) => (FamilyUse::Sequence, "texts and series"),
        _ => (FamilyUse::Table, "a table"),
    };
    let names: Vec<String> =
        families_for(task).filter(|name| *name != "layers").map(|name| format!("`{name}`")).collect();
    let first = families_for(task).next().unwrap_or("mlp");
    format!(
        "the model is missing: families for {what} are {}; write `[model]` with `family = \"{first}\"`, and see `cupola models families` for what each is for",
        names.join(", ")
    )
}

pub(crate) fn check_model(file: &Document) -> Vec<Problem> {
    explain(&MODEL, &MODEL_VALIDATOR, file, &file.value)
}

/// JSON Schema of a type.
pub(crate) fn schema_of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

/// Validator of a schema that [`schema_of`] generated.
#[allow(clippy::expect_used, reason = "the schema is generated from types of this crate; a test compiles it")]
pub(crate) fn validator(schema: &Value) -> Validator {
    jsonschema::validator_for(schema).expect("a schema generated from types of this crate is valid")
}

/// A schema in which every key of `defaults` is optional and has its default.
fn relaxed(mut schema: Value, defaults: &Value) -> Value {
    let sections: Vec<(String, Value)> =
        defaults.as_object().into_iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    relax(&mut schema, defaults);
    for (name, values) in sections {
        relax_section(&mut schema, &name, &values);
    }
    schema
}

fn relax_section(schema: &mut Value, name: &str, values: &Value) {
    let definition = definition_name(name);
    let Some(section) = schema["$defs"].get_mut(&definition) else { return };
    relax(section, values);
    for (key, inner) in values.as_object().into_iter().flatten() {
        if inner.is_object() {
            relax_section(schema, key, inner);
        }
    }
}

/// Name of the definition of a table: `early_stop` is `EarlyStop`, and `loss` is `LossSpec`.
fn definition_name(key: &str) -> String {
    if key == "loss" {
        return "LossSpec".to_owned();
    }
    key.split('_').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

fn relax(object: &mut Value, defaults: &Value) {
    let Some(defaults) = defaults.as_object() else { return };
    if let Some(required) = object["required"].as_array_mut() {
        required.retain(|key| !key.as_str().is_some_and(|key| defaults.contains_key(key)));
    }
    for (key, value) in defaults {
        let property = &mut object["properties"][key];
        if property.is_object() && !value.is_object() {
            property["default"] = value.clone();
        }
    }
}

/// Violations of `schema` by `value`, at their places in `file`.
pub(crate) fn explain(schema: &Value, validator: &Validator, file: &Document, value: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    for error in validator.iter_errors(value) {
        collect(schema, &error, &mut found);
    }
    found.sort();
    found.dedup();
    // A mistyped key is reported once, not also as missing.
    let typed: Vec<String> = found.iter().map(|(_, message)| message.clone()).collect();
    found.retain(|(_, message)| {
        let Some((key, _)) = message.split_once(" is missing") else { return true };
        !typed.iter().any(|other| other.ends_with(&format!("did you mean {key}?")))
    });
    let mut problems: Vec<Problem> =
        found.into_iter().map(|(pointer, message)| file.problem(&pointer, message)).collect();
    problems.sort_by_key(|a| a.at);
    problems
}

/// Adds the (pointer, message) pairs of one violation. A failed union is reported as the violations of its
/// most likely branch.
fn collect(schema: &Value, error: &ValidationError<'_>, out: &mut Vec<(String, String)>) {
    let pointer = error.instance_path().as_str().to_owned();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known = siblings(schema, error.schema_path().as_str());
            for key in unexpected {
                let hint = remedy(key, &known);
                out.push((format!("{pointer}/{key}"), format!("unknown key `{key}`; {hint}")));
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let words = words_of(schema, error.schema_path().as_str(), key);
            let words = if words.is_empty() { words } else { format!(", one of {words}") };
            out.push((pointer, format!("`{key}` is missing; add `{key} = ...`{words}")));
        }
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            union(schema, error, context, out);
        }
        kind => out.push((pointer, sentence(kind, error))),
    }
}

/// A value that fits no branch of a union.
fn union(
    schema: &Value,
    error: &ValidationError<'_>,
    context: &[Vec<ValidationError<'static>>],
    out: &mut Vec<(String, String)>,
) {
    if let Some(message) = type_or_word(error, context) {
        out.push((error.instance_path().as_str().to_owned(), message));
        return;
    }
    if let Some(message) = one_of_words(error, context) {
        out.push((error.instance_path().as_str().to_owned(), message));
        return;
    }
    // A branch with another tag is not the intended one.
    let intended = context
        .iter()
        .filter(|branch| !branch.is_empty() && !branch.iter().any(|e| is_tag(e, error)))
        .min_by_key(|branch| branch.iter().map(|e| weight(e)).sum::<usize>());
    if let Some(branch) = intended {
        for inner in branch {
            collect(schema, inner, out);
        }
        return;
    }
    let tags: Vec<&str> = context.iter().flatten().filter_map(constant).collect();
    let tag = context.iter().flatten().find(|e| constant(e).is_some());
    let pointer = tag.map_or_else(|| error.instance_path().as_str(), |t| t.instance_path().as_str());
    let found = tag.and_then(|t| t.instance().as_str().map(str::to_owned)).unwrap_or_default();
    let key = pointer.rsplit('/').next().unwrap_or_default();
    out.push((pointer.to_owned(), format!("unknown {key} `{found}`; {}", remedy(&found, &tags))));
}

/// Message for a text in place of a value of one type or one of a few words; `None` for other unions.
fn type_or_word(error: &ValidationError<'_>, context: &[Vec<ValidationError<'static>>]) -> Option<String> {
    let [branch, other] = context else { return None };
    let ([a], [b]) = (branch.as_slice(), other.as_slice()) else { return None };
    let (ValidationErrorKind::Type { kind: TypeKind::Single(kind) }, ValidationErrorKind::Enum { options }) =
        (a.kind(), b.kind())
    else {
        return None;
    };
    let found = error.instance();
    Some(format!("expected {kind} or {options}, found {found}").replace(['[', ']'], ""))
}

/// Message for a value that is none of several words; `None` for other unions.
fn one_of_words(error: &ValidationError<'_>, context: &[Vec<ValidationError<'static>>]) -> Option<String> {
    let path = error.instance_path().as_str();
    let mut words = Vec::with_capacity(context.len());
    for branch in context {
        let [only] = branch.as_slice() else { return None };
        words.push(constant(only).filter(|_| only.instance_path().as_str() == path)?);
    }
    let found = error.instance();
    Some(format!("unknown value {found}; {}", remedy(found.as_str().unwrap_or_default(), &words)))
}

/// `true` if `inner` reports another tag of a tagged union.
fn is_tag(inner: &ValidationError<'_>, outer: &ValidationError<'_>) -> bool {
    let depth = |e: &ValidationError<'_>| e.instance_path().as_str().matches('/').count();
    match inner.kind() {
        ValidationErrorKind::Constant { .. } => depth(inner) == depth(outer) + 1,
        _ => false,
    }
}

/// Weight of a violation: the branch with the smallest sum is the most likely one.
fn weight(error: &ValidationError<'_>) -> usize {
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => 2 * unexpected.len(),
        ValidationErrorKind::Type { .. } => 3,
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().map(|branch| branch.iter().map(weight).sum()).min().unwrap_or(1)
        }
        _ => 1,
    }
}

fn constant<'a>(error: &'a ValidationError<'_>) -> Option<&'a str> {
    match error.kind() {
        ValidationErrorKind::Constant { expected_value } => expected_value.as_str(),
        _ => None,
    }
}

/// Known keys of the table in which an unknown key was found.
fn siblings<'a>(schema: &'a Value, schema_path: &str) -> Vec<&'a str> {
    let object = schema.pointer(schema_path.trim_end_matches("/additionalProperties"));
    let properties = object.and_then(|object| object["properties"].as_object());
    properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect()
}

/// Values of a missing key, if they are a few words.
fn words_of(schema: &Value, schema_path: &str, key: &str) -> String {
    let object = schema.pointer(schema_path.trim_end_matches("/required"));
    let mut property = object.map_or(&Value::Null, |object| &object["properties"][key]);
    if let Some(path) = property["$ref"].as_str() {
        property = schema.pointer(path.trim_start_matches('#')).unwrap_or(&Value::Null);
    }
    let plain = property["enum"].as_array().into_iter().flatten();
    let described = property["oneOf"].as_array().into_iter().flatten().flat_map(|branch| {
        branch["enum"].as_array().map_or_else(|| vec![&branch["const"]], |own| own.iter().collect())
    });
    let words: Option<Vec<&str>> = plain.chain(described).map(Value::as_str).collect();
    listed(&words.unwrap_or_default())
}

fn remedy(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "remove it".to_owned(),
        None => format!("expected {}", listed(known)),
    }
}

/// `a, b or c`
fn listed(words: &[&str]) -> String {
    match words {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [rest @ .., last] => format!("{} or {last}", rest.join(", ")),
    }
}

fn sentence(kind: &ValidationErrorKind, error: &ValidationError<'_>) -> String {
    let found = error.instance();
    match kind {
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(one) => one.to_string(),
                TypeKind::Multiple(set) => set.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or "),
            };
            let expected = expected.replace("object", "table").replace("null or ", "");
            // TOML's numbers that JSON lacks were read as texts.
            match found.as_str().filter(|text| matches!(*text, "inf" | "-inf" | "NaN")) {
                Some(text) if expected.contains("number") || expected.contains("integer") => {
                    format!("must be finite, found {}; write a number", text.to_lowercase())
                }
                _ => format!("expected {expected}, found {found}"),
            }
        }
        ValidationErrorKind::Enum { options } => {
            // Texts without quotes, numbers as in JSON.
            let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let known: Vec<String> = options.as_array().into_iter().flatten().map(text).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            format!("unknown value {found}; {}", remedy(found.as_str().unwrap_or_default(), &known))
        }
        ValidationErrorKind::Constant { expected_value } => {
            format!("unexpected value {found}; write {expected_value}")
        }
        ValidationErrorKind::Minimum { limit } => format!("{found} is too small; write at least {limit}"),
        ValidationErrorKind::Maximum { limit } => format!("{found} is too large; write at most {limit}"),
        _ => error.to_string(),
    }
}
