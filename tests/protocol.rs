//! HTTP at its edges: paths, methods, bodies that are refused early, unknown columns.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::support::{Server, TestHome};

const PREDICT: &str = "/v1/models/blobs/predict";
/// Arrow stream of one row with the columns x, y and z, written by `PyArrow`.
const ARROW: &str = "/////9gAAAAQAAAAAAAKAAwABgAFAAgACgAAAAABBAAMAAAACAAIAAAABAAIAAAABAAAAAMAAAB4AAAAPAAAAAQAAACk////AAABAhAAAAAcAAAABAAAAAAAAAABAAAAegAAAAgADAAIAAcACAAAAAAAAAFAAAAA2P///wAAAQMQAAAAFAAAAAQAAAAAAAAAAQAAAHkAAADK////AAACABAAFAAIAAYABwAMAAAAEAAQAAAAAAABAxAAAAAYAAAABAAAAAAAAAABAAAAeAAGAAgABgAGAAAAAAACAAAAAAD/////6AAAABQAAAAAAAAADAAWAAYABQAIAAwADAAAAAADBAAYAAAAGAAAAAAAAAAAAAoAGAAMAAQACAAKAAAAfAAAABAAAAABAAAAAAAAAAAAAAAGAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAAAAAAAAAAAAACAAAAAAAAAAIAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAgAAAAAAAAAAAAAAAMAAAABAAAAAAAAAAAAAAAAAAAAAQAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAADgPwAAAAAAAOA/AQAAAAAAAAD/////AAAAAA==";

fn test_home() -> TestHome {
    let home = TestHome::with_blobs(200, "[train]\nepochs = 3\n");
    home.train(&[]);
    home
}

fn row() -> String {
    json!({ "rows": [{"x": 0.5, "y": 0.5}] }).to_string()
}

/// Response as its bytes say.
struct RawResponse {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl RawResponse {
    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e} in {}", String::from_utf8_lossy(&self.body)))
    }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// Head of the next response, with its empty line.
fn read_head(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let mut byte = [0];
    while !bytes.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        bytes.push(byte[0]);
    }
    String::from_utf8(bytes).unwrap()
}

/// Next response of a connection, whose length has to be declared.
fn read_response(stream: &mut TcpStream, has_body: bool) -> RawResponse {
    let head = read_head(stream);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    let mut response = RawResponse { status, head, body: Vec::new() };
    let length = response.header("content-length").map_or(0, |text| text.parse().unwrap());
    if has_body {
        response.body = vec![0; length];
        stream.read_exact(&mut response.body).unwrap();
    }
    response
}

/// Response to a request without a body, after which the server closes the connection.
fn ask(server: &Server, method: &str, path: &str) -> RawResponse {
    let mut stream = connect(server);
    let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let response = read_response(&mut stream, method != "HEAD");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "{method} {path}: {}", String::from_utf8_lossy(&rest));
    response
}

