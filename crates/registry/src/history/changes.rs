//! Settings in which a run differs from the one before it.

use std::collections::BTreeMap;

use cupola_spec::default_settings;
use serde::Serialize;
use serde_json::Value;

use crate::index::RunRow;

/// Key of the dataset version, which stands beside the settings of the config.
const DATASET: &str = "dataset";
/// Digits of a digest that are shown.
const SHORT_DIGEST: usize = 12;

/// A setting that changed from one run to the next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SettingChange {
    /// Dotted key of the config, or `dataset` for other rows of the same source.
    pub key: String,
    /// Value before; `None` if it was not set.
    pub before: Option<Value>,
    /// Value of this run; `None` if it is not set any more.
    pub value: Option<Value>,
}

/// Changes since the previous run of the same name. The first run of a name is compared with the defaults, by the
/// keys that have one.
pub(super) fn since(before: Option<&RunRow>, row: &RunRow) -> Vec<SettingChange> {
    let Some(before) = before else {
        let mut changes = between(&default_settings(), &row.settings);
        changes.retain(|change| change.before.is_some() && change.value.is_some());
        return changes;
    };
    let mut changes = between(&before.settings, &row.settings);
    if before.dataset != row.dataset {
        let short = |sha256: &str| Some(Value::from(sha256.get(..SHORT_DIGEST).unwrap_or(sha256)));
        let (key, before, value) = (DATASET.to_owned(), short(&before.dataset), short(&row.dataset));
        changes.push(SettingChange { key, before, value });
    }
    changes
}

/// Settings whose values differ, by key.
fn between(before: &BTreeMap<String, Value>, now: &BTreeMap<String, Value>) -> Vec<SettingChange> {
    let removed = before.keys().filter(|key| !now.contains_key(*key));
    let mut keys: Vec<&String> = now.keys().chain(removed).collect();
    keys.sort_unstable();
    let change = |key: &String| {
        let (before, value) = (before.get(key), now.get(key));
        let differs = !same(before, value);
        differs.then(|| SettingChange { key: key.clone(), before: before.cloned(), value: value.cloned() })
    };
    keys.into_iter().filter_map(change).collect()
}

/// `true` for equal values; `1` and `1.0` are equal.
pub(super) fn same(a: Option<&Value>, b: Option<&Value>) -> bool {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64).map(f64::to_bits);
    a == b || number(a).is_some_and(|bits| number(b) == Some(bits))
}
