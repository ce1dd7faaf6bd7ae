//! A temporary folder with a home for each test, and the built binary in it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Temporary working folder with a Cupola home (`.cupola`); commands run there, on the CPU.
pub struct TestHome {
    folder: TempDir,
}

/// Exit code and output of a command.
pub struct CommandOutput {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl TestHome {
    pub fn new() -> Self {
        Self { folder: cupola_testkit::temporary() }
    }

    /// Creates a small classification run: `run.toml` and `blobs.csv`.
    pub fn with_blobs(rows: usize, train: &str) -> Self {
        let home = Self::new();
        home.write("blobs.csv", cupola_testkit::blobs(rows));
        home.write("run.toml", format!("{BLOBS}\n{train}"));
        home
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn root(&self) -> PathBuf {
        self.path(".cupola")
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        fs::write(self.path(name), text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Command that runs the binary with `args` in this folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cupola"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env_remove("CUPOLA_HOME").env_remove("RUST_BACKTRACE");
        command
    }

    pub fn run(&self, args: &[&str]) -> CommandOutput {
        CommandOutput::from(self.command(args).output().unwrap())
    }

    /// JSON output of a command that must succeed.
    #[track_caller]
    pub fn json(&self, args: &[&str]) -> Value {
        let mut all = vec!["--json"];
        all.extend(args);
        let output = self.run(&all);
        assert_eq!(output.code, Some(0), "{args:?}\n{}\n{}", output.stdout, output.stderr);
        serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e} in {}", output.stdout))
    }

    /// Trains `run.toml` on the CPU and returns the JSON output.
    #[track_caller]
    pub fn train(&self, more: &[&str]) -> Value {
        let mut args = vec!["train", "--config", "run.toml", "--device", "flex"];
        args.extend(more);
        self.json(&args)
    }

    /// Prediction of the model `mail` for a row; the server and `predict` must agree.
    #[track_caller]
    pub fn predict_one(&self, row: &Value) -> Value {
        let server = self.serve(&["--model", "mail"]);
        let body = serde_json::json!({ "rows": [row] }).to_string();
        let response = server.post("/v1/models/mail/predict", body, &[]);
        assert_eq!(response.status, 200, "{}", response.text);
        self.write("one.jsonl", row.to_string());
        let output = self.run(&["predict", "--model", "mail", "--input", "one.jsonl", "--device", "flex"]);
        let predicted: Value =
            serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("{e}: {}", output.stderr));
        assert_eq!(response.json()["predictions"][0], predicted);
        predicted
    }

    /// Marks a run that `--max-steps` ended as stopped, so that it can be resumed.
    pub fn unfinish(&self, run: &str) {
        let record = format!(".cupola/runs/{run}/run.json");
        self.write(&record, self.read(&record).replace("\"finished\"", "\"stopped\""));
    }

    /// Starts a server on a free port.
    pub fn serve(&self, args: &[&str]) -> Server {
        self.serve_logged(args, Stdio::inherit())
    }

    /// [`Self::serve`] with its standard error at `log`.
    pub fn serve_logged(&self, args: &[&str], log: impl Into<Stdio>) -> Server {
        let mut all = vec!["serve", "--port", "0", "--device", "flex"];
        all.extend(args);
        Server::start(self.command(&all).stderr(log))
    }
}

/// Config with two inputs and a binary target. Dropout and batch norm have state that a resume must restore.
pub const BLOBS: &str = r#"
name = "blobs"
seed = 11
[data]
source = "blobs.csv"
[[targets]]
name = "side"
kind = "category"
[model]
family = "layers"
layers = [
    { type = "linear", out = 12 },
    { type = "batch_norm" },
    { type = "activation", function = "relu" },
    { type = "dropout", p = 0.4 },
    { type = "linear", out = 6 },
    { type = "activation", function = "tanh" },
]
"#;

impl From<Output> for CommandOutput {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

/// Running server, killed on drop.
pub struct Server {
    child: Child,
    pub url: String,
}

/// Response to an HTTP request.
pub struct HttpResponse {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl HttpResponse {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e} in {}", self.text))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }
}

impl Server {
    /// Starts a command that serves, and returns once it is ready.
    pub fn start(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let line = lines.next().expect("the server ended before it was ready").unwrap();
            if let Some(url) = line.strip_prefix("ready") {
                break url.trim().to_owned();
            }
        };
        // The server would block once nobody reads its output.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, url }
    }

    pub fn get(&self, path: &str) -> HttpResponse {
        read_response(agent().get(format!("{}{path}", self.url)).call())
    }

    pub fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> HttpResponse {
        let mut request = agent().get(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read_response(request.call())
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>, headers: &[(&str, &str)]) -> HttpResponse {
        let mut request = agent().post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        read_response(request.send(body.as_ref()))
    }

    /// Body of a response and the length of its JSON part.
    pub fn post_bytes(&self, path: &str, body: &[u8], headers: &[(&str, &str)]) -> (Vec<u8>, usize) {
        let mut request = agent().post(format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = request.send(body).unwrap();
        let length = response.headers()["inference-header-content-length"].to_str().unwrap().parse().unwrap();
        (response.body_mut().read_to_vec().unwrap(), length)
    }

    /// Status of the response; `None` if the server is gone.
    pub fn try_post(&self, path: &str, body: &str) -> Option<u16> {
        let response = agent().post(format!("{}{path}", self.url)).send(body.as_bytes()).ok()?;
        Some(response.status().as_u16())
    }

    /// Largest memory that the server has had, in bytes.
    pub fn peak_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Sends SIGKILL.
    pub fn kill(&self) {
        signal(self.child.id(), "KILL");
    }

    /// Sends SIGHUP.
    pub fn hang_up(&self) {
        signal(self.child.id(), "HUP");
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        signal(self.child.id(), "TERM");
    }

    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

fn read_response(response: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> HttpResponse {
    let mut response = response.unwrap();
    let headers = response
        .headers()
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_str().unwrap_or_default().to_owned()))
        .collect();
    let status = response.status().as_u16();
    let text = response.body_mut().with_config().limit(1 << 30).read_to_string().unwrap();
    HttpResponse { status, headers, text }
}

pub fn signal(pid: u32, name: &str) {
    let done = Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

/// Paths of all files and folders under a folder.
pub fn paths_under(path: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        found.push(entry.path().to_string_lossy().into_owned());
        if entry.path().is_dir() {
            found.extend(paths_under(&entry.path()));
        }
    }
    found
}
