//! Hostile sources, remotes, datasets and pushed rows.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::TestHome;

/// HTTP server on a free port that answers by the path of a request and keeps the requests.
struct TinyServer {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl TinyServer {
    fn start(answer: impl Fn(&str) -> String + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(request) = read_request(&stream) else { continue };
                let target = request.split(' ').nth(1).unwrap_or_default().to_owned();
                kept.lock().unwrap().push(request);
                let _ = (&stream).write_all(answer(&target).as_bytes());
            }
        });
        Self { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_request(mut stream: &TcpStream) -> Option<String> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    while !bytes.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&buffer[..count]);
    }
    String::from_utf8(bytes).ok()
}

fn found(body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

fn moved(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// `true` for a command that ended with an error of its own, and not by a signal.
fn refused(code: Option<i32>) -> bool {
    matches!(code, Some(1 | 2))
}

/// All texts of the files below a folder.
fn texts_below(folder: &Path) -> String {
    let mut all = String::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        all.push_str(&path.to_string_lossy());
        if path.is_dir() {
            all.push_str(&texts_below(&path));
        } else {
            all.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap_or_default()));
        }
    }
    all
}

#[test]
fn a_redirect_takes_no_secret_to_another_server() {
    let other = TinyServer::start(|_| found("x\n1\n"));
    let target = format!("{}/rows.csv", other.url);
    let first = TinyServer::start(move |_| moved(&target));
    let home = TestHome::new();
    home.write(
        "data.toml",
        format!(
            "[data]\nsource = \"{}/rows.csv?api_key=${{CUPOLA_TEST_KEY}}\"\n[data.http]\nretries = 0\nheaders = {{ \"X-Api-Key\" = \"${{CUPOLA_TEST_KEY}}\", Authorization = \"Bearer ${{CUPOLA_TEST_KEY}}\" }}\n",
            first.url
        ),
    );
    let mut command = home.command(&["data", "add", "rows", "--config", "data.toml"]);
    let output = command.env("CUPOLA_TEST_KEY", "hunter2-secret").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(first.requests()[0].contains("hunter2-secret"));
    let asked = other.requests().join("\n").to_lowercase();
    assert!(
        asked.contains("/rows.csv") && !asked.contains("hunter2") && !asked.contains("referer"),
        "{asked}"
    );
    assert!(!texts_below(&home.root()).contains("hunter2"));
}

#[test]
fn redirects_end() {
    let server = TinyServer::start(|_| moved("/again"));
    let home = TestHome::new();
    let output = home.run(&["data", "add", "rows", &format!("{}/rows.csv", server.url)]);
    assert!(refused(output.code) && output.stderr.contains("redirects again and again"), "{}", output.stderr);
    assert!(server.requests().len() <= 12);
}

#[test]
fn the_state_of_a_paged_api_holds_no_secret() {
    let server = TinyServer::start(|target| {
        if target.contains("page=2") {
            return "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned();
        }
        found(&format!("{{\"rows\": [{{\"x\": 1}}], \"next\": \"{target}&page=2\"}}"))
    });
    let home = TestHome::new();
    home.write(
        "data.toml",
        format!(
            "[data]\nsource = \"{}/list?api_key=${{CUPOLA_TEST_KEY}}\"\n[data.api]\nrecords = \"/rows\"\nnext = \"/next\"\n[data.http]\nretries = 0\n",
            server.url
        ),
    );
    let run = || {
        let mut command = home.command(&["data", "add", "rows", "--config", "data.toml"]);
        command.env("CUPOLA_TEST_KEY", "hunter2/se cret").output().unwrap()
    };
    let output = run();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(refused(output.status.code()) && message.contains("1 pages are kept"), "{message}");
    let kept = texts_below(&home.root()) + &message;
    assert!(kept.contains("state.json") && !kept.contains("hunter2"), "{kept}");
    run();
    // The second call goes on with the page that failed.
    let asked = server.requests();
    assert!(asked[2].contains("page=2") && asked[2].contains("hunter2"), "{asked:?}");
}

#[test]
fn plain_passwords_are_refused_and_shown_nowhere() {
    let home = TestHome::new();
    for source in [
        "postgres://me:hunter2@127.0.0.1:1/x",
        "http://me:hunter2@127.0.0.1:1/rows.csv",
        "http://127.0.0.1:1/rows.csv?access_token=hunter2",
    ] {
        let output = home.run(&["--json", "data", "add", "rows", source]);
        let shown = output.stdout + &output.stderr;
        assert!(refused(output.code) && shown.contains("${NAME}") && !shown.contains("hunter2"), "{shown}");
    }
    let mut command = home.command(&["data", "add", "rows", "${CUPOLA_TEST_PATH}/none.csv"]);
    let output = command.env("CUPOLA_TEST_PATH", "/run/hunter2").output().unwrap();
    let shown = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(shown.contains("${CUPOLA_TEST_PATH}/none.csv") && !shown.contains("hunter2"), "{shown}");
}

