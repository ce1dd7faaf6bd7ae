mod pushed;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::TestHome;

/// CSV of shops: a price as a text, a date, a category of many values, and the target `good`.
fn shops(rows: usize) -> String {
    let mut text = "price,opened,town,rating,good,part\n".to_owned();
    for row in 0..rows {
        let price = (row * 37 % 100) as f64 + 0.5;
        let month = 1 + row % 12;
        let good = if price > 50.0 { "yes" } else { "no" };
        let rating = if row % 9 == 0 { String::new() } else { format!("{}", row % 5) };
        let part = ["train", "train", "train", "valid", "test"][row * 7 % 5];
        let _ =
            writeln!(text, "\"$ {price}\",2024-{month:02}-03,\" Town {} \",{rating},{good},{part}", row % 40);
    }
    text
}

const SHOPS: &str = r#"
name = "shops"
[data]
source = "shops.csv"
[split]
by = "predefined"
column = "part"
[clean]
text = ["trim", "lower"]
numbers = ["price"]
[[features]]
name = "log_price"
sql = "ln(price + 1)"
[[features]]
name = "kind"
sql = "CASE WHEN price > 50 AND town LIKE 'town 1%' THEN 'dear' ELSE 'other' END"
[[inputs]]
name = "numbers"
kind = "number"
columns = ["log_price", "rating"]
interact = true
fill = "knn"
indicator = true
scale = "robust"
outliers = { by = "iqr", action = "clip" }
[[inputs]]
name = "opened"
kind = "date"
cycle = true
[[inputs]]
name = "town"
kind = "category"
encode = "target"
[[inputs]]
name = "kind"
kind = "category"
[[targets]]
name = "good"
kind = "category"
[model]
family = "mlp"
hidden = [16]
[train]
epochs = 30
batch_size = 16
[train.optimizer]
learning_rate = 1e-2
"#;

