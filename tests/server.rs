use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Server, TestHome};

fn test_home() -> TestHome {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 3\n");
    home.train(&[]);
    home
}

fn rows(n: usize) -> String {
    json!({ "rows": vec![json!({"x": 0.5, "y": 0.5}); n] }).to_string()
}

/// Path, body, expected status, code, field and part of the message.
type Case<'a> = (&'a str, &'a str, u16, &'a str, Option<&'a str>, &'a str);

#[test]
fn every_error_has_its_status_code_and_message() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--body-mib", "1"]);
    let path = "/v1/models/blobs/predict";
    let large = rows(60_000);
    let cases: &[Case<'_>] = &[
        (path, "", 400, "malformed", None, "invalid body: expected"),
        (path, "{\"rows\": [", 400, "malformed", None, "invalid body: expected"),
        (path, "[]", 400, "malformed", None, "invalid body: expected"),
        (path, "{\"rows\": []}", 400, "malformed", None, "at least one row"),
        (path, "{\"rows\": [1]}", 400, "malformed", None, "invalid body: expected"),
        (path, "{\"rowz\": []}", 400, "malformed", None, "unknown field `rowz`"),
        (
            path,
            "{\"rows\": [{\"x\": \"a\", \"y\": 1}]}",
            422,
            "row_does_not_fit",
            Some("rows[0].x"),
            "expected a number, found `a`",
        ),
        (
            path,
            "{\"rows\": [{\"x\": 1, \"y\": 1}, {\"x\": 1}]}",
            422,
            "row_does_not_fit",
            Some("rows[1].y"),
            "row 2, column `y`",
        ),
        (
            path,
            "{\"rows\": [{\"x\": true, \"y\": 1}]}",
            422,
            "row_does_not_fit",
            Some("rows[0].x"),
            "expected a number, found true",
        ),
        (
            path,
            "{\"rows\": [{\"x\": {\"a\": [1]}, \"y\": 1}]}",
            422,
            "row_does_not_fit",
            Some("rows[0].x"),
            "found {\"a\":[1]}",
        ),
        ("/v1/models/blob/predict", "{\"rows\": [{}]}", 404, "unknown_model", None, "GET /v1/models lists"),
        ("/v1/nothing", "{}", 404, "not_found", None, "GET /v1/models"),
        (path, &large, 413, "too_large", None, "larger than 1048576 bytes"),
    ];
    for (path, body, status, code, field, words) in cases {
        let response = server.post(path, body, &[]);
        let start = &body[..body.len().min(60)];
        assert_eq!(response.status, *status, "{start}: {}", response.text);
        let error = &response.json()["error"];
        assert_eq!(error["code"], *code, "{start}");
        assert_eq!(error["field"].as_str(), *field, "{start}");
        assert!(error["message"].as_str().unwrap().contains(words), "{start}: {error}");
    }
    let response = server.get(path);
    assert_eq!(
        (response.status, response.json()["error"]["code"].as_str()),
        (405, Some("method_not_allowed"))
    );
    // The server still responds after all of them.
    assert_eq!(server.post(path, rows(1), &[]).status, 200);
}

#[test]
fn deep_nesting_and_extreme_numbers_are_handled() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let path = "/v1/models/blobs/predict";
    let deep = format!("{{\"rows\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(server.post(path, deep, &[]).status, 400);
    for number in ["1e308", "-1e308", "1e-320", "0.1e1"] {
        let body = format!("{{\"rows\": [{{\"x\": {number}, \"y\": 0}}]}}");
        let response = server.post(path, body, &[]);
        assert!(
            response.status == 200 || response.status == 422,
            "{number}: {} {}",
            response.status,
            response.text
        );
        assert!(!response.text.contains("null"), "{number}: {}", response.text);
    }
    assert_eq!(server.post(path, "{\"rows\": [{\"x\": 1e999, \"y\": 0}]}", &[]).status, 400);
    assert_eq!(server.post(path, b"\xff\xfe\x00", &[]).status, 400);
}

#[test]
fn models_health_and_metrics_are_reported() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    assert_eq!(server.get("/health/live").status, 200);
    assert_eq!(server.get("/health/ready").status, 200);
    let models = server.get("/v1/models").json();
    let model = &models["models"][0];
    assert_eq!((&model["name"], &model["version"]), (&json!("blobs"), &json!(1)));
    let names: Vec<&Value> =
        model["signature"]["inputs"].as_array().unwrap().iter().map(|i| &i["name"]).collect();
    assert_eq!(names, ["x", "y"]);
    assert_eq!(model["signature"]["outputs"][0]["categories"], json!(["left", "right"]));

    server.post("/v1/models/blobs/predict", rows(3), &[]);
    server.post("/v1/models/blobs/predict", "{", &[]);
    let text = server.get("/metrics").text;
    for line in [
        "cupola_requests_total{model=\"blobs\",code=\"200\"} 1",
        "cupola_requests_total{model=\"blobs\",code=\"400\"} 1",
        "cupola_inference_duration_seconds_count{model=\"blobs\",version=\"1\"} 1",
        "cupola_batch_rows_sum{model=\"blobs\",version=\"1\"} 3.0",
        "# EOF",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn a_plain_request_id_is_returned() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let id = |given: &str| {
        server.post("/v1/models/blobs/predict", rows(1), &[("x-request-id", given)]).json()["request_id"]
            .clone()
    };
    assert_eq!(id("abc-123"), "abc-123");
    assert_ne!(id("a b<script>"), "a b<script>");
}