#[test]
fn a_path_has_all_of_its_methods_with_and_without_a_slash() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    for path in [
        "/",
        "/health/live",
        "/health/ready",
        "/openapi.json",
        "/v1/models",
        "/v1/models/blobs",
        "/v2",
        "/v2/models/blobs",
        "/v2/models/blobs/config",
    ] {
        let plain = ask(&server, "GET", path);
        assert_eq!(plain.status, 200, "{path}");
        if path != "/" {
            for other in [format!("{path}/"), format!("{path}/?a=b/")] {
                let response = ask(&server, "GET", &other);
                assert_eq!((response.status, &response.body), (200, &plain.body), "{other}");
            }
        }
        let head = ask(&server, "HEAD", path);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        for name in ["content-length", "content-type"] {
            assert!(head.header(name).is_some(), "HEAD {path} without {name}");
            assert_eq!(head.header(name), plain.header(name), "HEAD {path}: {name}");
        }
        let options = ask(&server, "OPTIONS", path);
        assert_eq!((options.status, options.header("allow")), (204, Some("GET, HEAD, OPTIONS")), "{path}");
        assert!(options.header("access-control-allow-origin").is_none(), "{}", options.head);
        let other = ask(&server, "DELETE", path);
        assert_eq!((other.status, other.header("allow")), (405, Some("GET, HEAD, OPTIONS")), "{path}");
    }
    let message = |response: &RawResponse, pointer: &str| response.json().pointer(pointer).cloned();
    for (path, pointer) in [
        (PREDICT, "/error/message"),
        ("/v1/models/blobs/feedback", "/error/message"),
        ("/v1/completions", "/error/type"),
        ("/v1/chat/completions", "/error/type"),
        ("/v1/embeddings", "/error/type"),
        ("/v2/models/blobs/infer", "/error"),
        ("/v2/repository/index", "/error"),
    ] {
        let options = ask(&server, "OPTIONS", &format!("{path}/"));
        assert_eq!((options.status, options.header("allow")), (204, Some("POST, OPTIONS")), "{path}");
        let other = ask(&server, "GET", path);
        assert_eq!((other.status, other.header("allow")), (405, Some("POST, OPTIONS")), "{path}");
        assert!(message(&other, pointer).is_some_and(|value| value.is_string()), "{path}: {}", other.json());
    }
    assert_eq!(ask(&server, "OPTIONS", "*").status, 204);
    assert_eq!(ask(&server, "OPTIONS", "/v1/nothing").status, 404);
    let invalid = ask(&server, "GET", "/v1/models/%ff");
    assert_eq!((invalid.status, &invalid.json()["error"]["code"]), (400, &json!("malformed")));
    assert!(message(&ask(&server, "GET", "/v2/nothing/"), "/error").is_some_and(|value| value.is_string()));
    let response = server.post(&format!("{PREDICT}/?strict=false"), row(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
}

#[test]
fn cors_answers_preflight_requests_and_leaves_plain_options_alone() {
    let home = test_home();
    home.write("serve.toml", "cors = ['https://shop.example']\n[[model]]\nserve = 'blobs'\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let options = |headers: &str| {
        let mut stream = connect(&server);
        let origin = "origin: https://shop.example";
        let request = format!("OPTIONS {PREDICT} HTTP/1.1\r\nhost: a\r\n{origin}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        read_response(&mut stream, true)
    };
    let preflight = options("access-control-request-method: POST\r\n");
    assert_eq!(preflight.header("access-control-allow-origin"), Some("https://shop.example"));
    let plain = options("");
    assert_eq!((plain.status, plain.header("allow")), (204, Some("POST, OPTIONS")), "{}", plain.head);
}

/// Sends a whole body before it reads the response, as simple clients do.
fn send_all(stream: &mut TcpStream, path: &str, size: usize, chunked: bool) -> RawResponse {
    let length =
        if chunked { "transfer-encoding: chunked".to_owned() } else { format!("content-length: {size}") };
    stream.write_all(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{length}\r\n\r\n").as_bytes()).unwrap();
    let part = vec![b' '; 64 << 10];
    for _ in 0..size / part.len() {
        if chunked {
            stream.write_all(b"10000\r\n").unwrap();
        }
        stream.write_all(&part).unwrap();
        if chunked {
            stream.write_all(b"\r\n").unwrap();
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n").unwrap();
    }
    read_response(stream, true)
}

#[test]
fn responses_to_unwanted_bodies_reach_clients_that_send_all_of_it_first() {
    let home = test_home();
    let add = ["keys", "add", "--name", "t", "--scope", "predict"];
    let open = home.serve(&["--model", "blobs", "--body-mib", "1"]);
    for chunked in [false, true] {
        for (path, status) in [
            (PREDICT, 413),
            ("/v1/models/none/predict", 404),
            ("/v2/models/blobs/infer", 413),
            ("/none", 404),
        ] {
            let mut stream = connect(&open);
            let response = send_all(&mut stream, path, 24 << 20, chunked);
            assert_eq!(response.status, status, "{path}, chunked: {chunked}");
            assert!(response.json()["error"].is_object() || response.json()["error"].is_string());
            // The connection is still in step.
            stream.write_all(b"GET /health/live HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
            assert_eq!(read_response(&mut stream, true).status, 200, "after {path}");
        }
    }
    drop(open);
    home.json(&add);
    let closed = home.serve(&["--model", "blobs", "--body-mib", "1"]);
    assert_eq!(send_all(&mut connect(&closed), PREDICT, 24 << 20, false).status, 401);
}

#[test]
fn a_client_that_waits_for_continue_is_spared_bodies_that_are_refused() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--body-mib", "1"]);
    let head = |path: &str, length: usize| {
        format!("POST {path} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n")
    };
    for (path, length, status) in
        [(PREDICT, 2 << 20, 413), ("/v1/models/none/predict", 10, 404), ("/v2/models/none/infer", 10, 404)]
    {
        let mut stream = connect(&server);
        stream.write_all(head(path, length).as_bytes()).unwrap();
        let response = read_response(&mut stream, true);
        assert_eq!((response.status, response.header("connection")), (status, Some("close")), "{path}");
        // Some clients announce that they wait, and send the body all the same.
        let mut stream = connect(&server);
        let body = vec![b' '; length.max(8 << 20)];
        stream.write_all(head(path, body.len()).as_bytes()).unwrap();
        stream.write_all(&body).unwrap();
        assert_eq!(
            read_response(&mut stream, true).status,
            if path == PREDICT { 413 } else { 404 },
            "{path}"
        );
    }
    let mut stream = connect(&server);
    stream.write_all(head(PREDICT, row().len()).as_bytes()).unwrap();
    assert_eq!(read_head(&mut stream), "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(row().as_bytes()).unwrap();
    assert_eq!(read_response(&mut stream, true).status, 200);
}

#[test]
fn old_clients_and_bodies_in_chunks_are_served() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let body = row();
    for request in [
        format!("POST {PREDICT} HTTP/1.0\r\ncontent-length: {}\r\n\r\n{body}", body.len()),
        format!(
            "POST {PREDICT} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        ),
        format!(
            "POST {PREDICT} HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{body}\r\n0\r\n\r\n",
            body.len()
        ),
    ] {
        let mut stream = connect(&server);
        stream.write_all(request.as_bytes()).unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1);
        assert!(status == Some("200") && text.contains("\"predictions\""), "{request}\n{text}");
    }
}

#[test]
fn codings_charsets_and_byte_order_marks_are_read_or_named() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let post = |body: &[u8], headers: &[(&str, &str)]| server.post(PREDICT, body, headers);
    let marked = |text: &str| [b"\xef\xbb\xbf", text.as_bytes()].concat();
    for (kind, text) in [
        ("application/json", row()),
        ("application/json; charset=UTF-8", row()),
        ("application/x-ndjson", "{\"x\": 0.5, \"y\": 0.5}\n".to_owned()),
        ("Text/CSV; charset=utf-8", "x,y\n0.5,0.5\n".to_owned()),
    ] {
        for body in [text.as_bytes().to_vec(), marked(&text)] {
            let response = post(&body, &[("content-type", kind)]);
            assert_eq!(response.status, 200, "{kind}: {}", response.text);
            assert_eq!(response.header("x-cupola-warnings"), None, "{kind}");
        }
    }
    let tensor = |name: &str| json!({ "name": name, "shape": [1, 1], "datatype": "FP64", "data": [0.5] });
    let tensors = json!({ "inputs": [tensor("x"), tensor("y")] }).to_string();
    let response = server.post("/v2/models/blobs/infer", marked(&tensors), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let response = post(row().as_bytes(), &[("content-type", "application/json; charset=iso-8859-1")]);
    assert!(response.status == 415 && response.text.contains("`iso-8859-1`"), "{}", response.text);
    for coding in ["br", "zstd", "compress", "gzip, gzip"] {
        let response = post(row().as_bytes(), &[("content-encoding", coding)]);
        assert!(
            response.status == 415 && response.text.contains("gzip, deflate"),
            "{coding}: {}",
            response.text
        );
        assert_eq!(response.header("accept-encoding"), Some("gzip, deflate"));
    }
    let mut deflated = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    deflated.write_all(row().as_bytes()).unwrap();
    assert_eq!(post(&deflated.finish().unwrap(), &[("content-encoding", "Deflate")]).status, 200);
    assert_eq!(post(b"no gzip", &[("content-encoding", "gzip")]).status, 400);
    assert_eq!(post(row().as_bytes(), &[("content-encoding", "identity")]).status, 200);
}

#[test]
fn unknown_columns_are_named_once_or_refused() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let expected = json!(["unknown column `yy`; did you mean `y`?", "unknown column `größe`"]);
    let body = json!({ "rows": [
        {"x": 0.5, "y": 0.5, "yy": {"x": ":"}},
        {"x": 0.5, "y": 0.5, "yy": 1, "größe": 2},
    ] });
    let response = server.post(PREDICT, body.to_string(), &[]);
    assert_eq!((response.status, &response.json()["warnings"]), (200, &expected), "{}", response.text);
    let plain = server.post(PREDICT, row(), &[]).json();
    assert!(plain.get("warnings").is_none(), "{plain}");
    assert_eq!(plain["predictions"][0], response.json()["predictions"][0]);
    let arrow = base64::engine::general_purpose::STANDARD.decode(ARROW).unwrap();
    let z = json!(["unknown column `z`"]);
    for (kind, body, expected) in [
        ("application/x-ndjson", "{\"x\":0.5,\"y\":0.5,\"z\":1}\n".as_bytes(), &z),
        ("text/csv", "z,x,y\n1,0.5,0.5\n".as_bytes(), &z),
        ("text/csv", "yy,größe,x,y\n1,2,0.5,0.5\n".as_bytes(), &expected),
        ("application/vnd.apache.arrow.stream", &arrow, &z),
    ] {
        let response = server.post(PREDICT, body, &[("content-type", kind)]);
        assert_eq!(response.status, 200, "{kind}: {}", response.text);
        let warnings = response.header("x-cupola-warnings").unwrap_or_default();
        assert_eq!(
            &serde_json::from_str::<Value>(warnings).unwrap_or_default(),
            expected,
            "{kind}: {warnings}"
        );
        let strict = server.post(&format!("{PREDICT}?strict=true"), body, &[("content-type", kind)]);
        assert_eq!(
            (strict.status, &strict.json()["error"]["code"]),
            (422, &json!("unknown_column")),
            "{kind}"
        );
    }
    let strict = server.post(&format!("{PREDICT}?strict=true"), body.to_string(), &[]).json();
    assert_eq!(strict["error"]["field"], "rows[0].yy", "{strict}");
    assert_eq!(server.post(&format!("{PREDICT}?strict=true"), row(), &[]).status, 200);
    assert_eq!(server.post(&format!("{PREDICT}?strict=maybe"), row(), &[]).status, 400);
    let response = server.post(PREDICT, "{\"rows\": [{\"X\": 1, \"y\": 1}]}", &[]);
    assert!(response.status == 422 && response.text.contains("the request has `X`"), "{}", response.text);
    let response = server.post(PREDICT, "X,y\n1,1\n", &[("content-type", "text/csv")]);
    assert!(response.status == 422 && response.text.contains("the request has `X`"), "{}", response.text);
    // A target is named as such.
    let body = json!({ "rows": [{"x": 0.5, "y": 0.5, "side": "left"}] }).to_string();
    assert_eq!(server.post(PREDICT, body, &[]).json()["warnings"], json!(["the target `side` is ignored"]));
    drop(server);
    home.write("serve.toml", "strict = true\n[[model]]\nserve = 'blobs'\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let body = json!({ "rows": [{"x": 0.5, "y": 0.5, "z": 1}] }).to_string();
    let response = server.post(&format!("{PREDICT}?strict=false"), body, &[]);
    assert!(response.status == 422 && response.text.contains("`z`"), "{}", response.text);
}

#[test]
fn bodies_that_are_not_rows_are_explained() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    for (body, words) in [
        (&br#"{"rows": [{"x": 1, "y": 1, "x": 2}]}"#[..], "row 1 has the key `x` twice"),
        (br#"{"rows": [{"x": 1, "y": 1}, {"x": 1, "z": 1, "y": 1, "z": 1}]}"#, "row 2 has the key `z` twice"),
        (br#"{"rows": [{"x": NaN, "y": 1}]}"#, "`NaN` at line 1 column"),
        (br#"{"rows": [{"x": -Infinity, "y": 1}]}"#, "`-Infinity` at line 1 column"),
        (br#"{"rows": [{"x": 1e400, "y": 1}]}"#, "number out of range"),
        (b"{\"rows\": [{\"x\": \"\xff\", \"y\": 1}]}", "not UTF-8 from byte 18"),
        (b"\xff\xfe{\x00", "UTF-16"),
        (br#"[{"x": 1, "y": 1}]"#, "found a list; send it as `rows`"),
        (br#"{"rows": {"x": 1, "y": 1}}"#, "`rows` is one object; send a list"),
        (br#"{"rows": [[1, 1]]}"#, "a row is a list"),
    ] {
        let response = server.post(PREDICT, body, &[]);
        let error = &response.json()["error"];
        assert_eq!((response.status, &error["code"]), (400, &json!("malformed")), "{error}");
        assert!(error["message"].as_str().unwrap().contains(words), "{words}: {error}");
    }
    let lines = [("content-type", "application/jsonl")];
    let response = server.post(PREDICT, "{\"x\":1,\"y\":1}\n{\"x\":nan,\"y\":1}\n", &lines);
    assert!(response.status == 400 && response.text.contains("line 2: `nan`"), "{}", response.text);
    let response = server.post(PREDICT, "{\"x\":1,\"y\":1}\n{\"x\":1,\"y\":1,\"y\":2}\n", &lines);
    assert!(
        response.status == 400 && response.text.contains("row 2 has the key `y` twice"),
        "{}",
        response.text
    );
}

#[test]
fn errors_of_commands_are_json_for_programs() {
    let home = TestHome::new();
    let error = |args: &[&str]| -> (Option<i32>, Value) {
        let output = home.run(args);
        let last = output.stderr.lines().last().unwrap_or_default();
        let parsed: Value = serde_json::from_str(last).unwrap_or_else(|e| panic!("{e} in {}", output.stderr));
        assert!(output.stdout.is_empty(), "{}", output.stdout);
        (output.code, parsed["error"].clone())
    };
    let (code, found) = error(&["--json", "models", "show", "none"]);
    assert_eq!((code, &found["code"]), (Some(2), &json!("user_error")), "{found}");
    assert!(found["message"].as_str().is_some_and(|message| message.contains("none")), "{found}");
    let (code, found) = error(&["--json", "serve", "--modle", "a"]);
    assert_eq!((code, &found["code"]), (Some(2), &json!("usage")), "{found}");
    assert!(found["hint"].as_str().is_some_and(|hint| hint.contains("--model")), "{found}");
    let text = home.run(&["models", "show", "none"]).stderr;
    assert!(text.starts_with("error: "), "{text}");
    assert_eq!(home.run(&["--json", "serve", "--help"]).code, Some(0));
}
