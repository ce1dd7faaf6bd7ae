//! Exported files against the metrics of the server, and the copies in `configs/monitoring`.

use std::collections::BTreeSet;

use cupola_spec::parse_serve;
use serde_json::Value;

use super::*;
use crate::notify::alert_rules;
use crate::telemetry::{MetricDescription, metric_list};

/// Rules of each kind.
const CONFIG: &str = r#"
[alerts]
group_by = ["model"]
group_wait = "5s"
group_interval = "90s"
repeat = "2d"
[[alert]]
name = "Errors"
when = { kind = "errors", objective = 0.999 }
[[alert]]
name = "Slow"
model = "prices"
when = { kind = "latency", objective = 0.99, within_ms = 250 }
[[alert]]
name = "Drift"
for = "30m"
when = { kind = "drift", share = 0.5 }
[[alert]]
name = "Carat"
when = { kind = "drift", column = "carat \"x\"" }
[[alert]]
name = "Age"
when = { kind = "age", longer_than = "30d" }
[[alert]]
name = "Idle"
when = { kind = "idle", longer_than = "1h" }
[[alert]]
name = "Accuracy"
when = { kind = "accuracy", below = 0.9 }
[[alert]]
name = "Off"
when = { kind = "mean_error", above = 2.5, window = "6h" }
[[alert]]
name = "Feedback"
when = { kind = "feedback", below = 0.1 }
[[alert]]
name = "Queue"
severity = "page"
summary = "the queue is long"
when = { kind = "metric", metric = "cupola_queue_requests", labels = { version = "1" }, above = 100 }
[[notify]]
kind = "webhook"
url = "https://hooks.example/a"
[[notify]]
kind = "slack"
url = "${SLACK_URL}"
[[notify]]
kind = "email"
server = "mail.example"
username = "me"
password = "${MAIL}"
from = "cupola@example.com"
to = ["a@example.com", "b@example.com"]
"#;

/// Words of a text that begin like a metric of the server.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("cupola_")).map(str::to_owned).collect()
}

fn exported(target: ExportTarget) -> Vec<ExportFile> {
    let spec = parse_serve("serve.toml", CONFIG).unwrap();
    export_files(target, &alert_rules(&spec).unwrap(), &spec.notify, spec.alerts.as_ref().unwrap())
}

#[test]
fn files_name_the_metrics_of_the_server_and_no_others() {
    let series: BTreeSet<String> = metric_list().iter().flat_map(MetricDescription::series).collect();
    let dashboard = &exported(ExportTarget::Grafana)[0].text;
    let rules = &exported(ExportTarget::Prometheus)[0].text;
    for name in named(dashboard).iter().chain(&named(rules)) {
        let plain = metric_list().iter().any(|metric| metric.name == *name);
        assert!(plain || series.contains(name), "{name} is no metric of the server");
    }
    let shown = named(dashboard);
    for metric in metric_list() {
        assert!(shown.contains(&metric.name), "{} has no panel", metric.name);
    }
}

#[test]
fn panels_have_their_own_place_and_queries() {
    let dashboard: Value = serde_json::from_str(&exported(ExportTarget::Grafana)[0].text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    let mut cells = BTreeSet::new();
    for panel in panels {
        let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        for x in place("x")..place("x") + place("w") {
            for y in place("y")..place("y") + place("h") {
                assert!(x < 24 && cells.insert((x, y)), "{panel} lies over another one");
            }
        }
        if panel["type"] != "row" {
            assert!(!panel["targets"].as_array().unwrap().is_empty(), "{panel}");
        }
    }
}

#[test]
fn rules_and_receivers_of_a_config_are_exported() {
    let rules = &exported(ExportTarget::Prometheus)[0].text;
    for part in [
        "record: cupola:request_errors:ratio_rate3d",
        "cupola:requests_slower_than_250000us:ratio_rate1h{model=\\\"prices\\\"} > 0.144",
        "column=\\\"carat \\\\\\\"x\\\\\\\"\\\"",
        "severity: \"page\"",
        "summary: \"the queue is long\"",
        "for: 30m",
    ] {
        assert!(rules.contains(part), "{part}: {rules}");
    }
    let manager = &exported(ExportTarget::Alertmanager)[0].text;
    for part in [
        "https://hooks.example/a",
        "group_by: [model]\n  group_wait: 5s\n  group_interval: 90s\n  repeat_interval: 2d\n",
        "      group_wait: 5s\n      repeat_interval: 1h\n",
        "without the header x-cupola-signature",
        "/etc/alertmanager/slack.url",
        "mail.example:587",
        "a@example.com, b@example.com",
    ] {
        assert!(manager.contains(part), "{part}: {manager}");
    }
    assert!(!manager.contains("${"), "{manager}");
}

#[test]
fn an_address_with_credentials_is_not_exported() {
    for (url, is_kept) in [
        ("https://hooks.example/a@b", true),
        ("https://me:tOp@hooks.example/a", false),
        ("https://tOp@hooks.example", false),
        ("https://hooks.example/a?key=tOp", false),
        ("https://${TOKEN}/a", false),
    ] {
        let text = format!("[[notify]]\nkind = 'webhook'\nname = 'ops'\nurl = '{url}'\n");
        let spec = parse_serve("serve.toml", &text).unwrap();
        let manager =
            &export_files(ExportTarget::Alertmanager, &[], &spec.notify, &AlertSettings::default())[0].text;
        assert_eq!(manager.contains(url), is_kept, "{manager}");
        assert_eq!(manager.contains("/etc/alertmanager/ops.url"), !is_kept, "{manager}");
        assert!(!manager.contains("tOp") && !manager.contains("${"), "{manager}");
    }
}

#[test]
fn shipped_copies_are_what_the_command_writes() {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/monitoring");
    for target in [ExportTarget::Prometheus, ExportTarget::Grafana, ExportTarget::Alertmanager] {
        for file in export_files(target, &AlertRule::defaults(), &[], &AlertSettings::default()) {
            let text = std::fs::read_to_string(format!("{shipped}/{}", file.name)).unwrap_or_default();
            assert!(
                text == file.text,
                "configs/monitoring/{} differs; run `cupola monitor export --out configs/monitoring`",
                file.name
            );
        }
    }
}