#[test]
fn cleaning_features_and_encoders_match_between_predict_and_the_server() {
    let home = TestHome::new();
    home.write("shops.csv", shops(400));
    home.write("run.toml", SHOPS);
    let made = home.train(&[]);
    assert!(made["metrics"]["roc_auc"].as_f64().unwrap() > 0.9, "{made}");
    // Texts with spaces, capitals and currency signs; optional values are missing.
    let rows = json!([
        { "price": "$ 1,250.50", "opened": "2024-06-03", "town": " TOWN 11", "rating": null },
        { "price": 3, "opened": null, "town": "nowhere", "rating": 4 },
    ]);
    let server = home.serve(&["--model", "shops"]);
    let response = server.post("/v1/models/shops/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let lines: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
    home.write("rows.jsonl", lines.join("\n").replace("\"price\":3", "\"price\":\"3\""));
    let output = home.run(&["predict", "--model", "shops", "--input", "rows.jsonl", "--device", "flex"]);
    let predicted: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(response.json()["predictions"], json!(predicted), "{}", output.stderr);
    assert_eq!(predicted[0]["good"]["value"], "yes");
    let shown = home.json(&["models", "show", "shops"]);
    let names: Vec<&str> = shown["manifest"]["signature"]["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["rating", "opened", "town", "price"], "computed columns are not asked for");
}

#[test]
fn prepared_examples_are_reused_until_something_changes() {
    let home = TestHome::new();
    home.write("shops.csv", shops(300));
    home.write("run.toml", SHOPS);
    let fresh = home.train(&["--max-steps", "5"]);
    let dry = home.json(&["prepare", "--config", "run.toml", "--dry-run"]);
    assert_eq!(dry["state"], "due");
    assert_eq!(home.json(&["prepare", "--config", "run.toml"])["state"], "made");
    assert_eq!(home.json(&["prepare", "--config", "run.toml"])["state"], "unchanged");
    assert_eq!(home.json(&["prepare", "--config", "run.toml", "--force"])["state"], "made");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex", "--max-steps", "5"]);
    assert!(output.stdout.contains("is unchanged and used again"), "{}{}", output.stdout, output.stderr);
    let weights = |version: u32| {
        fs::read(home.path(&format!(".cupola/models/shops/{version}/model.safetensors"))).unwrap()
    };
    assert_eq!(weights(1), weights(2), "{fresh}");
    let graph = home.json(&["graph", "--config", "run.toml"]);
    let states: Vec<&str> =
        graph.as_array().unwrap().iter().map(|node| node["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["here", "unchanged", "unchanged", "unchanged"]);
    home.write("shops.csv", shops(301));
    assert_eq!(home.json(&["prepare", "--config", "run.toml", "--dry-run"])["state"], "due");
    // New examples replace the old ones.
    home.json(&["prepare", "--config", "run.toml"]);
    assert_eq!(fs::read_dir(home.path(".cupola/data/prepared")).unwrap().count(), 1);
    let damaged = fs::read_dir(home.path(".cupola/data/prepared")).unwrap().next().unwrap().unwrap().path();
    fs::write(damaged.join("train.bin"), b"x").unwrap();
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex", "--max-steps", "5"]);
    assert!(output.code != Some(0) && output.stderr.contains("cupola prepare --force"), "{}", output.stderr);
}

#[test]
fn a_stream_and_rows_in_memory_give_the_same_plan() {
    let home = TestHome::new();
    home.write("shops.csv", shops(500));
    let rows = |stream: bool| {
        let config =
            SHOPS.replace("[split]", &format!("stream = {stream}\n[split]")).replace("fill = \"knn\"\n", "");
        home.write("run.toml", config.replace("\"shops\"", &format!("\"shops_{stream}\"")));
        home.train(&[])["metrics"].clone()
    };
    let (streamed, memory) = (rows(true), rows(false));
    assert!(
        (streamed["accuracy"].as_f64().unwrap() - memory["accuracy"].as_f64().unwrap()).abs() < 0.05,
        "{streamed} {memory}"
    );
    let plan = |name: &str| -> Value {
        serde_json::from_str(&home.read(&format!(".cupola/models/{name}/1/plan.json"))).unwrap()
    };
    assert_eq!(plan("shops_true"), plan("shops_false"));
}

#[test]
fn unmet_expectations_stop_a_run_and_quarantined_rows_are_excluded() {
    let home = TestHome::with_blobs(200, "");
    let csv = home.read("blobs.csv");
    home.write("blobs.csv", format!("{csv}1,2,up\n3,,left\n"));
    let config = home.read("run.toml");
    home.write("run.toml", format!("{config}[[expect]]\ncolumn = \"side\"\nset = [\"left\", \"right\"]\n"));
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(2));
    assert!(
        output.stderr.contains("1 of `[[expect]]` is not met:")
            && output.stderr.contains("row 201 (line 202): `up`"),
        "{}",
        output.stderr
    );
    home.write(
        "run.toml",
        format!("{config}[[expect]]\ncolumn = \"side\"\nset = [\"left\", \"right\"]\nseverity = \"quarantine\"\n[[expect]]\ncolumn = \"y\"\nrequired = true\nseverity = \"warn\"\n"),
    );
    let checked = home.json(&["check", "--config", "run.toml"]);
    assert_eq!(checked["expected"]["quarantined"], 1);
    let lines = fs::read_to_string(home.path(checked["expected"]["file"].as_str().unwrap())).unwrap();
    let line: Value = serde_json::from_str(&lines).unwrap();
    assert_eq!((&line["row"], &line["values"]["side"]), (&json!(201), &json!("up")));
    let rows = &checked["rows"];
    let total: u64 = ["train", "valid", "test"].iter().map(|part| rows[part].as_u64().unwrap()).sum();
    assert_eq!(total, 201);
    for (key, words) in [
        ("[[expect]]\ncolumn = \"side\"\n", "expect[0]: no condition"),
        ("[[expect]]\ncolum = \"side\"\n", "unknown key `colum`; did you mean `column`?"),
        ("[[expect]]\ncolumn = \"x\"\nrange = [3, 1]\n", "the minimum is larger than the maximum"),
        ("[data.http.headers]\nAuthorization = \"Bearer abc\"\n", "a secret must not be written in a config"),
    ] {
        home.write("run.toml", format!("{config}{key}"));
        let output = home.run(&["check", "--config", "run.toml"]);
        assert!(output.code == Some(2) && output.stderr.contains(words), "{key}: {}", output.stderr);
    }
}

#[test]
fn a_leaking_column_is_reported() {
    let home = TestHome::with_blobs(400, "");
    let csv = home.read("blobs.csv");
    let mut lines = csv.lines();
    let mut out = format!("{},leak,empty\n", lines.next().unwrap());
    for line in lines {
        let leak = if line.ends_with("left") { "L" } else { "R" };
        let _ = writeln!(out, "{line},{leak},same");
    }
    home.write("blobs.csv", out);
    let config = home.read("run.toml");
    let inputs = "[[inputs]]\nname = \"c\"\nkind = \"category\"\ncolumns = [\"leak\", \"empty\"]\n";
    home.write("run.toml", config.replace("[[targets]]", &format!("{inputs}[[targets]]")));
    let found = home.json(&["check", "--config", "run.toml"])["suspicions"].to_string();
    assert!(found.contains("`leak` predicts `side` almost perfectly"), "{found}");
    assert!(found.contains("test rows have the inputs of a training row"), "{found}");
}

#[test]
fn a_folder_of_pictures_becomes_a_served_model() {
    use base64::Engine as _;
    let home = TestHome::new();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        let folder = home.path(&format!("pictures/{class}"));
        fs::create_dir_all(&folder).unwrap();
        for n in 0..40_u8 {
            let picture =
                image::GrayImage::from_fn(12, 9, |x, y| image::Luma([shade + n / 2 + (x * y % 7) as u8]));
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
    home.write(
        "run.toml",
        "name = 'shades'\n[data]\nsource = 'pictures'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 8, 8]\n\
         [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [4]\nhidden = 8\n[train]\nepochs = 12\nbatch_size = 8\n",
    );
    let made = home.train(&[]);
    assert!(made["metrics"]["accuracy"].as_f64().unwrap() > 0.95, "{made}");
    let server = home.serve(&["--model", "shades"]);
    let picture =
        |name: &str| base64::engine::general_purpose::STANDARD.encode(fs::read(home.path(name)).unwrap());
    let rows =
        json!([{ "image": picture("pictures/dark/3.png") }, { "image": picture("pictures/light/3.png") }]);
    let response = server.post("/v1/models/shades/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.json()["predictions"][0]["class"]["value"], "dark", "{}", response.text);
    assert_eq!(response.json()["predictions"][1]["class"]["value"], "light");
    let broken =
        server.post("/v1/models/shades/predict", json!({ "rows": [{ "image": "AAAA" }] }).to_string(), &[]);
    assert!(broken.status == 422 && broken.text.contains("expected an image"), "{}", broken.text);
}

/// Starts a server that sends `respond(count, path)` to each request and closes the connection.
fn server(respond: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (respond, count) = (Arc::new(respond), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut buffer) = (stream, [0; 4096]);
            let n = stream.read(&mut buffer).unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = stream.write_all(respond(count.fetch_add(1, Ordering::SeqCst), &path).as_bytes());
        }
    });
    url
}

fn page(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn an_interrupted_api_download_leaves_no_version_and_resumes() {
    let home = TestHome::new();
    let url = server(|count, path| match (count, path) {
        // The third response breaks off within its page.
        (2, _) => page("[{\"x\": 5}, {\"x\": 6}]").replace("{\"x\": 6}]", ""),
        (_, "/rows?page=1") => page("[{\"x\": 1}, {\"x\": 2}]"),
        (_, "/rows?page=2") => page("[{\"x\": 3}, {\"x\": 4}]"),
        (_, "/rows?page=3") => page("[{\"x\": 5}, {\"x\": 6}]"),
        _ => page("[]"),
    });
    home.write(
        "api.toml",
        format!("[data]\nsource = \"{url}/rows\"\nhttp = {{ rate = 1000, retries = 0 }}\napi = {{ parameter = \"page\", first = 1 }}\n"),
    );
    let output = home.run(&["data", "add", "rows", "--config", "api.toml"]);
    assert!(output.code == Some(2) && output.stderr.contains("2 pages are kept"), "{}", output.stderr);
    assert_eq!(home.json(&["data", "list"]), json!([]));
    let added = home.json(&["data", "add", "rows", "--config", "api.toml"]);
    assert_eq!(
        (&added["dataset"]["rows"], &added["profile"]["columns"][0]["numbers"]["mean"]),
        (&json!(6), &json!(3.5))
    );
}

#[test]
fn lineage_leads_from_a_package_to_the_source_of_its_data() {
    let home = TestHome::with_blobs(200, "");
    home.json(&["data", "add", "points", "blobs.csv", "--licence", "CC0"]);
    let config = home.read("run.toml").replace("\"blobs.csv\"", "\"dataset:points\"");
    home.write("run.toml", config);
    let made = home.train(&["--max-steps", "3"]);
    let package = made["package"].as_str().unwrap();
    let lineage = home.json(&["models", "lineage", package]);
    assert_eq!(lineage["datasets"][0]["dataset"], "points:1");
    assert_eq!(lineage["datasets"][0]["source"], json!(["blobs.csv"]));
    assert_eq!(lineage["run"]["package"], *package);
}

#[test]
fn a_kill_while_a_version_is_added_leaves_a_complete_version_or_none() {
    let home = TestHome::new();
    let rows: Vec<String> = (0..200_000).map(|row| format!("{row},{}", row % 97)).collect();
    home.write("big.csv", format!("a,b\n{}\n", rows.join("\n")));
    for wait in [5, 20, 60, 120, 250] {
        let mut child = home
            .command(&["data", "add", "big", "big.csv"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
        let listed = home.json(&["data", "list"]);
        assert!(listed.as_array().unwrap().len() <= 1, "{listed}");
        if listed.as_array().unwrap().len() == 1 {
            home.json(&["data", "validate", "big"]);
        }
    }
    home.json(&["data", "add", "big", "big.csv"]);
    assert_eq!(home.json(&["data", "validate", "big"])["dataset"]["rows"], 200_000);
}
