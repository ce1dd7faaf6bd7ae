mod recording;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Server, TestHome};

/// Home with three versions of a model. The first two predict alike; the third is nearly untrained.
pub fn test_home() -> TestHome {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 3\n");
    home.train(&[]);
    home.train(&[]);
    home.train(&["--max-steps", "1"]);
    home.json(&["models", "alias", "blobs", "champion", "1"]);
    home
}

pub const PREDICT: &str = "/v1/models/blobs/predict";

pub fn rows() -> String {
    json!({ "rows": [{"x": 0.5, "y": 0.5}] }).to_string()
}

pub fn version(server: &Server, headers: &[(&str, &str)]) -> u64 {
    let response = server.post(PREDICT, rows(), headers);
    assert_eq!(response.status, 200, "{}", response.text);
    response.json()["version"].as_u64().unwrap()
}

#[track_caller]
pub fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn an_alias_that_moves_is_followed_without_a_failed_request() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs@champion"]);
    assert_eq!(version(&server, &[]), 1);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut seen = Vec::new();
                    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                        seen.push(version(&server, &[]));
                    }
                    seen
                })
            })
            .collect();
        home.json(&["models", "alias", "blobs", "champion", "2"]);
        soon("version 2 is served", || version(&server, &[]) == 2);
        // A rollback is one command.
        home.json(&["models", "rollback", "blobs", "champion"]);
        soon("version 1 is served again", || version(&server, &[]) == 1);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        for client in clients {
            let seen = client.join().unwrap();
            assert!(seen.contains(&2) && seen.iter().all(|version| [1, 2].contains(version)));
        }
    });
    // A damaged version leaves the previous one loaded, and the failure is reported.
    let weights = ".cupola/models/blobs/2/model.safetensors";
    home.write(weights, "rubbish");
    home.json(&["models", "alias", "blobs", "champion", "2"]);
    soon("the failure is reported", || !server.get("/v1/models/blobs").json()["trouble"].is_null());
    assert_eq!(version(&server, &[]), 1);
    let text = server.get("/metrics").text;
    assert!(text.contains("cupola_reload_failures_total{model=\"blobs\"} 1"), "{text}");
    assert!(text.contains("cupola_model_loaded{model=\"blobs\",version=\"2\"} 0"), "{text}");
}

#[test]
fn a_plain_name_keeps_its_version_and_every_swap_is_logged() {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 1\n");
    home.train(&[]);
    home.json(&["models", "alias", "blobs", "champion", "1"]);
    home.write("serve.toml", "[[model]]\nserve = 'blobs'\n");
    let log = |name: &str| std::fs::File::create(home.path(name)).unwrap();
    let plain = home.serve_logged(&["--config", "serve.toml"], log("plain.log"));
    let following = home.serve_logged(&["--model", "blobs", "--follow"], log("following.log"));
    let aliased = home.serve_logged(&["--model", "blobs@champion"], log("aliased.log"));
    home.train(&[]);
    soon("the name is followed", || version(&following, &[]) == 2);
    assert_eq!(version(&aliased, &[]), 1);
    home.json(&["models", "alias", "blobs", "champion", "2"]);
    soon("the alias is followed", || version(&aliased, &[]) == 2);
    for name in ["following.log", "aliased.log"] {
        let text = home.read(name);
        assert!(text.contains("swapped blobs:1 for blobs:2"), "{name}: {text}");
    }
    // Both other servers have looked since; a config that is read again changes nothing either.
    plain.hang_up();
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(version(&plain, &[]), 1);
    assert!(!home.read("plain.log").contains("swapped"), "{}", home.read("plain.log"));
    // Loading it by hand takes the newest version, and is logged too.
    assert_eq!(plain.post("/v2/repository/models/blobs/load", "", &[]).status, 200);
    assert_eq!(version(&plain, &[]), 2);
    assert!(home.read("plain.log").contains("swapped blobs:1 for blobs:2"), "{}", home.read("plain.log"));
}

#[test]
fn canaries_stick_shadows_are_compared_and_hangup_reads_the_config_again() {
    let home = test_home();
    let config = |weight: f64| {
        format!(
            "[[model]]\nserve = 'blobs:1'\nshadow = 'blobs:3'\n[model.canary]\nserve = 'blobs:2'\nweight = {weight}\nsticky = 'x-user'\n"
        )
    };
    home.write("serve.toml", config(0.5));
    let server = home.serve(&["--config", "serve.toml"]);
    let mut counts = [0; 4];
    for user in 0..60 {
        let user = format!("user {user}");
        let first = version(&server, &[("x-user", &user)]);
        assert_eq!(first, version(&server, &[("x-user", &user)]));
        counts[usize::try_from(first).unwrap()] += 1;
    }
    // Half of 60; four standard deviations are 15.5.
    assert!((15..=45).contains(&counts[1]) && counts[1] + counts[2] == 60, "{counts:?}");
    // The request names the version.
    let asked = server.post("/v1/models/blobs:3/predict", rows(), &[]);
    assert_eq!(asked.json()["version"], 3);
    let unknown = server.post("/v1/models/blobs:9/predict", rows(), &[]);
    assert!(unknown.status == 404 && unknown.text.contains("loaded versions: 1, 2, 3"), "{}", unknown.text);
    soon("the shadow was compared", || server.get("/metrics").text.contains("cupola_shadow_answers_total{"));
    home.write("serve.toml", config(1.0));
    server.hang_up();
    soon("the canary gets all requests", || server.get("/v1/models/blobs").json()["canary"]["weight"] == 1.0);
    assert!((0..20).all(|user| version(&server, &[("x-user", &user.to_string())]) == 2));
    // An invalid config changes nothing.
    home.write("serve.toml", "[[model]]\nserv = 'blobs'\n");
    server.hang_up();
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(version(&server, &[]), 2);
}

