//! Performance of a served model by feedback, and estimates of it without targets.

use serde_json::Value;

use super::{home, report};
use crate::support::TestHome;

/// Serves rows of `blobs.csv`, one request each, and sends their labels as feedback.
fn serve_with_feedback(home: &TestHome, rows: usize) -> String {
    home.write("serve.toml", "[[model]]\nserve = 'blobs:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let text = home.read("blobs.csv");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut target = String::new();
    for (index, line) in lines.take(rows).enumerate() {
        let cells = names.iter().zip(line.split(','));
        let inputs: serde_json::Map<String, Value> = cells
            .clone()
            .filter(|(name, _)| ["x", "y"].contains(*name))
            .map(|(name, cell)| ((*name).to_owned(), Value::from(cell.parse::<f64>().unwrap())))
            .collect();
        let id = format!("request-{index}");
        let body = serde_json::json!({ "rows": [inputs] }).to_string();
        let answer = server.post("/v1/models/blobs/predict", body, &[("x-request-id", &id)]).json();
        target.clone_from(answer["predictions"][0].as_object().unwrap().keys().next().unwrap());
        let label = cells.clone().find(|(name, _)| **name == target).unwrap().1;
        let body = serde_json::json!({ "rows": [{ "request_id": id, target.clone(): label }] }).to_string();
        let stored = server.post("/v1/models/blobs/feedback", body, &[]);
        assert_eq!(stored.status, 200, "{}", stored.text);
    }
    let unknown =
        serde_json::json!({ "rows": [{ "request_id": "gone", target.clone(): "left" }] }).to_string();
    server.post("/v1/models/blobs/feedback", unknown, &[]);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    target
}

#[test]
fn feedback_joins_the_log_and_gives_the_performance() {
    let home = home();
    let target = serve_with_feedback(&home, 40);
    let log = home.path(".cupola/predictions/blobs/1");
    let performance = |more: &[&str]| {
        let all = [
            "monitor",
            "performance",
            "--model",
            "blobs:1",
            "--device",
            "flex",
            "--chunks",
            "count:2",
            "--data",
        ];
        let args: Vec<&str> =
            all.into_iter().chain([log.to_str().unwrap()]).chain(more.iter().copied()).collect();
        home.json(&args)
    };
    let found = performance(&[]);
    assert_eq!(
        (&found["rows"], &found["labelled"], &found["target"]),
        (&40.into(), &40.into(), &target.into()),
        "{found}"
    );
    assert_eq!(found["feedback"]["joined"], 40, "{found}");
    assert_eq!(found["chunks"].as_array().unwrap().len(), 2);
    let accuracy = &found["chunks"][0]["metrics"]["accuracy"];
    assert!(accuracy["realised"].as_f64().unwrap() > 0.5 && accuracy["estimate"].is_null(), "{found}");
    assert_eq!(found["changes"][0]["seen"], 40, "{found}");
    // The folders of the version and of the model are data for a report, too.
    for folder in [".cupola/predictions/blobs/1", ".cupola/predictions/blobs"] {
        let report = home.json(&report(folder, &["--reference", "blobs.csv", "--multivariate"]));
        assert_eq!(
            (&report["rows"], report["multivariate"]["chunks"].as_array().unwrap().len()),
            (&40.into(), 10)
        );
    }
    // With a reference there are estimates and thresholds.
    let found = performance(&["--reference", "blobs.csv"]);
    let accuracy = &found["chunks"][0]["metrics"]["accuracy"];
    assert!(
        accuracy["estimate"].as_f64().is_some() && accuracy["lower_threshold"].as_f64().is_some(),
        "{found}"
    );
    // Without targets and reference there is nothing to tell.
    let args =
        ["monitor", "performance", "--model", "blobs:1", "--device", "flex", "--feedback", "none", "--data"];
    let output = home.run(&args.into_iter().chain([log.to_str().unwrap()]).collect::<Vec<_>>());
    assert!(output.code == Some(2) && output.stderr.contains("--reference FILE"), "{}", output.stderr);
    let args =
        ["monitor", "performance", "--model", "blobs:1", "--chunks", "fortnight", "--data", "blobs.csv"];
    let output = home.run(&args);
    assert!(output.code == Some(2) && output.stderr.contains("unknown chunks"), "{}", output.stderr);
}

/// Rows whose target is `10 u` with an error of up to 1, or up to 4 where `z` is above 0.5.
#[allow(clippy::format_collect, reason = "a few thousand short lines")]
fn noisy_rows(count: usize, (from, to): (f64, f64)) -> String {
    let row = |at: usize| {
        let u = (at as f64 * 0.414_214).fract();
        let z = from + (to - from) * (at as f64 * 0.618_034).fract();
        let error = (2.0 * (at as f64 * 0.732_051).fract() - 1.0) * if z > 0.5 { 4.0 } else { 1.0 };
        format!("{u},{z},{}\n", 20.0 + 10.0 * u + error)
    };
    format!("u,z,y\n{}", (0..count).map(row).collect::<String>())
}

/// The last column of the table names the alerts of all metrics that JSON has, of many the first three.
fn alerts_of_the_table_are_those_of_json(home: &TestHome) {
    let args = ["monitor", "performance", "--model", "load", "--device", "flex", "--chunks", "count:2"];
    let args = [&args[..], &["--reference", "holdout.csv", "--data", "rough.csv"]].concat();
    let found = home.json(&args);
    let table = home.run(&args).stdout;
    let mut many = 0;
    for chunk in found["chunks"].as_array().unwrap() {
        let metrics = chunk["metrics"].as_object().unwrap().values();
        let alerts = metrics.filter(|own| own["alert"] == true || own["realised_alert"] == true).count();
        let key = chunk["key"].as_str().unwrap();
        let line = table.lines().find(|line| line.trim_start().starts_with(key)).unwrap();
        assert_eq!(line.matches("(estimated)").count(), alerts.min(3), "{line} {chunk}");
        assert_eq!(line.ends_with(&format!(", {} more", alerts.saturating_sub(3))), alerts > 3, "{line}");
        many += usize::from(alerts > 3);
    }
    assert!(many > 0, "no chunk has alerts of metrics without columns: {found}");
}

#[test]
fn errors_of_a_regression_are_estimated_without_targets() {
    let home = TestHome::new();
    home.write(
        "run.toml",
        "name = \"load\"\nseed = 3\n[data]\nsource = \"rows.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\n\
         [[targets]]\nname = \"y\"\nkind = \"number\"\n[model]\nfamily = \"gbdt\"\nrounds = 50\n",
    );
    home.write("rows.csv", noisy_rows(1000, (0.0, 1.0)));
    home.write("holdout.csv", noisy_rows(3000, (0.0, 1.0)));
    home.json(&["train", "--config", "run.toml"]);
    let without_target = |text: String| {
        let cut = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
        text.lines().map(cut).collect::<String>()
    };
    home.write("calm.csv", without_target(noisy_rows(600, (0.0, 0.5))));
    home.write("rough.csv", without_target(noisy_rows(600, (0.5, 1.0))));
    let estimate = |data: &str| {
        let args = ["monitor", "performance", "--model", "load", "--device", "flex", "--chunks", "count:2"];
        let more = ["--reference", "holdout.csv", "--out", "page", "--data", data];
        let found = home.json(&[&args[..], &more[..]].concat());
        let mae = &found["chunks"][1]["metrics"]["mae"];
        assert!(mae["realised"].is_null() && mae["upper_threshold"].as_f64().is_some(), "{found}");
        (mae["estimate"].as_f64().unwrap(), mae["alert"].as_bool().unwrap())
    };
    let (calm, _) = estimate("calm.csv");
    let (rough, alert) = estimate("rough.csv");
    alerts_of_the_table_are_those_of_json(&home);
    assert!(rough > 2.0 * calm && (1.5..3.0).contains(&rough) && alert, "{calm} {rough} {alert}");
    let page = home.read("page/performance.html");
    assert!(page.len() < 2_000_000 && page.contains("chunks with an alert"));
    assert!(home.read("page/performance.json").contains("\"estimate\""));
}
