//! Defaults of `[train]` that belong to a family.

use serde_json::{Map, Value};

use super::{defaults, merge};
use crate::config::Config;
use crate::model::Family;
use crate::train::Train;

/// `[train]` with the defaults of the family between the general ones and those in the config; `None` for a family
/// without its own.
///
/// The groups of the family stand before those of the config, so that the latter apply where both match. A sealed
/// config has all of them already. With another optimizer, the family's settings of its own do not apply.
pub(super) fn family_train(family: &Family, config: &Config, mut typed: Value) -> Option<Value> {
    let mut own = family.train_defaults(config.targets.first()?.kind)?;
    let kind = |train: &Value| train.pointer("/optimizer/kind").cloned();
    if kind(&typed).is_some_and(|chosen| Some(chosen) != kind(&own)) {
        own.as_object_mut()?.remove("optimizer");
    }
    if let (Some(Value::Array(first)), Some(Value::Array(groups))) =
        (own.get("groups"), typed.get_mut("groups"))
        && !groups.starts_with(first)
    {
        groups.splice(0..0, first.iter().cloned());
    }
    let typed = if typed.is_null() { Value::Object(Map::new()) } else { typed };
    Some(merge(merge(defaults().get("train")?.clone(), own), typed))
}

/// `[train]` of a config, to train another family on its targets: what the first family sets by itself gives way to the
/// general defaults, and those of the other one apply. Both families may be without any.
pub fn train_for(config: &Config, from: &Family, to: &Family) -> Train {
    let Some(target) = config.targets.first() else { return config.train.clone() };
    let changed = || -> Option<Train> {
        let mut train = serde_json::to_value(&config.train).ok()?;
        let general = defaults().get("train")?;
        let fields = train.as_object_mut()?;
        for key in from.train_defaults(target.kind).iter().filter_map(Value::as_object).flat_map(Map::keys) {
            match general.get(key) {
                Some(value) => fields.insert(key.clone(), value.clone()),
                None => fields.remove(key),
            };
        }
        let own = to.train_defaults(target.kind).unwrap_or_else(|| Value::Object(Map::new()));
        serde_json::from_value(merge(train, own)).ok()
    };
    changed().unwrap_or_else(|| config.train.clone())
}