/// Remote with one version of the dataset `rows`, and its manifest.
fn remote() -> (TestHome, Value) {
    let home = TestHome::new();
    home.write("rows.csv", "x,file\n1,a\n2,b\n");
    home.json(&["data", "add", "rows", "rows.csv"]);
    home.json(&["data", "push", "rows", "--to", "remote"]);
    let manifest = serde_json::from_str(&home.read("remote/rows/1/manifest.json")).unwrap();
    (home, manifest)
}

#[test]
fn a_hostile_remote_chooses_no_path() {
    let (home, manifest) = remote();
    let digest = manifest["dataset"]["files"][0]["sha256"].as_str().unwrap().to_owned();
    let pull = || home.run(&["--home", "other", "data", "pull", "rows", "--from", "remote"]);
    for (pointer, value) in [
        ("/dataset/files/0/sha256", json!("../../../../etc/passwd")),
        ("/dataset/files/0/sha256", json!(digest.to_uppercase())),
        ("/dataset/files/0/sha256", json!("é".repeat(32))),
        ("/dataset/sha256", json!("/etc/passwd")),
        ("/dataset/files/0/name", json!("../rows.csv")),
        ("/dataset/files/0/name", json!("/etc/rows.csv")),
        ("/dataset/files/0/name", json!("a\\rows.csv")),
        ("/dataset/files/0/name", json!("C:rows.csv")),
        ("/dataset/files/0/bytes", json!(3)),
        ("/format_version", json!(99)),
    ] {
        let mut hostile = manifest.clone();
        *hostile.pointer_mut(pointer).unwrap() = value.clone();
        home.write("remote/rows/1/manifest.json", hostile.to_string());
        let output = pull();
        assert!(refused(output.code), "{pointer} = {value}: {}{}", output.stdout, output.stderr);
        assert!(!home.path("other/data/rows/1").exists(), "{pointer} = {value}");
    }
    // The bytes of a blob are not those of its name.
    home.write("remote/rows/1/manifest.json", manifest.to_string());
    let blob = home.path("remote/blobs").join(&digest[..2]).join(&digest[2..]);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "x,file\n9,a\n2,b\n").unwrap();
    let output = pull();
    assert!(refused(output.code) && output.stderr.contains("SHA-256"), "{}", output.stderr);
}

