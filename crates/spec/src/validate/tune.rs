//! Rules of `[tune]`.

use serde_json::Value;

use crate::config::{Config, SplitBy};
use crate::model::Family;
use crate::train::{Goal, Tune, TunePruner, TuneSampler, parse_time};
use crate::validate::Findings;

pub(super) fn check(config: &Config, family: &Family, found: &mut Findings) {
    let Some(tune) = &config.tune else { return };
    found.add_if(
        tune.time.as_deref().is_some_and(|time| parse_time(time).is_none()),
        "/tune/time",
        "expected a time above 0 such as \"90s\", \"30m\" or \"1h30m\"",
    );
    check_metrics(config, tune, found);
    check_space(tune, family, found);
    found.add_if(
        config.split.valid <= 0.0 && config.split.by != SplitBy::Predefined,
        "/tune",
        "trials are compared on the valid split, which has no rows; raise `split.valid`",
    );
}

fn check_metrics(config: &Config, tune: &Tune, found: &mut Findings) {
    let metrics = tune.metrics();
    let Some(first) = metrics.first().copied() else {
        found.add_if(
            tune.metric.is_some(),
            "/tune/metric",
            "the list is empty; name a metric, or remove the key",
        );
        return;
    };
    found.add_if(
        first.goal().is_none(),
        "/tune/metric",
        "the first metric selects the best epoch; begin with one of the valid split, such as \"loss\"",
    );
    let twice = metrics.iter().enumerate().any(|(at, metric)| metrics[..at].contains(metric));
    found.add_if(twice, "/tune/metric", "a metric occurs twice; remove one");
    let selects: Option<Goal> = config.train.metric;
    found.add_if(
        selects.is_some() && first.goal().is_some() && first.goal() != selects,
        "/tune/metric",
        format!(
            "`train.metric` selects the best epoch by another metric; write `train.metric = \"{}\"`, or remove it",
            first.name()
        ),
    );
    found.add_if(
        metrics.len() > 1 && matches!(tune.sampler, TuneSampler::Gp | TuneSampler::Cmaes),
        "/tune/sampler",
        "this sampler supports one metric; write \"nsga2\", \"tpe\" or \"random\"",
    );
    let pruned = metrics.len() > 1 && !matches!(tune.pruner, TunePruner::None | TunePruner::Median);
    found.add_if(pruned, "/tune/pruner", "several metrics have no pruner; write \"none\"");
}

#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
fn check_space(tune: &Tune, family: &Family, found: &mut Findings) {
    let listed = tune.space.0.get("model.family").and_then(|range| range.choices.as_ref());
    let listed = listed.into_iter().flatten().filter_map(Value::as_str);
    let families: Vec<&str> = listed.chain([family.name()]).collect();
    for (key, range) in &tune.space.0 {
        let pointer = format!("/tune/space/{}", key.replace('~', "~0").replace('/', "~1"));
        if key == "model.family" {
            let result = range.values(false).err();
            result.into_iter().for_each(|invalid| found.add(pointer.clone(), invalid.message));
        } else {
            match Tune::is_integer_key(key, &families) {
                Err(invalid) => found.add(pointer.clone(), invalid.message),
                Ok(integer) => {
                    let result = range.values(integer).err();
                    result.into_iter().for_each(|invalid| found.add(pointer.clone(), invalid.message));
                }
            }
        }
        for (other, values) in range.when.iter().flatten() {
            let choices = tune.space.0.get(other).and_then(|range| range.choices.as_ref());
            let message = match choices {
                None => Some(format!(
                    "`{other}` is not a key of the space with `choices`; add it, or remove `when`"
                )),
                Some(_) if values.is_empty() => {
                    Some(format!("`{other}` has no values; list at least one choice"))
                }
                Some(choices) => values
                    .iter()
                    .find(|value| !choices.contains(value))
                    .map(|value| format!("{value} is not a choice of `{other}`; use one of its choices")),
            };
            message.into_iter().for_each(|message| found.add(pointer.clone(), message));
        }
        found.add_if(
            range.when.as_ref().is_some_and(|when| when.len() != 1),
            pointer,
            "`when` names one key; write `when = { \"model.family\" = [\"gbdt\"] }`",
        );
    }
}
