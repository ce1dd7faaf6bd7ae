use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use serde_json::{Value, json};

use crate::serving::soon;
use crate::support::{BLOBS, Server, TestHome};

/// Routes with their status for each kind of caller.
const ROUTES: &str = include_str!("routes.txt");
/// Values of the training data, and a column, that only holders of a key for the model may see.
const SECRETS: [&str; 5] = ["zinnober", "smaragd", "linkerhand", "rechterhand", "farbton"];

/// Home with the model `blobs` of a category.
fn home_with_categories() -> TestHome {
    let home = TestHome::new();
    let mut table = "x,y,farbton,side\n".to_owned();
    for index in 0..120_u32 {
        let (x, y) = (f64::from(index * 37 % 100) / 100.0, f64::from(index * 61 % 100) / 100.0);
        let (colour, side) =
            if index % 2 == 0 { ("zinnober", "linkerhand") } else { ("smaragd", "rechterhand") };
        table += [x.to_string().as_str(), &y.to_string(), colour, side].join(",").as_str();
        table.push('\n');
    }
    home.write("blobs.csv", table);
    home.write("run.toml", format!("{BLOBS}\n[train]\nepochs = 1\n"));
    home.train(&[]);
    home
}

/// Keys for another model, this model, a dataset, metrics and administration.
fn keys(home: &TestHome) -> [String; 5] {
    ["predict:other", "predict:blobs", "rows:d", "metrics", "admin"].map(|scope| {
        let key = home.json(&["keys", "add", "--name", "t", "--scope", scope]);
        key["key"].as_str().unwrap().to_owned()
    })
}

fn body(path: &str) -> String {
    let row = json!({ "x": 0.5, "y": 0.5, "farbton": "zinnober" });
    match path {
        "/v1/embeddings" => json!({ "model": "blobs", "input": "a" }),
        "/v1/completions" => json!({ "model": "blobs", "prompt": "a" }),
        "/v1/chat/completions" => {
            json!({ "model": "blobs", "messages": [{ "role": "user", "content": "a" }] })
        }
        _ if path.ends_with("/predict") || path.ends_with("/rows") => json!({ "rows": [row] }),
        _ if path.ends_with("/feedback") => json!({ "rows": [{ "side": "up" }] }),
        _ => json!({}),
    }
    .to_string()
}

#[test]
fn every_route_answers_each_key_as_the_table_says_and_shows_it_nothing_of_other_models() {
    let home = home_with_categories();
    let keys = keys(&home);
    let server = home.serve(&["--model", "blobs"]);
    for line in ROUTES.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (method, pattern) = (words[0], words[1]);
        let name = if pattern.contains("datasets") { "d" } else { "blobs" };
        let path = pattern.replace("{name}", name).replace("{version}", "1");
        for (caller, expected) in words[2..].iter().enumerate() {
            let key = caller.checked_sub(1).map(|index| keys[index].as_str());
            let mut headers = vec![("content-type", "application/json")];
            headers.extend(key.map(|key| ("x-api-key", key)));
            let response = match method {
                "GET" => server.get_with(&path, &headers),
                _ => server.post(&path, body(&path), &headers),
            };
            let what = format!("{method} {path} by caller {caller}: {}", response.text);
            assert_eq!(response.status.to_string(), *expected, "{what}");
            // The model's own key, the administrator, and metrics, which are of the whole server.
            if [2, 5].contains(&caller) || (pattern == "/metrics" && caller == 4) {
                continue;
            }
            assert!(SECRETS.iter().all(|secret| !response.text.contains(secret)), "{what}");
            assert!(response.status >= 400 || !response.text.contains("blobs"), "{what}");
        }
    }
    // Models that exist look like those that do not.
    let ask = |name: &str| {
        let response = server.get_with(&format!("/v1/models/{name}"), &[("x-api-key", &keys[0])]);
        response.text.replace(name, "NAME")
    };
    assert_eq!(ask("blobs"), ask("ghost"));
}

#[test]
fn the_document_of_the_api_shows_a_key_its_own_models() {
    let home = home_with_categories();
    let [other, own, ..] = keys(&home);
    let server = home.serve(&["--model", "blobs"]);
    let document = |key: &str| server.get_with("/openapi.json", &[("x-api-key", key)]);
    assert!(document(&own).text.contains("zinnober"));
    assert!(!document(&other).text.contains("blobs"));
    // A key that is sent has to be valid.
    assert_eq!(document("cpl_x_y").status, 401);
    assert_eq!(server.get("/openapi.json").json()["paths"]["/v1/models"]["get"]["operationId"], "models");
}