#[test]
fn a_source_that_a_remote_chose_is_never_read() {
    let server = TinyServer::start(|_| found("x\n1\n"));
    let (home, mut manifest) = remote();
    manifest["data"]["source"] = json!(format!("{}/?k=${{CUPOLA_TEST_KEY}}", server.url));
    manifest["roots"] = json!(["/"]);
    manifest["expect"] = json!([{ "column": "x", "foreign_key": { "source": format!("{}/f.csv", server.url), "column": "x" } }]);
    home.write("remote/rows/1/manifest.json", manifest.to_string());
    let with_key = |args: &[&str]| {
        let output = home.command(args).env("CUPOLA_TEST_KEY", "hunter2").output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (code, message) = with_key(&["--home", "other", "data", "pull", "rows", "--from", "remote"]);
    assert_eq!(code, Some(0), "{message}");
    assert_eq!(with_key(&["--home", "other", "data", "validate", "rows"]).0, Some(0));
    let (code, message) = with_key(&["--home", "other", "data", "pull", "rows"]);
    assert!(refused(code) && message.contains("--from remote"), "{message}");
    assert!(server.requests().is_empty(), "{:?}", server.requests());
    assert!(!texts_below(&home.path("other")).contains("hunter2"));
}

#[test]
fn dvc_files_lead_nowhere() {
    let home = TestHome::new();
    fs::create_dir_all(home.path("repo/.dvc")).unwrap();
    home.write("secret.csv", "x\n1\n");
    home.write(
        "repo/.dvc/config",
        "[core]\n    remote = r\n['remote \"r\"']\n    url = ../../nowhere/${HOME}\n",
    );
    let digest = "0".repeat(32);
    for (md5, path) in [
        ("../../../../etc/passwd", "a.csv"),
        ("é0000000000000000000000000000000", "a.csv"),
        (digest.as_str(), "../secret.csv"),
        (digest.as_str(), "/etc/passwd"),
        (digest.as_str(), "a.csv"),
    ] {
        home.write("repo/a.csv.dvc", format!("outs:\n- md5: \"{md5}\"\n  path: \"{path}\"\n"));
        let output = home.run(&["data", "add", "rows", "repo/a.csv.dvc"]);
        assert!(refused(output.code), "{md5} {path}: {}{}", output.stdout, output.stderr);
    }
    assert!(!home.path("nowhere").exists(), "a remote that is only read is not created");
}

#[test]
fn a_downloaded_table_reads_no_file_of_this_machine() {
    let home = TestHome::new();
    home.write("secret.txt", "hunter2");
    let secret = home.path("secret.txt").to_string_lossy().into_owned();
    let server = TinyServer::start(move |target| {
        let name = if target.contains("absolute") { secret.as_str() } else { "secret.txt" };
        found(&format!("id,file\n1,{name}\n"))
    });
    for path in ["absolute.csv", "relative.csv"] {
        let config =
            |more: &str| format!("[data]\nsource = \"{}/{path}\"\nfiles = \"file\"\n{more}", server.url);
        home.write("data.toml", config(""));
        let output = home.run(&["data", "add", "rows", "--config", "data.toml"]);
        let shown = output.stdout + &output.stderr;
        assert!(refused(output.code) && shown.contains("data.allow_outside"), "{path}: {shown}");
        home.write("data.toml", config("allow_outside = [\".\"]\n"));
        let output = home.run(&["data", "add", &path[..8], "--config", "data.toml"]);
        assert_eq!(output.code, Some(0), "{path}: {}", output.stderr);
    }
    // The table of a user names what it wants.
    home.write("own.csv", format!("id,file\n1,{}\n", home.path("secret.txt").display()));
    home.write("data.toml", "[data]\nsource = \"own.csv\"\nfiles = \"file\"\n");
    home.json(&["data", "add", "own", "--config", "data.toml"]);
}

#[test]
fn tables_of_a_million_columns_and_bombs_are_refused() {
    let home = TestHome::new();
    let names: Vec<String> = (0..1_000_000).map(|index| format!("c{index}")).collect();
    home.write("wide.csv", names.join(",") + "\n" + &"1,".repeat(999_999) + "1\n");
    let keys: Vec<String> = names.iter().take(60_000).map(|name| format!("\"{name}\":1")).collect();
    home.write("wide.jsonl", format!("{{{}}}\n", keys.join(",")));
    for file in ["wide.csv", "wide.jsonl"] {
        let output = home.run(&["data", "add", "wide", file]);
        assert!(refused(output.code) && output.stderr.contains("50000"), "{file}: {}", output.stderr);
    }
    let depth = 100_000;
    home.write("deep.jsonl", format!("{{\"a\":{}1{}}}\n", "[".repeat(depth), "]".repeat(depth)));
    assert!(
        home.run(&["data", "add", "deep", "deep.jsonl"]).code.is_some(),
        "deep nesting must not end the process"
    );
}

#[test]
fn feedback_after_a_full_disk_is_not_glued_to_the_rest_of_a_line() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    let log = home.path(".cupola/feedback/blobs.jsonl");
    fs::create_dir_all(log.parent().unwrap()).unwrap();
    fs::write(&log, "{\"time\": \"before\"}\n{\"time\": \"torn").unwrap();
    let server = home.serve(&["--model", "blobs"]);
    assert_eq!(fs::read_to_string(&log).unwrap(), "{\"time\": \"before\"}\n", "repaired at the start");
    // A writer that failed in the middle of a line.
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    file.write_all(b"{\"half\": ").unwrap();
    let push = |id: &str| {
        let body = json!({ "rows": [{ "request_id": id, "side": "left" }] }).to_string();
        let json = [("content-type", "application/json")];
        server.post("/v1/models/blobs/feedback", body, &json).status
    };
    for index in 0..5 {
        assert_eq!(push(&format!("r{index}")), 200);
    }
    assert_eq!(push(&"x".repeat(10_000)), 422);
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{text}");
    assert_eq!(text.lines().count(), 6, "{text}");
}

#[test]
fn names_that_are_no_datasets_are_unknown_and_short() {
    let home = TestHome::new();
    home.write("rows.csv", "x\n1\n");
    home.json(&["data", "add", "rows", "rows.csv"]);
    let server = home.serve(&[]);
    let push = |name: &str, rows: &str| {
        server.post(&format!("/v1/datasets/{name}/rows"), rows, &[("content-type", "application/json")])
    };
    for name in ["none", &"n".repeat(5_000), "..%2f..%2fetc"] {
        let response = push(name, "{\"rows\": [{\"x\": 1}]}");
        assert_eq!(response.status, 404, "{}", response.text);
        assert!(response.text.len() < 1_000, "{}", response.text);
    }
    let rows = format!("{{\"rows\": [{}{{\"x\": \"bad\"}}]}}", "{\"x\": 1},".repeat(5_000));
    let response = push("rows", &rows);
    assert!(response.status == 422 && response.text.contains("rows[5000].x"), "{}", response.text);
    let many = format!("{{\"rows\": [{}{{}}]}}", "{},".repeat(1_100_000));
    assert_eq!(push("rows", &many).status, 413);
    assert_eq!(push("rows", "{\"rows\": [{\"x\": 2}]}").status, 200);
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_and_not_a_signal() {
    let home = TestHome::new();
    let rows = (0..20_000).map(|row| format!("{row},text-{row}\n")).collect::<Vec<_>>().concat();
    home.write("rows.csv", format!("a,b\n{rows}"));
    let command = home.command(&["data", "add", "rows", "rows.csv"]);
    // In blocks of 512 or 1024 bytes; the rows take more.
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -f 16 && exec \"$0\" \"$@\""]).arg(command.get_program());
    limited.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => limited.env(name, value),
            None => limited.env_remove(name),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        limited.current_dir(folder);
    }
    let output = limited.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(refused(output.status.code()), "{:?}: {message}", output.status);
    assert!(message.contains("error: "), "{message}");
    assert_eq!(home.run(&["data", "add", "rows", "rows.csv"]).code, Some(0));
}