#[test]
fn feedback_is_validated_and_stored() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let asked = server.post(PREDICT, rows(), &[]).json();
    let id = asked["request_id"].as_str().unwrap();
    let (path, target) = ("/v1/models/blobs/feedback", asked["predictions"][0].as_object().unwrap());
    let target = target.keys().next().unwrap().clone();
    let body = |row: Value| json!({ "rows": [row] }).to_string();
    let kept = server.post(path, body(json!({ "request_id": id, &target: "left" })), &[]);
    assert_eq!((kept.status, kept.json()["kept"].as_u64()), (200, Some(1)), "{}", kept.text);
    let lines = format!("{{\"request_id\": \"r\", \"row\": 2, \"{target}\": \"right\"}}\n").repeat(3);
    let kept = server.post(path, lines, &[("content-type", "application/x-ndjson")]);
    assert_eq!(kept.json()["kept"], 3, "{}", kept.text);
    let wrong = [
        (json!({ &target: "a" }), "rows[0].request_id"),
        (json!({ "request_id": id }), target.as_str()),
        (json!({ "request_id": id, "row": 0, &target: "a" }), "rows[0].row"),
        (json!({ "request_id": id, format!("{target}s"): "a" }), "did you mean"),
        (json!({ "request_id": id, &target: [1] }), "is not a value of this target"),
        (json!({ "request_id": id, &target: "lefty" }), "did you mean `left`"),
        (json!({ "request_id": id, &target: "up" }), "expected one of left, right"),
    ];
    for (row, why) in wrong {
        let response = server.post(path, body(row), &[]);
        assert!(response.status == 422 && response.text.contains(why), "{why}: {}", response.text);
    }
    assert_eq!(server.post(path, "{", &[]).status, 400);
    assert_eq!(server.post("/v1/models/none/feedback", body(json!({})), &[]).status, 404);
    let text = home.read(".cupola/feedback/blobs.jsonl");
    let kept: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((kept.len(), &kept[0]["request"], &kept[0]["row"]), (4, &json!(id), &json!(1)));
    assert_eq!((&kept[3]["row"], &kept[3]["targets"][&target]), (&json!(2), &json!("right")));
}

