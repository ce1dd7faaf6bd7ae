//! Live monitoring of a server, over HTTP.

mod embeddings;

use serde_json::{Value, json};

use crate::serving::{PREDICT, rows};
use crate::support::{Server, TestHome};

const MONITOR: &str = "/v1/models/blobs/monitor";

fn home() -> TestHome {
    let home = TestHome::with_blobs(400, "[train]\nepochs = 2\n");
    home.train(&[]);
    home
}

fn monitor(server: &Server, query: &str) -> Value {
    let response = server.get(&format!("{MONITOR}{query}"));
    assert_eq!(response.status, 200, "{}", response.text);
    response.json()
}

/// Sends `count` rows in requests of ten, with `x` moved by `shift`.
fn send(server: &Server, count: u32, shift: f64) {
    for request in 0..count / 10 {
        let row = |at: u32| {
            let place = f64::from((request * 10 + at) * 37 % 100) / 50.0 - 1.0;
            json!({ "x": place + shift, "y": -place })
        };
        let body = json!({ "rows": (0..10).map(row).collect::<Vec<_>>() }).to_string();
        assert_eq!(server.post(PREDICT, body, &[]).status, 200);
    }
}

fn column<'a>(report: &'a Value, name: &str, role: &str) -> &'a Value {
    let columns = report["columns"].as_array().unwrap();
    columns
        .iter()
        .find(|one| one["name"] == name && one["role"] == role)
        .unwrap_or_else(|| panic!("{report}"))
}

#[test]
fn requests_rows_and_predictions_are_observed_and_a_shift_is_told() {
    let home = home();
    let server = home.serve(&["--model", "blobs"]);
    let empty = monitor(&server, "");
    assert_eq!((&empty["enabled"], &empty["window"]["rows"]), (&json!(true), &json!(0)));
    send(&server, 500, 50.0);
    assert_eq!(server.post(PREDICT, "{\"rows\": [{\"x\": \"no number\"}]}", &[]).status, 422);
    let report = monitor(&server, "?window=all");
    let window = &report["window"];
    assert_eq!((&window["requests"], &window["client_errors"]), (&json!(51), &json!(1)));
    assert_eq!((&window["rows"], &window["observed_share"]), (&json!(500), &json!(1.0)));
    assert!(window["seconds"]["p99"].as_f64().unwrap() > 0.0);
    let x = column(&report, "x", "input");
    assert_eq!((&x["rows"], &x["missing"]), (&json!(500), &json!(0.0)));
    assert!((x["numbers"]["mean"].as_f64().unwrap() - 50.0).abs() < 0.1);
    let predicted = report["columns"].as_array().unwrap().iter().find(|one| one["role"] == "prediction");
    assert_eq!(predicted.unwrap()["rows"], 500);
    let metrics = server.get("/metrics").text;
    assert!(metrics.contains("cupola_monitor_rows{model=\"blobs\",version=\"1\"} 500"), "{metrics}");
    assert!(!metrics.contains("cupola_gpu_"), "{metrics}");
    if report["reference"]["present"] == true {
        assert_eq!((&x["verdict"], &x["outside"]), (&json!("drift"), &json!(1.0)));
        assert_eq!(report["drift"]["verdict"], "drift");
        assert!(metrics.contains(
            "cupola_monitor_column_drifted{model=\"blobs\",version=\"1\",column=\"x\",role=\"input\"} 1"
        ));
    } else {
        assert!(report["reference"]["why"].as_str().unwrap().contains("train and publish"), "{report}");
        assert_eq!(x["verdict"], "no_reference");
    }
    // Other protocols are observed too.
    let tensors = json!({ "inputs": [
        { "name": "x", "shape": [2], "datatype": "FP64", "data": [0.0, 1.0] },
        { "name": "y", "shape": [2], "datatype": "FP64", "data": [0.0, 1.0] },
    ]});
    assert_eq!(server.post("/v2/models/blobs/infer", tensors.to_string(), &[]).status, 200);
    assert_eq!(monitor(&server, "?window=current")["window"]["rows"], 502);
}