#[test]
fn an_overloaded_server_refuses_at_once_and_completes_the_rest() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--queue", "1", "--batch-rows", "1"]);
    let body = rows(20_000);
    let answers: Vec<(u16, Option<String>)> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..12)
            .map(|_| {
                scope.spawn(|| {
                    let response = server.post("/v1/models/blobs/predict", &body, &[]);
                    (response.status, response.header("retry-after").map(str::to_owned))
                })
            })
            .collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let count = |status: u16| answers.iter().filter(|(s, _)| *s == status).count();
    assert_eq!(count(200) + count(429), 12, "{answers:?}");
    assert!(count(200) >= 1 && count(429) >= 1, "{answers:?}");
    assert!(answers.iter().all(|(s, retry)| (*s == 429) == retry.is_some()), "{answers:?}");
}

#[test]
fn a_missed_deadline_is_reported() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--batch-rows", "1"]);
    let response = server.post("/v1/models/blobs/predict", rows(50_000), &[("x-timeout-ms", "1")]);
    assert_eq!(response.status, 504, "{}", &response.text[..response.text.len().min(200)]);
    assert_eq!(response.json()["error"]["code"], "deadline");
    assert_eq!(server.post("/v1/models/blobs/predict", rows(1), &[("x-timeout-ms", "soon")]).status, 400);
    assert_eq!(server.post("/v1/models/blobs/predict", rows(1), &[]).status, 200);
}

#[test]
fn a_signal_lets_open_requests_finish() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--batch-rows", "1"]);
    let slow = rows(100_000);
    std::thread::scope(|scope| {
        let request = scope.spawn(|| server.post("/v1/models/blobs/predict", &slow, &[]).status);
        std::thread::sleep(Duration::from_millis(500));
        server.terminate();
        assert_eq!(request.join().unwrap(), 200, "the open request");
    });
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn clients_that_disconnect_or_send_half_a_body_affect_no_other() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let address = server.url.trim_start_matches("http://").to_owned();
    for text in [
        "POST /v1/models/blobs/predict HTTP/1.1\r\nhost: a\r\ncontent-length: 1000\r\n\r\n{\"rows\"",
        "POST /v1/models/blobs/predict HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/9.9\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        drop(stream);
    }
    let mut stream = TcpStream::connect(&address).unwrap();
    stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.starts_with("HTTP/1.1 200"), "{text}");
    assert_eq!(check(&server), 200);
}

fn check(server: &Server) -> u16 {
    server.post("/v1/models/blobs/predict", rows(1), &[]).status
}

#[test]
fn concurrent_clients_get_their_own_predictions() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--queue", "1000"]);
    let ask = |x: f64| -> Value {
        let body = json!({ "rows": [{"x": x, "y": 0.5}] }).to_string();
        server.post("/v1/models/blobs/predict", body, &[]).json()["predictions"][0].clone()
    };
    let alone: Vec<Value> = (0..32).map(|i| ask(f64::from(i) / 16.0 - 1.0)).collect();
    let together: Vec<Value> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..32).map(|i| scope.spawn(move || ask(f64::from(i) / 16.0 - 1.0))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).collect()
    });
    for (a, b) in alone.iter().zip(&together) {
        let p = |v: &Value| v["side"]["probabilities"]["left"].as_f64().unwrap();
        assert!((p(a) - p(b)).abs() < 1e-5, "{a} alone, {b} in a batch");
    }
}

#[test]
fn a_used_port_and_a_duplicate_model_are_errors() {
    let home = test_home();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = home.run(&["serve", "--model", "blobs", "--device", "flex", "--port", &port]);
    assert_eq!(output.code, Some(2));
    assert!(
        output.stderr.contains(&format!("failed to listen on 127.0.0.1:{port}"))
            && output.stderr.contains("--port"),
        "{}",
        output.stderr
    );
    let output = home.run(&["serve", "--model", "blobs", "--model", "blobs:1", "--device", "flex"]);
    assert!(output.code == Some(2) && output.stderr.contains("given twice"), "{}", output.stderr);
}
