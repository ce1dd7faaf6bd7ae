use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{Server, TestHome};

/// Preface of HTTP/2 and empty settings.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

fn test_home() -> TestHome {
    let home = TestHome::with_blobs(100, "[train]\nepochs = 1\n");
    home.train(&[]);
    home
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn address(server: &Server) -> &str {
    server.url.trim_start_matches("http://")
}

/// Reads until the server closes the connection, and returns the time and the bytes.
fn until_closed(stream: &mut TcpStream) -> (Duration, Vec<u8>) {
    let (began, mut bytes) = (Instant::now(), Vec::new());
    if let Err(error) = stream.read_to_end(&mut bytes) {
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "the connection stays open: {error}");
    }
    (began.elapsed(), bytes)
}

/// Status of a request with these lines in its head, on a connection of its own.
fn status(address: &str, request: &str) -> u16 {
    let mut stream = connect(address);
    stream.write_all(request.as_bytes()).unwrap();
    let (_, bytes) = until_closed(&mut stream);
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.unwrap_or_else(|| panic!("{request:?}: {text:?}"))
}

fn health(address: &str) -> u16 {
    status(address, "GET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
}

#[test]
fn silent_half_and_idle_connections_are_closed() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--head-timeout", "2", "--idle-timeout", "4"]);
    let head = b"GET /health/live HTTP/1.1\r\nhost: localhost\r\n\r\n".as_slice();
    let cases: [(&[u8], u64, u64); 6] = [
        (b"", 1, 12),
        (b"PRI * HTTP/2.0\r\n", 1, 12),
        (PREFACE, 1, 12),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx-a: ", 1, 12),
        (b"\x16\x03\x01\x02\0\x01", 0, 12),
        (head, 3, 14),
    ];
    std::thread::scope(|scope| {
        for (bytes, least, most) in cases {
            let server = &server;
            scope.spawn(move || {
                let mut stream = connect(address(server));
                stream.write_all(bytes).unwrap();
                let (time, _) = until_closed(&mut stream);
                let text = String::from_utf8_lossy(bytes);
                assert!((least..=most).contains(&time.as_secs()), "{text:?}: {time:?}");
            });
        }
        // A head byte by byte, and pings without a stream.
        for (begin, again) in [(&b"GET /"[..], &b"a"[..]), (PREFACE, b"\0\0\x08\x06\0\0\0\0\x0012345678")] {
            let server = &server;
            scope.spawn(move || {
                let mut stream = connect(address(server));
                stream.write_all(begin).unwrap();
                let began = Instant::now();
                while stream.write_all(again).is_ok() {
                    assert!(began.elapsed() < Duration::from_secs(15), "{begin:?} keeps the connection");
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
    });
    assert_eq!(health(address(&server)), 200);
}

#[test]
fn connections_at_the_cap_shut_nobody_out() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--connections", "16"]);
    let silent: Vec<TcpStream> = (0..200).map(|_| connect(address(&server))).collect();
    let began = Instant::now();
    assert_eq!(health(address(&server)), 200);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert_eq!(server.get("/v1/models").status, 200);
    drop(silent);
    // Slow bodies keep all places; health has a reserve, and the rest is refused at once.
    let head = "POST /v1/models/blobs/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{";
    let busy: Vec<TcpStream> = (0..16)
        .map(|_| {
            let mut stream = connect(address(&server));
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(health(address(&server)), 200);
    let models = "GET /v1/models HTTP/1.1\r\nhost: localhost\r\n\r\n";
    assert_eq!(status(address(&server), models), 503);
    drop(busy);
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(server.get("/v1/models").status, 200);
}

#[test]
fn few_descriptors_lower_the_cap_and_the_server_stays_reachable() {
    let home = test_home();
    let script = format!(
        "ulimit -n 256; exec {} serve --model blobs --port 0 --device flex",
        env!("CARGO_BIN_EXE_cupola")
    );
    let mut command = std::process::Command::new("sh");
    command.args(["-c", &script]).current_dir(home.path("")).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.env_remove("CUPOLA_HOME").spawn().unwrap();
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
    let mut noted = false;
    let address = loop {
        let line = lines.next().unwrap().unwrap();
        noted |= line.contains("connections at once") && line.contains("256");
        if let Some(url) = line.strip_prefix("ready") {
            break url.trim().trim_start_matches("http://").to_owned();
        }
    };
    std::thread::spawn(move || lines.for_each(drop));
    let silent: Vec<TcpStream> = (0..300).filter_map(|_| TcpStream::connect(&address).ok()).collect();
    let found = health(&address);
    drop(silent);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(noted && found == 200, "{noted} {found}");
}

#[test]
fn a_client_that_does_not_read_loses_its_connection() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--write-timeout", "2", "--idle-timeout", "3600"]);
    let rows =
        serde_json::json!({ "rows": vec![serde_json::json!({"x": 0.5, "y": 0.5}); 60_000] }).to_string();
    let mut stream = connect(address(&server));
    let head = format!(
        "POST /v1/models/blobs/predict HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        rows.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(rows.as_bytes()).unwrap();
    // The response is longer than the buffers of both sockets may be at first; the rest is dropped.
    std::thread::sleep(Duration::from_secs(12));
    assert_eq!(health(address(&server)), 200);
    let (_, bytes) = until_closed(&mut stream);
    assert!(bytes.starts_with(b"HTTP/1.1 200") || bytes.is_empty());
}

#[test]
fn a_server_without_keys_obeys_no_foreign_page_or_name() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let body = r#"{"rows": [{"x": 0.5, "y": 0.5}]}"#;
    let post = |headers: &str| {
        let length = body.len();
        status(
            address(&server),
            &format!(
                "POST /v1/models/blobs/predict HTTP/1.1\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
            ),
        )
    };
    let local = format!("host: {}\r\n", address(&server));
    for (headers, expected) in [
        (local.clone(), 200),
        ("host: localhost\r\ncontent-type: application/json\r\n".to_owned(), 200),
        ("host: evil.example\r\ncontent-type: application/json\r\n".to_owned(), 403),
        ("host: 127.0.0.1.evil.example\r\n".to_owned(), 403),
        (format!("{local}content-type: text/plain\r\n"), 415),
        (format!("{local}origin: https://evil.example\r\ncontent-type: text/plain\r\n"), 403),
        (format!("{local}origin: https://evil.example\r\ncontent-type: application/json\r\n"), 403),
        (format!("{local}origin: null\r\n"), 403),
        (format!("{local}origin: http://{}\r\ncontent-type: application/json\r\n", address(&server)), 200),
        (format!("{local}origin: http://{}\r\n", address(&server)), 415),
        (format!("{local}sec-fetch-site: cross-site\r\n"), 403),
    ] {
        assert_eq!(post(&headers), expected, "{headers}");
    }
    let unload = "POST /v2/repository/models/blobs/unload HTTP/1.1\r\nhost: localhost\r\norigin: http://evil.example\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
    assert_eq!(status(address(&server), unload), 403);
    assert_eq!(server.get("/v1/models/blobs").status, 200);
}

#[test]
fn names_of_the_config_are_known() {
    let home = test_home();
    home.write("serve.toml", "hosts = ['models.example.com']\n[[model]]\nserve = 'blobs'\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let ask = |host: &str| {
        let request = format!("GET /v1/models HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        status(address(&server), &request)
    };
    assert_eq!((ask("models.example.com"), ask("MODELS.example.com:443")), (200, 200));
    assert_eq!(ask("other.example.com"), 403);
}

#[test]
fn invalid_numbers_are_refused_with_exit_code_2() {
    let home = TestHome::new();
    for (option, values) in [
        ("--queue", &["0", "-1", "nan", "99999999999"][..]),
        ("--batch-rows", &["0", "4294967295"]),
        ("--timeout", &["0", "-1", "4294967295", "1e9", "inf"]),
        ("--lame-duck", &["-1", "4294967295"]),
        ("--connections", &["0", "-5", "4294967295"]),
        ("--head-timeout", &["0", "4294967295"]),
        ("--idle-timeout", &["0", "nan"]),
        ("--write-timeout", &["0", "-1"]),
        ("--kv-mib", &["0", "4294967295"]),
        ("--body-mib", &["0", "4096"]),
        ("--replicas", &["0", "65"]),
    ] {
        for value in values {
            let output = home.run(&["serve", "--model", "a", &format!("{option}={value}")]);
            assert_eq!(output.code, Some(2), "{option}={value}: {}", output.stderr);
        }
    }
    for rate in ["0", "-1", "1e-30", "NaN", "inf", "-inf", "1e300"] {
        let add = ["keys", "add", "--name", "a", "--scope", "predict", &format!("--rate={rate}")];
        let output = home.run(&add);
        assert_eq!(output.code, Some(2), "{rate}: {}", output.stderr);
    }
    home.write("serve.toml", "[[model]]\nserve = 'a'\n[jwt]\nissuer = 'a'\naudience = 'b'\nrate = 0.0\n");
    let output = home.run(&["serve", "--config", "serve.toml"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}

#[test]
fn a_rate_in_the_key_file_is_checked() {
    let home = test_home();
    home.json(&["keys", "add", "--name", "a", "--scope", "predict", "--rate", "5"]);
    let keys = home.read(".cupola/keys.json");
    assert!(keys.contains("\"rate\": 5.0"), "{keys}");
    home.write(".cupola/keys.json", keys.replace("\"rate\": 5.0", "\"rate\": -1.0"));
    let output = home.run(&["serve", "--model", "blobs", "--device", "flex", "--port", "0"]);
    assert!(output.code == Some(2) && output.stderr.contains("the rate of the key"), "{}", output.stderr);
}

#[test]
fn a_second_signal_ends_the_server_at_once() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs", "--lame-duck", "60"]);
    server.terminate();
    std::thread::sleep(Duration::from_secs(1));
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.wait(), Some(143));
    assert!(began.elapsed() < Duration::from_secs(5));
}

/// gRPC status of a call over HTTP/1.1 that sends `body`; `None` if it is not in the head of the response.
fn grpc_status(address: &str, call: &str, length: usize, body: &[u8]) -> Option<u16> {
    let mut stream = connect(address);
    let head = format!(
        "POST /{call} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: application/grpc\r\nte: trailers\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(body).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let status = head.lines().find_map(|line| line.strip_prefix("grpc-status: "))?;
    Some(status.parse().unwrap())
}

/// A port that is free now.
fn free_port() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port().to_string()
}

#[test]
fn the_repository_of_grpc_is_on_the_administrative_port_only() {
    let home = test_home();
    let (admin, grpc) = (free_port(), free_port());
    let server = home.serve(&["--model", "blobs", "--admin-port", &admin, "--grpc-port", &grpc]);
    let unload = b"\0\0\0\0\x07\x12\x05blobs";
    let call = "inference.GRPCInferenceService/RepositoryModelUnload";
    for other in [address(&server).to_owned(), format!("127.0.0.1:{grpc}")] {
        assert_eq!(grpc_status(&other, call, unload.len(), unload), Some(12), "{other}");
        let index = "inference.GRPCInferenceService/RepositoryIndex";
        assert_eq!(grpc_status(&other, index, 5, &[0; 5]), Some(12), "{other}");
    }
    assert_eq!(server.get("/v1/models/blobs").status, 200);
    let admin = format!("127.0.0.1:{admin}");
    let infer = "inference.GRPCInferenceService/ModelInfer";
    assert_eq!(grpc_status(&admin, infer, 5, &[0; 5]), Some(12));
    assert_eq!(grpc_status(&admin, call, unload.len(), unload), None);
    assert_eq!(server.get("/v1/models/blobs").status, 404);
}

#[test]
fn grpc_is_refused_by_its_head_and_by_the_length_of_a_message() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let large = b"\0\0\x10\0\0";
    for call in ["inference.GRPCInferenceService/ServerLive", "grpc.health.v1.Health/Check"] {
        assert_eq!(grpc_status(address(&server), call, 1 << 20, large), Some(8), "{call}");
    }
    home.json(&["keys", "add", "--name", "a", "--scope", "predict"]);
    let server = home.serve(&["--model", "blobs"]);
    let infer = "inference.GRPCInferenceService/ModelInfer";
    assert_eq!(grpc_status(address(&server), infer, 10 << 20, b""), Some(16));
}

#[test]
fn watches_are_bounded_and_end_with_the_server() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let watch = "POST /grpc.health.v1.Health/Watch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/grpc\r\ncontent-length: 5\r\n\r\n\0\0\0\0\0";
    let watches: Vec<TcpStream> = (0..256)
        .map(|_| {
            let mut stream = connect(address(&server));
            stream.write_all(watch.as_bytes()).unwrap();
            let mut begin = [0; 12];
            stream.read_exact(&mut begin).unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200");
            stream
        })
        .collect();
    assert_eq!(grpc_status(address(&server), "grpc.health.v1.Health/Watch", 5, &[0; 5]), Some(8));
    assert_eq!(health(address(&server)), 200);
    let began = Instant::now();
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    drop(watches);
}

#[test]
fn tensors_without_content_are_refused_before_they_are_decoded() {
    let home = test_home();
    let server = home.serve(&["--model", "blobs"]);
    let call = "inference.GRPCInferenceService/ModelInfer";
    let message = |field: &[u8], count: usize| {
        let fields = field.repeat(count);
        let length = u32::try_from(fields.len()).unwrap().to_be_bytes();
        [&[0][..], &length, &fields].concat()
    };
    // Inputs, outputs, raw contents, and fields of one output that its message does not have.
    for field in [&b"\x2a\0"[..], b"\x32\0", b"\x3a\0", b"\x32\x04\x2a\x02\x0a\x7f"] {
        let body = message(field, (12 << 20) / field.len());
        assert_eq!(grpc_status(address(&server), call, body.len(), &body), Some(8), "{field:?}");
        assert_eq!(health(address(&server)), 200);
    }
    let peak = server.peak_bytes();
    assert!(peak < 512 << 20, "the server took {peak} bytes");
    // A model that does not exist, in a message of an ordinary size.
    let few = message(b"\x2a\0", 1_000);
    assert_ne!(grpc_status(address(&server), call, few.len(), &few), Some(8));
}