#[test]
fn the_state_of_the_sketches_is_asked_for_and_wrong_parameters_are_told() {
    let home = home();
    let server = home.serve(&["--model", "blobs"]);
    assert_eq!(server.post(PREDICT, rows(), &[]).status, 200);
    let report = monitor(&server, "?state=1");
    let windows = report["state"]["windows"].as_array().unwrap();
    assert_eq!((windows.len(), &windows[0]["table"]["rows"]), (1, &json!(1)));
    // States of several servers become one.
    home.write("answer.json", report.to_string());
    let twice = home.run(&["monitor", "merge", "answer.json", "answer.json"]);
    assert!(twice.code == Some(2) && twice.stderr.contains("count twice"), "{}", twice.stderr);
    let other = home.serve(&["--model", "blobs"]);
    assert_eq!(other.post(PREDICT, rows(), &[]).status, 200);
    home.write("other.json", monitor(&other, "?state=1").to_string());
    let merged = home.run(&["monitor", "merge", "answer.json", "other.json"]);
    let merged: Value = serde_json::from_str(&merged.stdout).unwrap();
    let rows = |window: &Value| window["table"]["rows"].as_u64().unwrap();
    assert_eq!(merged["windows"].as_array().unwrap().iter().map(rows).sum::<u64>(), 2);
    home.write("plain.json", monitor(&server, "").to_string());
    let refused = home.run(&["monitor", "merge", "answer.json", "plain.json"]);
    assert!(refused.code == Some(2) && refused.stderr.contains("?state=1"), "{}", refused.stderr);
    assert!(monitor(&server, "").get("state").is_none());
    for (query, name) in [("?window=yesterday", "window"), ("?state=maybe", "state")] {
        let response = server.get(&format!("{MONITOR}{query}"));
        assert_eq!(
            (response.status, &response.json()["error"]["field"]),
            (400, &json!(name)),
            "{}",
            response.text
        );
    }
    assert_eq!(server.get("/v1/models/other/monitor").status, 404);
    assert_eq!(server.get("/v1/models/blobs:9/monitor").status, 404);
    let document = server.get("/openapi.json").json();
    assert!(document["paths"][MONITOR]["get"].is_object());
    let page = server.get("/monitor");
    assert!(page.status == 200 && page.text.contains("<title>Cupola: monitoring</title>"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
}

#[test]
fn monitoring_can_be_turned_off_and_columns_left_out() {
    let home = home();
    home.write("off.toml", "[monitor]\nenabled = false\n[[model]]\nserve = 'blobs'\n");
    let config = home.path("off.toml");
    let server = home.serve(&["--config", config.to_str().unwrap()]);
    assert_eq!(server.post(PREDICT, rows(), &[]).status, 200);
    let report = monitor(&server, "");
    assert!(report["enabled"] == false && report["why"].as_str().unwrap().contains("[monitor]"), "{report}");
    drop(server);
    home.write("few.toml", "[monitor]\nexclude = ['x']\n[[model]]\nserve = 'blobs'\n");
    let config = home.path("few.toml");
    let server = home.serve(&["--config", config.to_str().unwrap()]);
    let report = monitor(&server, "");
    let names: Vec<&Value> = report["columns"].as_array().unwrap().iter().map(|one| &one["name"]).collect();
    assert!(names.contains(&&json!("y")) && !names.contains(&&json!("x")), "{report}");
}

#[test]
fn the_performance_log_has_requests_accuracy_and_the_use_of_the_machine() {
    let home = home();
    let log = "[[model]]\nserve = 'blobs'\n[monitor.performance_log]\nseconds = 1\n";
    home.write("serve.toml", log);
    let server = home.serve(&["--config", "serve.toml"]);
    let body = json!({ "rows": [{ "x": 0.9, "y": 0.9 }] }).to_string();
    let answer = server.post(PREDICT, &body, &[("x-request-id", "one")]).json();
    let class = answer["predictions"][0]["side"]["value"].clone();
    let feedback = json!({ "rows": [{ "request_id": "one", "side": class }] }).to_string();
    assert_eq!(server.post("/v1/models/blobs/feedback", feedback, &[]).status, 200);
    assert_eq!(server.post(PREDICT, "{\"rows\": [{\"x\": \"no number\"}]}", &[]).status, 422);
    std::thread::sleep(std::time::Duration::from_millis(1500));
    // The last interval is written when the server stops.
    assert_eq!(server.post(PREDICT, &body, &[]).status, 200);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let show = ["monitor", "performance", "--model", "blobs", "--log", "--chunks", "count:1"];
    let found = home.json(&show);
    let all = &found["chunks"][0]["interval"];
    assert_eq!(
        (&all["requests"], &all["client_errors"], &all["server_errors"]),
        (&json!(3), &json!(1), &json!(0))
    );
    assert_eq!((&all["targets"]["side"]["right"], &all["targets"]["side"]["wrong"]), (&json!(1), &json!(0)));
    // The server computes on the CPU.
    assert!(all["p99"].as_f64().unwrap() > 0.0 && all["process"]["gpu"].is_null(), "{found}");
    if cfg!(target_os = "linux") {
        assert!(all["process"]["memory_bytes"].as_u64().unwrap() > 1 << 20, "{found}");
    }
    let table = home.run(&show);
    assert!(table.stdout.contains("calibration error") && !table.stdout.contains("GPU"), "{}", table.stdout);
    let wrong = home.run(&["monitor", "performance", "--model", "other", "--log"]);
    assert_eq!(wrong.code, Some(2), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("performance_log"), "{}", wrong.stderr);
    assert_eq!(home.run(&["monitor", "performance", "--model", "blobs"]).code, Some(2));
}
