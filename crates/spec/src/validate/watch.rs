//! Rules of `[watch]`.

use crate::config::{
    Config, Gate, QuietHours, Watch, WatchClaim, WatchSchedule, is_time_or_zero, parse_zone,
};
use crate::data::Source;
use crate::model::{Family, Model};
use crate::names::{NAME_RULE, is_name};
use crate::train::parse_time;
use crate::validate::Findings;

pub(super) fn check(config: &Config, family: &Family, found: &mut Findings) {
    let Some(watch) = &config.watch else { return };
    found.add_if(
        watch.on.is_empty(),
        "/watch/on",
        "no reason to train; add one, such as `new_data = true` or `schedule = \"0 3 * * 1\"`",
    );
    check_times(watch, found);
    check_names(watch, found);
    check_model(config, watch, family, found);
    check_gates(config, watch, found);
    let plain = config.data.query.is_none() && config.data.sql.is_none() && config.data.files.is_none();
    found.add_if(
        !plain && !is_dataset(&config.data.source),
        "/watch",
        "a source with `query`, `sql` or `files` is not kept as it is; keep it with `cupola data add NAME --config FILE` and write `data.source = \"dataset:NAME\"`",
    );
    found.add_if(
        watch.on.accuracy.is_some() && watch.recent.is_none(),
        "/watch/on/accuracy",
        "metrics of the champion require recent rows; add `watch.recent`",
    );
}

/// `true` for one source that is a dataset of the home.
fn is_dataset(source: &Source) -> bool {
    matches!(source.patterns(), [one] if one.starts_with("dataset:"))
}

fn check_times(watch: &Watch, found: &mut Findings) {
    let expected = "expected a time such as \"90s\", \"30m\" or \"1h30m\"";
    found.add_if(parse_time(&watch.every).is_none(), "/watch/every", expected);
    found.add_if(!is_time_or_zero(&watch.cooldown), "/watch/cooldown", expected);
    found.add_if(!is_time_or_zero(&watch.rollback.within), "/watch/rollback/within", expected);
    let budget = watch.budget.time.as_deref();
    found.add_if(budget.is_some_and(|time| parse_time(time).is_none()), "/watch/budget/time", expected);
    let zone = match parse_zone(&watch.zone) {
        Ok(zone) => zone,
        Err(error) => return found.add("/watch/zone", error.to_string()),
    };
    if let Some(Err(error)) = watch.on.schedule.as_ref().map(|text| WatchSchedule::parse(text, zone)) {
        found.add("/watch/on/schedule", error.to_string());
    }
    for (at, hours) in watch.quiet.iter().enumerate() {
        if let Err(error) = QuietHours::parse(hours, zone) {
            found.add(format!("/watch/quiet/{at}"), error.to_string());
        }
    }
}

fn check_names(watch: &Watch, found: &mut Findings) {
    let digits = watch.alias.bytes().all(|byte| byte.is_ascii_digit());
    found.add_if(
        !is_name(&watch.alias) || digits || watch.alias == "latest",
        "/watch/alias",
        format!(
            "invalid alias `{}`; use {NAME_RULE}, except `latest`, which each training moves",
            watch.alias
        ),
    );
    if let Some(name) = &watch.dataset {
        found.add_if(!is_name(name), "/watch/dataset", format!("invalid name `{name}`; use {NAME_RULE}"));
    }
}

fn check_model(config: &Config, watch: &Watch, family: &Family, found: &mut Findings) {
    found.add_if(
        watch.warm_start && family.trees().is_some(),
        "/watch/warm_start",
        "trees have no weights to start from; remove it",
    );
    found.add_if(
        watch.warm_start && matches!(config.model, Model::Package(_)),
        "/watch/warm_start",
        "`model.package` names the package to start from; remove one of both",
    );
    found.add_if(
        watch.warm_start && watch.tune,
        "/watch/warm_start",
        "a search changes the network, so its trials cannot start from the champion; remove `warm_start` or `tune`",
    );
}

/// Conditions of the claim and of `on.accuracy`, as those of `[gate]`.
fn check_gates(config: &Config, watch: &Watch, found: &mut Findings) {
    if config.targets.is_empty() {
        return;
    }
    if let Some(accuracy) = &watch.on.accuracy {
        for invalid in accuracy.parse(&config.targets).err().unwrap_or_default() {
            let key = invalid.key.replace('~', "~0").replace('/', "~1");
            found.add(format!("/watch/on/accuracy/{key}"), invalid.message);
        }
    }
    let claim = watch.metric.is_some().then(|| (watch.comparison("other"), WatchClaim::NoWorse));
    if let Some((key, claim)) = claim {
        let gate = Gate::new(claim.requirement().map(|required| (key, required.to_owned())));
        for invalid in gate.parse(&config.targets).err().unwrap_or_default() {
            found.add("/watch/metric", invalid.message);
        }
    }
}
