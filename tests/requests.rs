//! Requests as people write them: examples that can be run, forecasts, pictures, anomalies.

use serde_json::{Value, json};

use crate::support::{BLOBS, TestHome};

#[test]
fn the_example_of_a_package_is_a_row_of_the_data_that_the_server_takes() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    let trained = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    assert!(trained.stdout.contains("curl -s localhost:8080/v1/models/blobs/predict"), "{}", trained.stdout);

    let csv = home.run(&["models", "example", "blobs", "--csv"]).stdout;
    let row = csv.lines().nth(1).unwrap().to_owned();
    let names: Vec<&str> = csv.lines().next().unwrap().split(',').collect();
    let data = home.read("blobs.csv");
    let header: Vec<&str> = data.lines().next().unwrap().split(',').collect();
    let numbers = |line: &str, names: &[&str], header: &[&str]| -> Vec<f64> {
        let values: Vec<&str> = line.split(',').collect();
        let value = |name: &&str| values[header.iter().position(|other| other == name).unwrap()];
        names.iter().map(|name| value(name).parse().unwrap()).collect()
    };
    let row = numbers(&row, &names, &names);
    let found = data.lines().skip(1).any(|line| numbers(line, &names, &header) == row);
    assert!(found, "{row:?} is not in the data");

    let server = home.serve(&["--model", "blobs"]);
    let shown = home.json(&["models", "example", "blobs"]);
    let about = server.get("/v1/models/blobs").json();
    assert_eq!(about["example"], shown["body"]);
    assert_eq!((&about["example_is_real"], &shown["real"]), (&json!(true), &json!(true)));
    let document = server.get("/openapi.json").json();
    let content = &document["paths"]["/v1/models/blobs/predict"]["post"]["requestBody"]["content"];
    assert_eq!(content["application/json"]["schema"]["example"], shown["body"]);
    let response = server.post(shown["path"].as_str().unwrap(), shown["body"].to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    for (name, range) in about["ranges"].as_object().unwrap() {
        let (low, high) = (range[0].as_f64().unwrap(), range[1].as_f64().unwrap());
        assert!(low < high, "{name}: {range}");
    }
    let python =
        home.run(&["models", "example", "blobs", "--python", "--server", "https://a.example"]).stdout;
    assert!(python.contains("https://a.example/v1/models/blobs/predict"), "{python}");
    let two = home.run(&["models", "example", "blobs", "--python", "--csv"]);
    assert_eq!(two.code, Some(2), "{}", two.stderr);
}

#[test]
fn private_data_leaves_no_row_in_the_package() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.write(
        "run.toml",
        format!("{BLOBS}[train]\nepochs = 1\n").replace("[data]\n", "[data]\nexample = false\n"),
    );
    let trained = home.train(&[]);
    let files = std::fs::read_dir(trained["path"].as_str().unwrap()).unwrap();
    let names: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "example.json"), "{names:?}");
    let shown = home.json(&["models", "example", "blobs"]);
    assert_eq!(shown["real"], json!(false));
    let server = home.serve(&["--model", "blobs"]);
    let response = server.post(shown["path"].as_str().unwrap(), shown["body"].to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(server.get("/v1/models/blobs").json()["ranges"], Value::Null);
}