#[test]
fn oip_takes_and_returns_tensors_as_json_and_as_bytes() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs:1"]);
    let meta = server.get("/v2/models/blobs").json();
    assert_eq!(meta["inputs"][0], json!({ "name": "x", "datatype": "FP64", "shape": [-1, 1] }));
    assert_eq!(meta["outputs"][1]["name"], "side_probabilities");
    let infer = "/v2/models/blobs/infer";
    let tensor =
        |name: &str, data: Value| json!({ "name": name, "shape": [2, 1], "datatype": "FP32", "data": data });
    let body =
        json!({ "id": "a", "inputs": [tensor("x", json!([0.5, -0.5])), tensor("y", json!([[0.5], [0.0]]))] });
    let response = server.post(infer, body.to_string(), &[]).json();
    assert_eq!((&response["id"], &response["model_version"]), (&json!("a"), &json!("1")), "{response}");
    let raw = server.post(
        PREDICT,
        json!({ "rows": [{"x": 0.5, "y": 0.5}, {"x": -0.5, "y": 0.0}] }).to_string(),
        &[],
    );
    let predictions = &raw.json()["predictions"];
    for row in 0..2 {
        assert_eq!(response["outputs"][0]["data"][row], predictions[row]["side"]["value"]);
        let p = predictions[row]["side"]["probabilities"]["left"].as_f64().unwrap();
        assert!((response["outputs"][1]["data"][2 * row].as_f64().unwrap() - p).abs() < 1e-6);
    }
    // Raw bytes in and out.
    let head = json!({
        "inputs": [
            { "name": "x", "shape": [2, 1], "datatype": "FP32", "parameters": { "binary_data_size": 8 } },
            { "name": "y", "shape": [2, 1], "datatype": "FP64", "parameters": { "binary_data_size": 16 } },
        ],
        "outputs": [{ "name": "side_probabilities", "parameters": { "binary_data": true } }],
    });
    let mut body = head.to_string().into_bytes();
    let length = body.len().to_string();
    body.extend([0.5_f32, -0.5].iter().flat_map(|x| x.to_le_bytes()));
    body.extend([0.5_f64, 0.0].iter().flat_map(|x| x.to_le_bytes()));
    let headers = [("inference-header-content-length", length.as_str())];
    let (bytes, json_length) = server.post_bytes(infer, &body, &headers);
    let header: Value = serde_json::from_slice(&bytes[..json_length]).unwrap();
    assert_eq!(header["outputs"][0]["parameters"]["binary_data_size"], 16);
    let first = f32::from_le_bytes(bytes[json_length..json_length + 4].try_into().unwrap());
    assert!((f64::from(first) - response["outputs"][1]["data"][0].as_f64().unwrap()).abs() < 1e-6);
    // Invalid tensors give status 400 with a message.
    let wrong = |inputs: Value| server.post(infer, json!({ "inputs": inputs }).to_string(), &[]);
    for (inputs, words) in [
        (json!([tensor("x", json!([1])), tensor("y", json!([1, 2]))]), "expected 2 elements, found 1"),
        (json!([tensor("z", json!([1, 2]))]), "unknown input `z`"),
        (
            json!([{ "name": "x", "shape": [2, 2], "datatype": "FP32", "data": [1, 2, 3, 4] }]),
            "expected the shape",
        ),
        (json!([{ "name": "x", "shape": [-2], "datatype": "FP32", "data": [] }]), "expected the shape"),
        (json!([{ "name": "x", "shape": [1], "datatype": "WHAT", "data": [1] }]), "unknown data type"),
        (
            json!([{ "name": "x", "shape": [1], "datatype": "BYTES", "data": ["a"] }]),
            "expected FP64, found BYTES",
        ),
        (json!([{ "name": "x", "shape": [1], "datatype": "FP32" }]), "`data` is missing"),
        (json!([]), "the request has no rows"),
    ] {
        let response = wrong(inputs);
        let message = response.json()["error"].as_str().unwrap_or_default().to_owned();
        assert!(response.status == 400 && message.contains(words), "{words}: {} {message}", response.status);
    }
    let cut = server.post(infer, "{}", &[("inference-header-content-length", "999")]);
    assert!(cut.status == 400 && cut.text.contains("999"), "{}", cut.text);
    assert_eq!(server.get("/v2/models/none").status, 404);
    // Model repository.
    let index = server.post("/v2/repository/index", "", &[]).json();
    assert_eq!(index.as_array().unwrap().len(), 3);
    assert_eq!(server.post("/v2/repository/models/blobs/unload", "", &[]).status, 200);
    assert_eq!(server.post(infer, "{}", &[]).status, 404);
    assert_eq!(server.post("/v2/repository/models/blobs/load", "{}", &[]).status, 200);
    assert_eq!(server.get("/v2/models/blobs").json()["versions"], json!(["3"]));
    assert_eq!(server.post("/v2/repository/models/no..pe/load", "{}", &[]).status, 400);
}

#[test]
fn rows_are_read_from_json_lines_csv_and_gzip() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs:1"]);
    let alone = server.post(PREDICT, rows(), &[]).json()["predictions"][0].clone();
    let bulk = |kind: &str, body: &[u8]| server.post(PREDICT, body, &[("content-type", kind)]);
    for (kind, body) in [
        ("application/x-ndjson", "{\"x\": 0.5, \"y\": 0.5}\n{\"x\": 0.5, \"y\": 0.5}\n"),
        ("text/csv", "y,x\n0.5,0.5\n0.5,0.5\n"),
    ] {
        let response = bulk(kind, body.as_bytes());
        assert_eq!(
            (response.status, response.header("x-model-version")),
            (200, Some("1")),
            "{}",
            response.text
        );
        let lines: Vec<Value> =
            response.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines, [alone.clone(), alone.clone()]);
    }
    for (kind, body, status) in [
        ("text/csv", "x\n1\n", 422),
        ("text/csv", "x,y\n1,a\n", 422),
        ("application/x-ndjson", "{\"x\": 1}\n{", 400),
        ("application/vnd.apache.arrow.stream", "no arrow", 400),
    ] {
        assert_eq!(bulk(kind, body.as_bytes()).status, status, "{kind} {body}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, rows().as_bytes()).unwrap();
    let response = server.post(PREDICT, packed.finish().unwrap(), &[("content-encoding", "gzip")]);
    assert_eq!((response.status, &response.json()["predictions"][0]), (200, &alone), "{}", response.text);
}

#[test]
fn page_and_openapi_describe_the_served_models() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs:1"]);
    let page = server.get("/");
    assert!(page.status == 200 && page.text.contains("<title>Cupola</title>"));
    assert!(page.header("content-security-policy").unwrap().contains("default-src 'none'"));
    let document = server.get("/openapi.json").json();
    let predict = &document["paths"]["/v1/models/blobs/predict"]["post"];
    let body = &predict["requestBody"]["content"]["application/json"]["schema"];
    // The server accepts the example.
    let response = server.post(PREDICT, body["example"].to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let mut schema = predict["responses"]["200"]["content"]["application/json"]["schema"].clone();
    // References lead to the components of the whole document.
    schema["components"] = document["components"].clone();
    assert!(jsonschema::validator_for(&schema).unwrap().is_valid(&response.json()), "{}", response.text);
}
