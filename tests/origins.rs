//! Places that rows come from: folders as people have them, object stores, and addresses that hold secrets.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::TestHome;

const SHADES: &str = "name = 'shades'\n[data]\nsource = 'photos'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 4, 4]\n\
     [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [2]\nhidden = 4\n";

/// Folder with 20 pictures each of two classes.
fn photos() -> TestHome {
    let home = TestHome::new();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        fs::create_dir_all(home.path(&format!("photos/{class}"))).unwrap();
        for n in 0..20_u8 {
            let picture =
                image::GrayImage::from_fn(4, 4, |x, y| image::Luma([shade + n + (x * y % 16) as u8]));
            picture.save(home.path(&format!("photos/{class}/{n}.png"))).unwrap();
        }
    }
    home.write("run.toml", SHADES);
    home
}

fn copy(home: &TestHome, from: &str, to: &str) {
    fs::create_dir_all(home.path(to).parent().unwrap()).unwrap();
    fs::copy(home.path(from), home.path(to)).unwrap();
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[test]
fn what_systems_leave_in_a_folder_is_no_class_and_is_said_once() {
    let home = photos();
    let clean = home.json(&["check", "--config", "run.toml"]);
    copy(&home, "photos/dark/1.png", "photos/dark/.ipynb_checkpoints/1-checkpoint.png");
    copy(&home, "photos/dark/1.png", "photos/.trash/light/1.png");
    copy(&home, "photos/dark/1.png", "photos/__MACOSX/dark/._1.png");
    copy(&home, "photos/dark/1.png", "photos/light/._2.png");
    home.write("photos/light/.DS_Store", "x");
    home.write("photos/Thumbs.db", "x");
    home.write("photos/dark/labels.csv", "a\n1\n");
    fs::create_dir(home.path("photos/grey")).unwrap();
    let found = home.json(&["check", "--config", "run.toml"]);
    assert!(clean["dataset"]["sha256"].is_string(), "{clean}");
    assert_eq!(found["dataset"]["sha256"], clean["dataset"]["sha256"], "{found}");
    let notes = texts(&found["notes"]);
    assert_eq!(notes.len(), 3, "{notes:?}");
    assert!(
        notes[0].contains("hidden files and folders are left out: ") && notes[0].contains(".trash"),
        "{notes:?}"
    );
    assert!(notes[1].contains("only pictures are read; left out: dark/labels.csv"), "{notes:?}");
    assert!(notes[2].contains("subfolders without pictures: grey"), "{notes:?}");
}

#[test]
fn broken_pictures_are_named_by_their_path() {
    let home = photos();
    let picture =
        image::RgbImage::from_fn(16, 16, |x, y| image::Rgb([(x % 16) as u8 * 9, (y % 16) as u8 * 9, 90]));
    picture.save(home.path("whole.jpg")).unwrap();
    let bytes = fs::read(home.path("whole.jpg")).unwrap();
    home.write("photos/dark/half.jpg", &bytes[..bytes.len() / 2]);
    home.write("photos/light/page.png", "<!doctype html>");
    for command in ["check", "prepare"] {
        let output = home.run(&[command, "--config", "run.toml"]);
        assert_eq!(output.code, Some(2), "{}", output.stdout);
        let message = output.stderr.replace('\n', " ");
        let named = message.contains("dark/half.jpg") || message.contains("light/page.png");
        assert!(named && message.contains("column `image`"), "{message}");
        let reason = message.contains("a truncated JPEG file") || message.contains("a file of another kind");
        assert!(reason, "{message}");
    }
    home.write("photos/dark/half.jpg", &bytes);
    fs::remove_file(home.path("photos/light/page.png")).unwrap();
    home.json(&["check", "--config", "run.toml"]);
}

#[test]
fn globs_leave_out_hidden_files() {
    let home = TestHome::with_blobs(60, "");
    fs::create_dir(home.path("parts")).unwrap();
    copy(&home, "blobs.csv", "parts/a.csv");
    let config = home.read("run.toml");
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"parts/*.csv\""));
    let clean = home.json(&["check", "--config", "run.toml"])["dataset"].clone();
    copy(&home, "blobs.csv", "parts/._a.csv");
    copy(&home, "blobs.csv", "parts/.old.csv");
    assert_eq!(home.json(&["check", "--config", "run.toml"])["dataset"]["sha256"], clean["sha256"]);
}

