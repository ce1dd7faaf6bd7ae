//! Values of a config one by one, to tell configs apart.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::Document;
use super::parse::defaults;

/// Values of a config by dotted key, such as `train.epochs`. Tables of a list are called by their `name`
/// (`inputs.age.kind`), or by their index where they have none. A text that is not TOML has no settings.
pub fn config_settings(text: &str) -> BTreeMap<String, Value> {
    Document::parse("config.toml", text).map(|document| settings(&document.value)).unwrap_or_default()
}

/// Values of a config that sets nothing.
pub fn default_settings() -> BTreeMap<String, Value> {
    settings(defaults())
}

fn settings(value: &Value) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    collect(value, "", &mut found);
    found
}

fn collect(value: &Value, key: &str, found: &mut BTreeMap<String, Value>) {
    let below = |part: &str| if key.is_empty() { part.to_owned() } else { format!("{key}.{part}") };
    match value {
        Value::Object(table) => {
            table.iter().for_each(|(part, value)| collect(value, &below(part), found));
        }
        Value::Array(items) if !items.is_empty() && items.iter().all(Value::is_object) => {
            for (part, value) in names(items).into_iter().zip(items) {
                collect(value, &below(&part), found);
            }
        }
        value => {
            found.insert(key.to_owned(), value.clone());
        }
    }
}

/// Names of the tables of a list if they differ, else their indices.
fn names(items: &[Value]) -> Vec<String> {
    let mut names: Vec<String> =
        items.iter().filter_map(|item| item["name"].as_str().map(str::to_owned)).collect();
    let named = names.clone();
    names.sort_unstable();
    names.dedup();
    if names.len() == items.len() { named } else { (0..items.len()).map(|index| index.to_string()).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn settings_are_named_by_tables_and_the_names_in_lists() {
        let text = "seed = 1\nmodel.layers = [{ type = 'linear', out = 2 }]\n[[inputs]]\nname = 'age'\nbins = 4\n\
                    [[inputs]]\nname = 'job'\nkind = 'category'\n[train]\nbetas = [0.9, 0.99]\n";
        let found = config_settings(text);
        let expected = [
            ("inputs.age.bins", json!(4)),
            ("inputs.age.name", json!("age")),
            ("inputs.job.kind", json!("category")),
            ("inputs.job.name", json!("job")),
            ("model.layers.0.out", json!(2)),
            ("model.layers.0.type", json!("linear")),
            ("seed", json!(1)),
            ("train.betas", json!([0.9, 0.99])),
        ];
        assert!(found.iter().map(|(key, value)| (key.as_str(), value.clone())).eq(expected), "{found:?}");
        assert!(config_settings("not = [toml").is_empty());
        assert!(default_settings().contains_key("train.batch_size"));
    }
}
