//! Rules of `[watch]`.

use std::net::SocketAddr;

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
    check_live(watch, found);
    check_webhook(watch, found);
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

/// Message for a secret in a config.
const SECRET: &str =
    "a secret must not be written in a config; write `${NAME}` and set NAME in the environment";

fn check_live(watch: &Watch, found: &mut Findings) {
    let Some(live) = &watch.live else { return };
    for (key, url) in [("url", Some(&live.url)), ("admin", live.admin.as_ref())] {
        let valid = url.is_none_or(|url| url.starts_with("http://") || url.starts_with("https://"));
        found.add_if(!valid, format!("/watch/live/{key}"), "expected an address such as http://HOST:8080");
    }
    let plain = live.key.as_ref().is_some_and(|key| !key.contains("${"));
    found.add_if(plain, "/watch/live/key", SECRET);
    let Some(canary) = &live.canary else { return };
    let digits = canary.alias.bytes().all(|byte| byte.is_ascii_digit());
    found.add_if(
        !is_name(&canary.alias) || digits || canary.alias == "latest" || canary.alias == watch.alias,
        "/watch/live/canary/alias",
        format!(
            "invalid alias `{}`; use {NAME_RULE}, except `latest` and `{}`, which the main version follows",
            canary.alias, watch.alias
        ),
    );
    found.add_if(
        parse_time(&canary.within).is_none(),
        "/watch/live/canary/within",
        "expected a time such as \"90s\", \"30m\" or \"1h30m\"",
    );
}

fn check_webhook(watch: &Watch, found: &mut Findings) {
    let Some(webhook) = &watch.on.webhook else { return };
    let address = webhook.listen.parse::<SocketAddr>();
    found.add_if(
        address.is_err(),
        "/watch/on/webhook/listen",
        format!(
            "invalid address `{}`; expected an address with a port, such as 127.0.0.1:9099",
            webhook.listen
        ),
    );
    for (key, secret) in [("token", &webhook.token), ("secret", &webhook.secret)] {
        let plain = secret.as_ref().is_some_and(|secret| !secret.contains("${"));
        found.add_if(plain, format!("/watch/on/webhook/{key}"), SECRET);
    }
    let open = webhook.token.is_none() && webhook.secret.is_none();
    found.add_if(
        open && address.is_ok_and(|address| !address.ip().is_loopback()),
        "/watch/on/webhook/listen",
        "other machines could start trainings; add `token` or `secret`, or listen at 127.0.0.1",
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

#[cfg(test)]
mod tests {
    use crate::config::parse;

    const CONFIG: &str = "name = 'm'\nseed = 1\n[data]\nsource = 'a.csv'\n\
        [[targets]]\nname = 'y'\nkind = 'category'\n[model]\nfamily = 'gbdt'\n";

    fn of(watch: &str) -> Result<crate::config::Run, String> {
        let text = format!("{CONFIG}{watch}");
        parse("run.toml", &text, &[], &|path| Err(path.to_owned())).map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_watch_is_read_and_left_out_of_the_sealed_config() {
        let run = of("[watch]\nrecent = 'b.csv'\nmetric = 'log_loss'\n[watch.on]\nschedule = '0 3 * * 1'\n\
                      accuracy = { 'test/accuracy' = '>= 0.9' }\n")
        .unwrap();
        let watch = run.watch.unwrap();
        assert_eq!(
            watch.claim("production").unwrap(),
            ("versus production/log_loss".to_owned(), "no worse, 95 %")
        );
        assert!(!watch.accuracy().is_empty() && (watch.every_seconds() - 600.0).abs() < 1e-9);
        assert_eq!((watch.budget_seconds(), run.sealed.watch), (None, None));
        // The challenger's config is the same but for what the watch sets.
        let key = "gate.versus production=\"no worse, 95 %\"".to_owned();
        let set = parse("run.toml", CONFIG, &[key], &|path| Err(path.to_owned())).unwrap();
        assert_eq!(set.sealed.gate.parse(&set.sealed.targets).unwrap()[0].key, "versus production");
    }

    #[test]
    fn each_mistake_is_named_with_its_remedy() {
        for (watch, message) in [
            ("[watch]\n", "no reason to train"),
            ("[watch]\non.new_data = true\nalias = 'latest'\n", "invalid alias"),
            ("[watch]\non.new_data = true\nalias = '3'\n", "invalid alias"),
            ("[watch]\non.new_data = true\nzone = 'Berlin'\n", "invalid offset"),
            ("[watch]\non.new_data = true\nquiet = ['22-6']\n", "invalid hours"),
            ("[watch]\non.schedule = '0 3 * *'\n", "write five fields"),
            ("[watch]\non.new_data = true\nwarm_start = true\n", "trees have no weights"),
            ("[watch]\non.new_data = true\nevery = '0s'\n", "expected a time"),
            ("[watch]\non.new_data = true\nmetric = 'rmse'\n", "rmse"),
            ("[watch]\non.accuracy = { 'test/accuracy' = '>= 0.9' }\n", "add `watch.recent`"),
            ("[watch]\nrecent = 'b'\non.accuracy = { 'tset/accuracy' = '>= 0.9' }\n", "unknown condition"),
            ("[watch]\non.new_data = true\nbudget.runs = 0\n", "budget.runs"),
            ("[watch]\non.newdata = true\n", "new_data"),
            ("[watch]\non.new_data = true\nlive.url = 'localhost:8080'\n", "expected an address"),
            ("[watch]\non.new_data = true\nlive = { url = 'http://a', key = 'plain' }\n", "${NAME}"),
            ("[watch]\non.new_data = true\nlive = { url = 'http://a', latency = 0.5 }\n", "latency"),
            (
                "[watch]\non.new_data = true\nlive = { url = 'http://a', canary = { alias = 'production' } }\n",
                "invalid alias",
            ),
            ("[watch]\non.webhook.listen = 'localhost'\n", "invalid address"),
            ("[watch]\non.webhook.listen = '0.0.0.0:9099'\n", "other machines"),
            ("[watch]\non.webhook = { listen = '127.0.0.1:9099', token = 'plain' }\n", "${NAME}"),
        ] {
            let problems = of(watch).unwrap_err();
            assert!(problems.contains(message), "{watch}: {problems}");
        }
    }
}