/// Bytes of the messages that a gRPC call answers; empty for an error. A client of HTTP/2 in a few lines.
fn grpc(server: &Server, call: &str, name: &str, key: Option<&str>) -> Vec<u8> {
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let frame = |kind: u8, flags: u8, id: u8, payload: &[u8]| {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, id], payload].concat()
    };
    let mut headers = Vec::new();
    let authority = server.url.trim_start_matches("http://");
    let mut pairs = vec![
        (":method", "POST"),
        (":scheme", "http"),
        (":path", call),
        (":authority", authority),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    pairs.extend(key.map(|key| ("x-api-key", key)));
    for (name, value) in pairs {
        // RFC 7541, section 6.2.2: literal without indexing, new name.
        headers.push(0);
        for text in [name, value] {
            headers.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            headers.extend(text.as_bytes());
        }
    }
    // One string with the number 1, after the prefix of gRPC.
    let message = [&[0x0a, u8::try_from(name.len()).unwrap()][..], name.as_bytes()].concat();
    let message = if name.is_empty() { Vec::new() } else { message };
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let data = [&[0][..], &length, message.as_slice()].concat();
    let request = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &headers),
        frame(0, 1, 1, &data),
    ];
    stream.write_all(&request.concat()).unwrap();
    let mut answered = Vec::new();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        let mut payload = vec![0; length];
        stream.read_exact(&mut payload).unwrap();
        let (kind, flags, id) = (head[3], head[4], head[8]);
        match kind {
            0 => answered.extend(payload),
            4 if flags & 1 == 0 => stream.write_all(&frame(4, 1, 0, &[])).unwrap(),
            3 | 7 => panic!("{call}: the server reset the stream or went away"),
            _ => {}
        }
        // The end of the stream is a flag of headers and data.
        if id == 1 && [0, 1].contains(&kind) && flags & 1 == 1 {
            return answered;
        }
    }
}

#[test]
fn grpc_shows_a_key_its_own_models() {
    let home = home_with_categories();
    let [other, own, rows, metrics, admin] = keys(&home);
    let server = home.serve(&["--model", "blobs"]);
    for call in
        ["ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics", "RepositoryIndex", "Health/Check"]
    {
        let path = match call {
            "Health/Check" => "/grpc.health.v1.Health/Check".to_owned(),
            _ => format!("/inference.GRPCInferenceService/{call}"),
        };
        // A message with any field, beyond the five bytes of its prefix.
        let shown = |key: Option<&str>, name: &str| grpc(&server, &path, name, key).len() > 5;
        assert!(shown(Some(&own), "blobs") && shown(Some(&admin), "blobs"), "{call}");
        for key in [None, Some(other.as_str()), Some(&rows), Some(&metrics)] {
            assert!(!shown(key, "blobs"), "{call} with {key:?}");
        }
        if call == "ModelStatistics" {
            assert!(shown(Some(&own), "") && !shown(Some(&other), ""));
        }
    }
    // The health of the server as a whole needs no key.
    assert!(grpc(&server, "/grpc.health.v1.Health/Check", "", None).len() > 5);
}

/// Lines of an audit log.
fn audited(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

#[test]
fn a_flood_without_a_key_leaves_the_audit_log_small_and_administration_in_it() {
    let home = home_with_categories();
    let admin = keys(&home)[4].clone();
    home.write(".cupola/audit.jsonl", "{\"time\":\"half a li");
    let server = home.serve(&["--model", "blobs"]);
    let path = format!("/v1/{}", "%1b".repeat(2_000));
    for _ in 0..2_000 {
        assert_eq!(server.get(&path).status, 401);
    }
    let load = "/v2/repository/models/blobs/load";
    assert_eq!(server.post(load, "{}", &[("x-api-key", &admin)]).status, 200);
    let log = || home.read(".cupola/audit.jsonl").split_once('\n').unwrap().1.to_owned();
    soon("the rest of the flood is counted", || log().contains("left_out") && log().contains(load));
    let lines = audited(&log());
    let refused = lines.iter().filter(|line| line["path"].as_str().is_some_and(|path| path.contains("%1b")));
    let refused = refused.count() as u64;
    let left_out = || audited(&log()).iter().filter_map(|line| line["left_out"].as_u64()).sum::<u64>();
    soon("all of them are counted", || refused + left_out() >= 2_000);
    assert!(log().len() < 1 << 20, "{} bytes", log().len());
    assert!(lines.iter().any(|line| line["path"] == load && line["status"] == 200 && line["key"] != "-"));
    let mode = |name: &str| std::fs::metadata(home.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(".cupola/audit.jsonl"), mode(".cupola/keys.json")), (0o600, 0o600));
    assert_eq!(mode(".cupola/.keys.lock") & 0o077, 0, "no other user can hold the lock");
}

