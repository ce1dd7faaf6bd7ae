use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::Place;

/// Rows of shops: a price as people write it, a date, a category of many values, and what is to be told.
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
fn repairs_features_and_encoders_are_the_same_in_training_predict_and_the_server() {
    let place = Place::new();
    place.write("shops.csv", shops(400));
    place.write("run.toml", SHOPS);
    let made = place.train(&[]);
    assert!(made["metrics"]["roc_auc"].as_f64().unwrap() > 0.9, "{made}");
    // Rows as people write them, with what may be missing missing.
    let rows = json!([
        { "price": "$ 1,250.50", "opened": "2024-06-03", "town": " TOWN 11", "rating": null },
        { "price": 3, "opened": null, "town": "nowhere", "rating": 4 },
    ]);
    let server = place.serve(&["--model", "shops"]);
    let answer = server.post("/v1/models/shops/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(answer.status, 200, "{}", answer.text);
    let lines: Vec<String> = rows.as_array().unwrap().iter().map(Value::to_string).collect();
    place.write("rows.jsonl", lines.join("\n").replace("\"price\":3", "\"price\":\"3\""));
    let said = place.run(&["predict", "--model", "shops", "--input", "rows.jsonl", "--device", "flex"]);
    let predicted: Vec<Value> = said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answer.json()["predictions"], json!(predicted), "{}", said.err);
    assert_eq!(predicted[0]["good"]["value"], "yes");
    let shown = place.json(&["models", "show", "shops"]);
    let names: Vec<&str> = shown["manifest"]["signature"]["inputs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["rating", "opened", "town", "price"], "computed columns are not asked for");
}

#[test]
fn what_is_prepared_is_used_again_until_something_changes() {
    let place = Place::new();
    place.write("shops.csv", shops(300));
    place.write("run.toml", SHOPS);
    let fresh = place.train(&["--max-steps", "5"]);
    let dry = place.json(&["prepare", "--config", "run.toml", "--dry-run"]);
    assert_eq!(dry["state"], "due");
    assert_eq!(place.json(&["prepare", "--config", "run.toml"])["state"], "made");
    assert_eq!(place.json(&["prepare", "--config", "run.toml"])["state"], "unchanged");
    assert_eq!(place.json(&["prepare", "--config", "run.toml", "--force"])["state"], "made");
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex", "--max-steps", "5"]);
    assert!(said.out.contains("is unchanged and used again"), "{}{}", said.out, said.err);
    let weights = |version: u32| {
        fs::read(place.path(&format!(".cupola/models/shops/{version}/model.safetensors"))).unwrap()
    };
    assert_eq!(weights(1), weights(2), "{fresh}");
    let graph = place.json(&["graph", "--config", "run.toml"]);
    let states: Vec<&str> =
        graph.as_array().unwrap().iter().map(|node| node["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["here", "unchanged", "unchanged", "unchanged"]);
    place.write("shops.csv", shops(301));
    assert_eq!(place.json(&["prepare", "--config", "run.toml", "--dry-run"])["state"], "due");
    // The old examples make room for the new ones.
    place.json(&["prepare", "--config", "run.toml"]);
    assert_eq!(fs::read_dir(place.path(".cupola/data/prepared")).unwrap().count(), 1);
    let damaged = fs::read_dir(place.path(".cupola/data/prepared")).unwrap().next().unwrap().unwrap().path();
    fs::write(damaged.join("train.bin"), b"x").unwrap();
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex", "--max-steps", "5"]);
    assert!(said.code != Some(0) && said.err.contains("cupola prepare --force"), "{}", said.err);
}

#[test]
fn a_stream_makes_the_examples_that_memory_makes() {
    let place = Place::new();
    place.write("shops.csv", shops(500));
    let rows = |stream: bool| {
        let config =
            SHOPS.replace("[split]", &format!("stream = {stream}\n[split]")).replace("fill = \"knn\"\n", "");
        place.write("run.toml", config.replace("\"shops\"", &format!("\"shops_{stream}\"")));
        place.train(&[])["metrics"].clone()
    };
    let (streamed, memory) = (rows(true), rows(false));
    assert!(
        (streamed["accuracy"].as_f64().unwrap() - memory["accuracy"].as_f64().unwrap()).abs() < 0.05,
        "{streamed} {memory}"
    );
    let plan = |name: &str| -> Value {
        serde_json::from_str(&place.read(&format!(".cupola/models/{name}/1/plan.json"))).unwrap()
    };
    assert_eq!(plan("shops_true"), plan("shops_false"));
}

#[test]
fn broken_expectations_stop_a_run_and_quarantined_rows_are_left_out() {
    let place = Place::with_blobs(200, "");
    let csv = place.read("blobs.csv");
    place.write("blobs.csv", format!("{csv}1,2,up\n3,,left\n"));
    let config = place.read("run.toml");
    place.write("run.toml", format!("{config}[[expect]]\ncolumn = \"side\"\nset = [\"left\", \"right\"]\n"));
    let said = place.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(said.code, Some(2));
    assert!(
        said.err.contains("1 of `[[expect]]` is not met:") && said.err.contains("row 201: `up`"),
        "{}",
        said.err
    );
    place.write(
        "run.toml",
        format!("{config}[[expect]]\ncolumn = \"side\"\nset = [\"left\", \"right\"]\nseverity = \"quarantine\"\n[[expect]]\ncolumn = \"y\"\nrequired = true\nseverity = \"warn\"\n"),
    );
    let checked = place.json(&["check", "--config", "run.toml"]);
    assert_eq!(checked["expected"]["quarantined"], 1);
    let lines = fs::read_to_string(place.path(checked["expected"]["file"].as_str().unwrap())).unwrap();
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
        place.write("run.toml", format!("{config}{key}"));
        let said = place.run(&["check", "--config", "run.toml"]);
        assert!(said.code == Some(2) && said.err.contains(words), "{key}: {}", said.err);
    }
}

#[test]
fn a_column_that_tells_the_target_is_pointed_out() {
    let place = Place::with_blobs(400, "");
    let csv = place.read("blobs.csv");
    let mut lines = csv.lines();
    let mut out = format!("{},leak,empty\n", lines.next().unwrap());
    for line in lines {
        let leak = if line.ends_with("left") { "L" } else { "R" };
        let _ = writeln!(out, "{line},{leak},same");
    }
    place.write("blobs.csv", out);
    let config = place.read("run.toml");
    let inputs = "[[inputs]]\nname = \"c\"\nkind = \"category\"\ncolumns = [\"leak\", \"empty\"]\n";
    place.write("run.toml", config.replace("[[targets]]", &format!("{inputs}[[targets]]")));
    let found = place.json(&["check", "--config", "run.toml"])["suspicions"].to_string();
    assert!(found.contains("`leak` predicts `side` almost perfectly"), "{found}");
    assert!(found.contains("test rows have the inputs of a training row"), "{found}");
}

#[test]
fn a_folder_of_pictures_becomes_a_served_model() {
    use base64::Engine as _;
    let place = Place::new();
    for (class, shade) in [("dark", 30_u8), ("light", 200)] {
        let folder = place.path(&format!("pictures/{class}"));
        fs::create_dir_all(&folder).unwrap();
        for n in 0..40_u8 {
            let picture =
                image::GrayImage::from_fn(12, 9, |x, y| image::Luma([shade + n / 2 + (x * y % 7) as u8]));
            picture.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
    place.write(
        "run.toml",
        "name = 'shades'\n[data]\nsource = 'pictures'\n[[inputs]]\nname = 'image'\nkind = 'image'\nshape = [1, 8, 8]\n\
         [[targets]]\nname = 'class'\nkind = 'category'\n[model]\nfamily = 'cnn'\nchannels = [4]\nhidden = 8\n[train]\nepochs = 12\nbatch_size = 8\n",
    );
    let made = place.train(&[]);
    assert!(made["metrics"]["accuracy"].as_f64().unwrap() > 0.95, "{made}");
    let server = place.serve(&["--model", "shades"]);
    let picture =
        |name: &str| base64::engine::general_purpose::STANDARD.encode(fs::read(place.path(name)).unwrap());
    let rows =
        json!([{ "image": picture("pictures/dark/3.png") }, { "image": picture("pictures/light/3.png") }]);
    let answer = server.post("/v1/models/shades/predict", json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(answer.json()["predictions"][0]["class"]["value"], "dark", "{}", answer.text);
    assert_eq!(answer.json()["predictions"][1]["class"]["value"], "light");
    let broken =
        server.post("/v1/models/shades/predict", json!({ "rows": [{ "image": "AAAA" }] }).to_string(), &[]);
    assert!(broken.status == 422 && broken.text.contains("expected an image"), "{}", broken.text);
}

/// Answers each request with the text that `answer` makes of its count and path, then hangs up.
fn server(answer: impl Fn(usize, &str) -> String + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (answer, count) = (Arc::new(answer), Arc::new(AtomicUsize::new(0)));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (mut stream, mut buffer) = (stream, [0; 4096]);
            let n = stream.read(&mut buffer).unwrap_or(0);
            let text = String::from_utf8_lossy(&buffer[..n]).into_owned();
            let path = text.split(' ').nth(1).unwrap_or_default().to_owned();
            let _ = stream.write_all(answer(count.fetch_add(1, Ordering::SeqCst), &path).as_bytes());
        }
    });
    url
}

fn page(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

#[test]
fn an_api_that_dies_in_mid_page_leaves_no_version_and_goes_on_where_it_was() {
    let place = Place::new();
    let url = server(|count, path| match (count, path) {
        // The third request dies within its page.
        (2, _) => page("[{\"x\": 5}, {\"x\": 6}]").replace("{\"x\": 6}]", ""),
        (_, "/rows?page=1") => page("[{\"x\": 1}, {\"x\": 2}]"),
        (_, "/rows?page=2") => page("[{\"x\": 3}, {\"x\": 4}]"),
        (_, "/rows?page=3") => page("[{\"x\": 5}, {\"x\": 6}]"),
        _ => page("[]"),
    });
    place.write(
        "api.toml",
        format!("[data]\nsource = \"{url}/rows\"\nhttp = {{ rate = 1000, retries = 0 }}\napi = {{ parameter = \"page\", first = 1 }}\n"),
    );
    let said = place.run(&["data", "add", "rows", "--config", "api.toml"]);
    assert!(said.code == Some(2) && said.err.contains("2 pages are kept"), "{}", said.err);
    assert_eq!(place.json(&["data", "list"]), json!([]));
    let added = place.json(&["data", "add", "rows", "--config", "api.toml"]);
    assert_eq!(
        (&added["dataset"]["rows"], &added["profile"]["columns"][0]["numbers"]["mean"]),
        (&json!(6), &json!(3.5))
    );
}

#[test]
fn lineage_goes_from_a_package_to_the_source_of_its_data() {
    let place = Place::with_blobs(200, "");
    place.json(&["data", "add", "points", "blobs.csv", "--licence", "CC0"]);
    let config = place.read("run.toml").replace("\"blobs.csv\"", "\"dataset:points\"");
    place.write("run.toml", config);
    let made = place.train(&["--max-steps", "3"]);
    let package = made["package"].as_str().unwrap();
    let told = place.json(&["models", "lineage", package]);
    assert_eq!(told["datasets"][0]["dataset"], "points:1");
    assert_eq!(told["datasets"][0]["source"], json!(["blobs.csv"]));
    assert_eq!(told["run"]["package"], *package);
}

#[test]
fn a_kill_while_a_version_is_added_leaves_a_whole_version_or_none() {
    let place = Place::new();
    let rows: Vec<String> = (0..200_000).map(|row| format!("{row},{}", row % 97)).collect();
    place.write("big.csv", format!("a,b\n{}\n", rows.join("\n")));
    for wait in [5, 20, 60, 120, 250] {
        let mut child = place
            .command(&["data", "add", "big", "big.csv"])
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(std::time::Duration::from_millis(wait));
        let _ = child.kill();
        child.wait().unwrap();
        let listed = place.json(&["data", "list"]);
        assert!(listed.as_array().unwrap().len() <= 1, "{listed}");
        if listed.as_array().unwrap().len() == 1 {
            place.json(&["data", "validate", "big"]);
        }
    }
    place.json(&["data", "add", "big", "big.csv"]);
    assert_eq!(place.json(&["data", "validate", "big"])["dataset"]["rows"], 200_000);
}

/// Rows pushed to `path` of a server, with what it said.
fn push(server: &crate::support::Server, body: &str) -> (u16, Value) {
    let answer = server.post("/v1/datasets/sensors/rows", body, &[]);
    (answer.status, answer.json())
}

fn sensors() -> Place {
    let place = Place::new();
    place.write("first.csv", "id,heat,room\n1,20.5,hall\n2,,attic\n");
    place.write(
        "sensors.toml",
        "[data]\nsource = 'first.csv'\n[[expect]]\ncolumn = 'id'\nrequired = true\n[[expect]]\ncolumn = 'heat'\nrange = [-50, 60]\nseverity = 'quarantine'\n",
    );
    place.json(&["data", "add", "sensors", "--config", "sensors.toml"]);
    place
}

#[test]
fn pushed_rows_are_checked_kept_and_become_a_version() {
    let place = sensors();
    let server = place.serve(&[]);
    assert_eq!(push(&server, r#"{"rows": [{"id": 3, "heat": 21, "room": "hall"}, {"id": 4}]}"#).1["kept"], 2);
    let refused = [
        (r#"{"rows": [{"id": 5}, {"id": 6, "heat": 99}]}"#, 422, "rows[1].heat", "99"),
        (r#"{"rows": [{"id": "x"}]}"#, 422, "rows[0].id", "Int64"),
        (r#"{"rows": [{"id": 7, "heet": 1}]}"#, 422, "rows[0].heet", "did you mean `heat`"),
        (r#"{"rows": [{"heat": 1}]}"#, 422, "rows[0].id", "required"),
        (r#"{"rows": []}"#, 400, "", "at least one"),
        ("{", 400, "", "invalid body: expected"),
    ];
    for (body, status, field, words) in refused {
        let (found, said) = push(&server, body);
        let error = &said["error"];
        assert_eq!((found, error["field"].as_str().unwrap_or_default()), (status, field), "{body}: {said}");
        assert!(error["message"].as_str().unwrap().contains(words), "{body}: {said}");
    }
    let lines = server.post(
        "/v1/datasets/sensors/rows",
        "{\"id\": 8}\n{\"id\": 9, \"room\": \"é\"}\n",
        &[("content-type", "application/x-ndjson")],
    );
    assert_eq!(lines.status, 200, "{}", lines.text);
    assert_eq!(server.post("/v1/datasets/nothing/rows", "{\"rows\": [{}]}", &[]).status, 404);
    // A line that a killed server left unfinished was never answered for.
    let inbox = place.path(".cupola/data/sensors/inbox/rows.jsonl");
    let mut file = fs::File::options().append(true).open(&inbox).unwrap();
    file.write_all(b"{\"id\": 1").unwrap();
    assert_eq!(push(&server, r#"{"rows": [{"id": 10}]}"#).0, 200);
    let pulled = place.json(&["data", "pull", "sensors"]);
    assert_eq!((&pulled["version"], &pulled["dataset"]["rows"]), (&json!(2), &json!(7)), "{pulled}");
    assert!(!inbox.exists());
    // Nothing new; then once more, now on top of pushed rows.
    assert_eq!(place.json(&["data", "pull", "sensors"])["version"], 2);
    assert_eq!(push(&server, r#"{"rows": [{"id": 11}]}"#).0, 200);
    assert_eq!(place.json(&["data", "pull", "sensors"])["dataset"]["rows"], 8);
    // Rows equal to those before are rows of their own.
    assert_eq!(push(&server, r#"{"rows": [{"id": 11}]}"#).0, 200);
    let manifest = place.json(&["data", "pull", "sensors"]);
    assert_eq!((&manifest["version"], &manifest["dataset"]["rows"]), (&json!(4), &json!(9)));
    // A pull that died after the version appeared has left what it took behind: it is not taken again.
    let left = format!(".cupola/data/sensors/inbox/taken-{}.jsonl", manifest["pushed"].as_str().unwrap());
    place.write(&left, "{\"id\":11}\n");
    assert_eq!(place.json(&["data", "pull", "sensors"])["version"], 4);
    assert!(!place.path(&left).exists());
    place.write(
        "out.toml",
        "[data]\nsource = 'dataset:sensors:3'\nquery = 'SELECT id FROM data ORDER BY id'\n",
    );
    let rows = place.json(&["data", "profile", "dataset:sensors:3"]);
    assert_eq!(rows["columns"][0]["distinct"], 8, "{rows}");
}

#[test]
fn what_was_answered_for_is_there_after_a_kill() {
    let place = sensors();
    let server = place.serve(&[]);
    let kept = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let clients: Vec<_> = (0..6)
            .map(|client| {
                let (server, kept) = (&server, &kept);
                scope.spawn(move || {
                    for row in 0.. {
                        let body = json!({ "rows": [{ "id": client * 100_000 + row }] }).to_string();
                        match server.try_post("/v1/datasets/sensors/rows", &body) {
                            Some(200) => kept.fetch_add(1, Ordering::SeqCst),
                            _ => return,
                        };
                    }
                })
            })
            .collect();
        while kept.load(Ordering::SeqCst) < 200 {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        server.kill();
        for client in clients {
            client.join().unwrap();
        }
    });
    let rows = place.json(&["data", "pull", "sensors"])["dataset"]["rows"].as_u64().unwrap();
    let kept = kept.load(Ordering::SeqCst) as u64;
    // Six may have been written without their answers having come back.
    assert!((kept + 2..=kept + 8).contains(&rows), "{kept} were answered for, {rows} are there");
}