#[test]
fn secrets_come_from_files_of_agents_and_from_listed_commands() {
    let home = TestHome::with_blobs(60, "");
    let config = home.read("run.toml");
    home.write("vault.json", r#"{"data": {"data": {"file": "blobs.csv"}}}"#);
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"${file:vault.json#data/data/file}\""));
    home.json(&["check", "--config", "run.toml"]);
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"${cmd:where}\""));
    let refused = home.run(&["check", "--config", "run.toml"]);
    assert_eq!(refused.code, Some(2));
    assert!(refused.stderr.contains("${cmd:where} is not allowed"), "{}", refused.stderr);
    fs::create_dir_all(home.root()).unwrap();
    home.write(".cupola/secrets.toml", "[commands]\nwhere = [\"printf\", \"blobs.csv\\n\"]\n");
    home.json(&["check", "--config", "run.toml"]);
}

/// Starts a stand-in for Google's store with the object `in/a.csv` and returns its address and what it was asked.
/// The first download of the object ends after 100 bytes.
fn google(rows: String) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 8192];
            let n = stream.read(&mut buffer).unwrap_or(0);
            let request = String::from_utf8_lossy(&buffer[..n]).to_lowercase();
            let line = request.lines().next().unwrap_or_default().to_owned();
            let first = !log.lock().unwrap().iter().any(|line: &String| line.contains("a%2ecsv"));
            let authorized = request.lines().any(|line| line.starts_with("authorization:"));
            log.lock().unwrap().push(line.clone());
            let object = |name: &str| {
                format!(
                    "<Contents><Key>in/{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>\"1\"</ETag><Size>{}</Size></Contents>",
                    rows.len()
                )
            };
            let about = "etag: \"1\"\r\nlast-modified: Thu, 01 Jan 2026 00:00:00 GMT\r\nconnection: close";
            let response = if authorized {
                format!("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n{about}\r\n\r\n")
            } else if line.contains("list-type=2") {
                let xml = format!(
                    "<ListBucketResult><IsTruncated>false</IsTruncated>{}{}{}</ListBucketResult>",
                    object("a.csv"),
                    object(".b.csv"),
                    object("deeper/c.csv")
                );
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n{about}\r\n\r\n{xml}", xml.len())
            } else {
                let range = request.lines().find_map(|line| line.strip_prefix("range: bytes="));
                let from =
                    range.and_then(|range| range.split('-').next()?.parse::<usize>().ok()).unwrap_or(0);
                let part = &rows[from..];
                let sent = if first { &part[..100] } else { part };
                format!(
                    "HTTP/1.1 206 Partial Content\r\ncontent-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\n{about}\r\n\r\n{sent}",
                    part.len(),
                    rows.len() - 1,
                    rows.len()
                )
            };
            let _ = stream.write_all(response.as_bytes());
        }
    });
    (address, asked)
}

#[test]
fn objects_of_google_are_found_by_a_glob_and_their_download_resumes() {
    let home = TestHome::with_blobs(60, "");
    let (address, asked) = google(home.read("blobs.csv"));
    let config = home.read("run.toml");
    let clean = home.json(&["check", "--config", "run.toml"])["rows"].clone();
    home.write("run.toml", config.replace("\"blobs.csv\"", "\"gs://lake/in/*.csv\""));
    let check = || {
        let mut command = home.command(&["--json", "check", "--config", "run.toml"]);
        let output = command.env("STORAGE_EMULATOR_HOST", &address).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    // The store ends the first download early; a retry of the client or the next run continues after its bytes.
    let mut output = check();
    if output.0 != Some(0) {
        output = check();
    }
    let (code, text, errors) = output;
    assert_eq!(code, Some(0), "{text}{errors}");
    let found: Value = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    assert_eq!(found["rows"], clean, "{text}");
    let before = asked.lock().unwrap().len();
    assert!(asked.lock().unwrap().iter().all(|line| !line.contains("deeper") && !line.contains("b%2ecsv")));
    // An object that has not changed is not downloaded again.
    assert_eq!(check().0, Some(0));
    let after = asked.lock().unwrap()[before..].to_vec();
    assert!(after.iter().all(|line| line.contains("list-type=2")), "{after:?}");
}
