//! The log of predictions: shares, tensors, columns that are dropped or hashed.

use serde_json::{Value, json};

use super::{test_home, version};

#[test]
fn a_share_of_the_requests_is_recorded() {
    let home = test_home();
    home.write("serve.toml", "[[model]]\nserve = 'blobs:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    (0..5).for_each(|_| assert_eq!(version(&server, &[("x-request-id", "abc")]), 1));
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let file = only_file(&home.path(".cupola/predictions"));
    assert!(file.starts_with(home.path(".cupola/predictions/blobs/1")), "{}", file.display());
    let profile = home.json(&["data", "profile", file.to_str().unwrap()]);
    let column = |name: &str| {
        let columns = profile["columns"].as_array().unwrap();
        columns.iter().find(|column| column["name"] == name).cloned().unwrap_or_default()
    };
    assert_eq!(column("cupola_request")["top"][0], json!(["abc", 5]), "{profile}");
    // The columns of the model are typed, and its rows can be predicted again.
    let means = ["x", "y"].map(|name| column(name)["numbers"]["mean"].clone());
    assert_eq!(means, [json!(0.5), json!(0.5)], "{profile}");
    let again =
        home.run(&["predict", "--model", "blobs:1", "--input", file.to_str().unwrap(), "--device", "flex"]);
    assert_eq!((again.code, again.stdout.lines().count()), (Some(0), 5), "{}", again.stderr);
}

#[test]
fn tensors_are_recorded_as_rows_are() {
    let home = test_home();
    home.write("serve.toml", "[[model]]\nserve = 'blobs:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let tensor =
        |name: &str, data: Value| json!({ "name": name, "shape": [2, 1], "datatype": "FP32", "data": data });
    let body = json!({ "inputs": [tensor("x", json!([0.5, -0.5])), tensor("y", json!([0.5, 0.0]))] });
    let response = server.post("/v2/models/blobs/infer", body.to_string(), &[("x-request-id", "oip")]);
    assert_eq!(response.status, 200, "{}", response.text);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let file = only_file(&home.path(".cupola/predictions/blobs/1"));
    let profile = home.json(&["data", "profile", file.to_str().unwrap()]);
    let columns = profile["columns"].as_array().unwrap();
    let column = |name: &str| columns.iter().find(|column| column["name"] == name).unwrap();
    assert_eq!(column("cupola_request")["top"][0], json!(["oip", 2]), "{profile}");
    assert_eq!(column("x")["numbers"]["mean"], json!(0.0), "{profile}");
    assert!(columns.iter().any(|own| own["name"] == "cupola_probability_side_left"), "{profile}");
}

/// The file below a folder, of which there must be one.
fn only_file(folder: &std::path::Path) -> std::path::PathBuf {
    let mut path = folder.to_owned();
    while path.is_dir() {
        let entries: Vec<_> = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(entries.len(), 1, "{entries:?}");
        path.clone_from(&entries[0]);
    }
    path
}

#[test]
fn recorded_columns_are_dropped_and_hashed_by_config() {
    let home = test_home();
    let log = "[log]\nshare = 1.0\ndrop = ['x']\nhash = ['y']\n";
    home.write("serve.toml", format!("[[model]]\nserve = 'blobs:1'\n{log}"));
    let server = home.serve(&["--config", "serve.toml"]);
    assert_eq!(version(&server, &[("x-request-id", "abc")]), 1);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    let file = only_file(&home.path(".cupola/predictions"));
    let profile = home.json(&["data", "profile", file.to_str().unwrap()]);
    let columns = profile["columns"].as_array().unwrap();
    assert!(columns.iter().all(|column| column["name"] != "x"), "{profile}");
    let hashed = columns.iter().find(|column| column["name"] == "y").unwrap();
    assert_eq!(hashed["top"][0][0].as_str().map(str::len), Some(32), "{profile}");
    assert_eq!(home.read(".cupola/log.key").trim().len(), 64);
}
