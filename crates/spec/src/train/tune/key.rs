//! Keys of a space, looked up in the schema of the config.

use serde_json::Value;

use super::{InvalidTuneKey, Tune};
use crate::config::config_schema;
use crate::names::nearest;

/// Tables that decide which rows are measured, and how: trials with other values would not be comparable.
const FIXED: [&str; 12] = [
    "name",
    "seed",
    "data",
    "split",
    "series",
    "targets",
    "expect",
    "evaluate",
    "gate",
    "uncertainty",
    "tune",
    "train.metric",
];

impl Tune {
    /// Kind of a key: `true` if it holds integers only.
    ///
    /// `families` are those that the model may have.
    ///
    /// # Errors
    /// An unknown key with the nearest name, or one that must not differ between trials.
    pub fn is_integer_key(key: &str, families: &[&str]) -> Result<bool, InvalidTuneKey> {
        if let Some(fixed) =
            FIXED.iter().find(|fixed| key == **fixed || key.starts_with(&format!("{fixed}.")))
        {
            return Err(format!("trials that differ in `{fixed}` are not comparable; remove the key").into());
        }
        let mut schemas = vec![config_schema()];
        let mut path = String::new();
        for part in key.split('.') {
            let variants: Vec<&Value> =
                schemas.iter().flat_map(|schema| variants(schema, families)).collect();
            let next: Vec<&Value> = variants.iter().filter_map(|schema| member(schema, part)).collect();
            if next.is_empty() {
                return Err(unknown(&path, part, &variants).into());
            }
            path = if path.is_empty() { part.to_owned() } else { format!("{path}.{part}") };
            schemas = next;
        }
        let leaves: Vec<&Value> = schemas.iter().flat_map(|schema| variants(schema, families)).collect();
        let kinds: Vec<&str> = leaves.iter().flat_map(|leaf| types(leaf)).collect();
        Ok(kinds.contains(&"integer") && !kinds.contains(&"number"))
    }
}

fn unknown(path: &str, part: &str, variants: &[&Value]) -> String {
    let keys = variants.iter().filter_map(|schema| schema["properties"].as_object()).flatten();
    let keys: Vec<&str> = keys.map(|(key, _)| key.as_str()).filter(|key| *key != "family").collect();
    let dotted = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match nearest(part, keys.iter().copied()) {
        Some(near) => format!("unknown key `{}`; did you mean `{}`?", dotted(part), dotted(near)),
        None if keys.is_empty() => format!("unknown key `{}`; `{path}` has no keys", dotted(part)),
        None => {
            let mut keys = keys;
            keys.sort_unstable();
            keys.dedup();
            format!("unknown key `{}`; expected one of {}", dotted(part), keys.join(", "))
        }
    }
}

/// Schemas that a schema stands for: its reference and the members of its unions. Of tables with a `family`, those of
/// these families.
fn variants<'a>(schema: &'a Value, families: &[&str]) -> Vec<&'a Value> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = config_schema().pointer(name.trim_start_matches('#'));
        return target.map(|target| variants(target, families)).unwrap_or_default();
    }
    let unions = ["anyOf", "oneOf", "allOf"].iter().filter_map(|union| schema[union].as_array());
    let members: Vec<&Value> = unions.flatten().collect();
    if members.is_empty() {
        let family = schema["properties"]["family"]["const"].as_str();
        return if family.is_none_or(|family| families.contains(&family)) {
            vec![schema]
        } else {
            Vec::new()
        };
    }
    members.into_iter().flat_map(|member| variants(member, families)).chain([schema]).collect()
}

/// Schema of a key of a table, or of an entry of a list.
fn member<'a>(schema: &'a Value, part: &str) -> Option<&'a Value> {
    let property = schema["properties"].get(part);
    property.or_else(|| schema.get("items").filter(|_| part.parse::<usize>().is_ok()))
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