#[test]
fn a_package_in_the_place_of_another_is_refused() {
    let home = crate::serving::test_home();
    let server = home.serve(&["--model", "blobs@champion"]);
    let copy = |from: &str, to: &str| {
        let _ = std::fs::remove_dir_all(home.path(to));
        std::fs::create_dir_all(home.path(to)).unwrap();
        for entry in std::fs::read_dir(home.path(from)).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), home.path(to).join(entry.file_name())).unwrap();
        }
    };
    // An older version under a newer number.
    copy(".cupola/models/blobs/1", ".cupola/models/blobs/3");
    copy(".cupola/models/blobs/1", ".cupola/models/prices/1");
    let place = ".cupola/models/blobs/3";
    for (reference, words) in [
        ("blobs:3", "holds `blobs:1`, expected `blobs:3`"),
        ("blobs", "holds `blobs:1`, expected `blobs:3`"),
        (place, "holds `blobs:1`, expected `blobs:3`"),
        ("prices:1", "holds `blobs:1`, expected `prices:1`"),
    ] {
        let commands: [&[&str]; 3] = [
            &["models", "verify", reference],
            &["serve", "--model", reference, "--device", "flex", "--port", "0"],
            &["models", "show", reference],
        ];
        for command in commands {
            let output = home.run(command);
            assert!(
                output.code == Some(2) && output.stderr.contains(words),
                "{command:?}: {}",
                output.stderr
            );
        }
    }
    // The running server keeps what it has.
    home.write(".cupola/models/blobs/aliases.json", "{\"champion\": 3, \"latest\": 3}");
    soon("the failure is reported", || !server.get("/v1/models/blobs").json()["trouble"].is_null());
    assert_eq!(server.get("/v1/models/blobs").json()["version"], 1);
    // Elsewhere a package may lie in any folder.
    copy(".cupola/models/blobs/1", "shop/9");
    let elsewhere = home.serve(&["--model", "shop/9"]);
    assert_eq!(elsewhere.get("/v1/models/blobs").json()["version"], 1);
}

#[test]
fn keys_that_anybody_could_have_written_open_nothing() {
    let home = crate::serving::test_home();
    home.json(&["keys", "add", "--name", "t", "--scope", "admin"]);
    let set = |mode: u32| {
        let permissions = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(home.path(".cupola/keys.json"), permissions).unwrap();
    };
    set(0o666);
    let output = home.run(&["serve", "--model", "blobs", "--device", "flex", "--port", "0"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("any local user can write this file"),
        "{}",
        output.stderr
    );
    set(0o600);
    let server = home.serve(&["--model", "blobs"]);
    assert_eq!(server.get("/v1/models").status, 401);
    // Long and odd keys are refused as cheaply as others.
    for key in ["a".repeat(8_000), format!("cpl_{}", "_".repeat(4_000)), "..".to_owned()] {
        assert_eq!(server.get_with("/v1/models", &[("x-api-key", &key)]).status, 401);
    }
}

#[test]
fn keys_of_a_provider_that_do_not_sign_admit_no_tokens() {
    let golden: Value =
        serde_json::from_str(include_str!("../../crates/serving/src/access/golden/jwt.json")).unwrap();
    let home = crate::serving::test_home();
    let jwt = "[jwt]\nissuer = 'https://id.example'\naudience = 'cupola'\njwks = 'jwks.json'\n";
    home.write("serve.toml", format!("[[model]]\nserve = 'blobs'\n{jwt}"));
    let with = |change: &dyn Fn(&mut Value)| {
        let mut keys = golden["jwks"]["keys"].as_array().unwrap().clone();
        keys.iter_mut().for_each(change);
        json!({ "keys": keys })
    };
    let encrypting = with(&|key| key["use"] = "enc".into());
    home.write("jwks.json", encrypting.to_string());
    let output = home.run(&["serve", "--config", "serve.toml", "--device", "flex", "--port", "0"]);
    assert!(
        output.code == Some(2) && output.stderr.contains("no key of a supported kind"),
        "{}",
        output.stderr
    );
    // Each id twice: the first key with it encrypts, the second one signs. RSA keys sign with RS256 only.
    let mut both = encrypting["keys"].as_array().unwrap().clone();
    let signing = with(&|key| {
        if key["kty"] == "RSA" {
            key["alg"] = "RS256".into();
        }
    });
    both.extend(signing["keys"].as_array().unwrap().clone());
    home.write("jwks.json", json!({ "keys": both }).to_string());
    let server = home.serve(&["--config", "serve.toml"]);
    let ask = |token: &Value| {
        let bearer = format!("Bearer {}", token.as_str().unwrap());
        server.get_with("/v1/models/blobs", &[("authorization", &bearer)]).status
    };
    let status = |name: &str| ask(&golden["good"][name]);
    assert_eq!((status("RS256"), status("ES256"), status("EdDSA"), status("PS256")), (200, 200, 200, 401));
    for bad in golden["bad"].as_object().unwrap().values() {
        assert_eq!(ask(bad), 401);
    }
}
