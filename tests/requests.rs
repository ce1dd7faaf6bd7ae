//! Requests as people write them: examples that can be run, forecasts, pictures, anomalies.

use std::fmt::Write as _;

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
    let version = server.get("/v1/models/blobs:1").json();
    assert_eq!((&version["version"], &version["signature"]), (&json!(1), &about["signature"]));
    assert_eq!(version["lineage"]["run"], about["lineage"]["run"]);
    assert_eq!(server.get("/v1/models/blobs:2").status, 404);
    assert_eq!(
        server.get("/v1/models/blobs:x").status,
        server.post("/v1/models/blobs:x/predict", "{}", &[]).status
    );
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
    let files = std::fs::read_dir(home.path(trained["path"].as_str().unwrap())).unwrap();
    let names: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!names.iter().any(|name| name == "example.json"), "{names:?}");
    let shown = home.json(&["models", "example", "blobs"]);
    assert_eq!(shown["real"], json!(false));
    let server = home.serve(&["--model", "blobs"]);
    let response = server.post(shown["path"].as_str().unwrap(), shown["body"].to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(server.get("/v1/models/blobs").json()["ranges"], Value::Null);
}

/// Daily sales of two stores, as CSV.
fn sales(stores: &[&str], days: std::ops::RangeInclusive<usize>) -> String {
    let mut table = "store,day,sold\n".to_owned();
    for (level, store) in stores.iter().enumerate() {
        for day in days.clone() {
            let date = format!("2024-{:02}-{:02}", 1 + (day - 1) / 28, 1 + (day - 1) % 28);
            let _ = writeln!(table, "{store},{date},{}", 10 * (level + 1) + day % 7);
        }
    }
    table
}

#[test]
fn a_forecast_takes_a_history_of_any_length_and_names_its_times() {
    let home = TestHome::new();
    home.write("sales.csv", sales(&["north", "south"], 1..=84));
    home.write(
        "run.toml",
        "name = \"sales\"\nseed = 4\n[data]\nsource = \"sales.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\n\
         [series]\ntime = \"day\"\nkey = \"store\"\n[[inputs]]\nname = \"sold\"\nkind = \"series\"\nwindow = 7\n\
         [[targets]]\nname = \"sold\"\nkind = \"forecast\"\nhorizon = 3\nseason = 7\n\
         [model]\nfamily = \"dlinear\"\nkernel = 3\n[train]\nepochs = 2\nbatch_size = 16\n",
    );
    home.train(&[]);
    let shown = home.run(&["models", "show", "sales"]).stdout;
    assert!(
        shown.contains("window   7 rows") && shown.contains("horizon  3 rows ahead of `sold`, 1 day apart"),
        "{shown}"
    );

    let server = home.serve(&["--model", "sales"]);
    let csv = |days: std::ops::RangeInclusive<usize>, query: &str| {
        let body = sales(&["north"], days);
        server.post(&format!("/v1/models/sales/predict{query}"), body, &[("content-type", "text/csv")])
    };
    let last = csv(22..=28, "");
    assert_eq!(last.status, 200, "{}", last.text);
    let window: Value = serde_json::from_str(&last.text).unwrap();
    assert_eq!(window["sold"]["timestamps"], json!(["2024-01-29", "2024-01-30", "2024-01-31"]));
    assert_eq!(window["series"]["day"], json!("2024-01-28"));
    // A longer history has the same answer, in any order, with all windows on request.
    assert_eq!(csv(1..=28, "").text, last.text);
    assert_eq!(csv(1..=28, "?windows=all").text.lines().count(), 22);
    assert_eq!(csv(1..=28, "?windows=all").text.lines().last(), last.text.lines().last());
    let short: Value = serde_json::from_str(&csv(1..=28, "?horizon=2").text).unwrap();
    assert_eq!(short["sold"]["value"].as_array().unwrap().len(), 2);
    assert_eq!(short["sold"]["timestamps"].as_array().unwrap().len(), 2);
    for (query, words) in
        [("?horizon=4", "from 1 to 3"), ("?horizon=0", "from 1 to 3"), ("?windows=some", "`last` or `all`")]
    {
        let refused = csv(1..=28, query);
        assert!(refused.status == 400 && refused.text.contains(words), "{query}: {}", refused.text);
    }
    assert_eq!(csv(1..=6, "").status, 422);
    // A value that is missing where the last window begins is the one before it.
    let holes = sales(&["north"], 1..=28).replace("2024-01-22,11", "2024-01-22,");
    let filled = sales(&["north"], 1..=28).replace("2024-01-22,11", "2024-01-22,10");
    let ask =
        |body: String| server.post("/v1/models/sales/predict", body, &[("content-type", "text/csv")]).text;
    assert_eq!(ask(holes), ask(filled));

    home.write("history.csv", sales(&["north", "south"], 1..=28));
    let predict = |more: &[&str]| {
        let mut args = vec!["predict", "--model", "sales", "--input", "history.csv", "--device", "flex"];
        args.extend(more);
        home.run(&args)
    };
    let output = predict(&["--horizon", "1"]);
    assert_eq!((output.code, output.stdout.lines().count()), (Some(0), 2), "{}", output.stderr);
    assert!(output.stdout.contains("\"timestamps\":[\"2024-01-29\"]"), "{}", output.stdout);
    let output = predict(&["--horizon", "9"]);
    assert!(output.code == Some(2) && output.stderr.contains("from 1 to 3"), "{}", output.stderr);

    // The example is a whole window, which the server takes.
    let shown = home.json(&["models", "example", "sales"]);
    assert_eq!(shown["body"]["rows"].as_array().unwrap().len(), 7);
    let response = server.post(shown["path"].as_str().unwrap(), shown["body"].to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    assert_eq!(response.json()["predictions"].as_array().unwrap().len(), 1);
}

#[test]
fn pictures_are_sent_as_files_in_every_form_with_one_answer() {
    let home = TestHome::new();
    for (class, shade) in [("dark", 30_u8), ("light", 190)] {
        std::fs::create_dir_all(home.path(&format!("pictures/{class}"))).unwrap();
        for n in 0..12_u8 {
            let shaded = |x: u32, y: u32| image::Luma([shade + n + (x * y % 7) as u8]);
            let path = home.path(&format!("pictures/{class}/{n}.png"));
            image::GrayImage::from_fn(12, 9, shaded).save(path).unwrap();
        }
    }
    home.write(
        "run.toml",
        "name = \"shades\"\nseed = 2\n[data]\nsource = \"pictures/\"\n[[inputs]]\nname = \"image\"\nkind = \"image\"\n\
         shape = [1, 8, 8]\n[[targets]]\nname = \"class\"\nkind = \"category\"\n[model]\nfamily = \"cnn\"\nchannels = [4]\n\
         [train]\nepochs = 4\n",
    );
    home.train(&[]);

    let predict = |input: &str| {
        let output = home.run(&["predict", "--model", "shades", "--input", input, "--device", "flex"]);
        assert_eq!(output.code, Some(0), "{input}: {}", output.stderr);
        let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.collect::<Vec<Value>>()
    };
    let folder = predict("pictures/");
    assert_eq!(folder.len(), 24);
    let own = folder.iter().find(|one| one["file"] == json!("light/3.png")).unwrap();
    let alone = predict("pictures/light/3.png");
    assert_eq!(alone[0]["file"], json!("3.png"));
    let own = &own["class"]["value"];
    assert_eq!((&alone[0]["class"]["value"], alone.len()), (own, 1));

    let server = home.serve(&["--model", "shades"]);
    let bytes = std::fs::read(home.path("pictures/light/3.png")).unwrap();
    let path = "/v1/models/shades/predict";
    let answer = |body: &[u8], kind: &str| {
        let response = server.post(path, body, &[("content-type", kind), ("user-agent", "curl/8")]);
        assert_eq!(response.status, 200, "{kind}: {}", response.text);
        response.json()["predictions"].clone()
    };
    // The server writes numbers in the shortest form of single precision, `predict` with all digits.
    let expected = answer(&bytes, "image/png")[0]["class"].clone();
    assert_eq!(expected["value"], alone[0]["class"]["value"]);
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &bytes);
    let broken: Vec<&str> =
        base64.as_bytes().chunks(76).map(|line| std::str::from_utf8(line).unwrap()).collect();
    for text in [base64.clone(), format!("data:image/png;base64,{base64}"), broken.join("\n")] {
        let found = answer(json!({ "rows": [{ "image": text }] }).to_string().as_bytes(), "application/json");
        assert_eq!(found[0]["class"], expected);
    }
    let mut form = Vec::new();
    for name in ["3.png", "again.png"] {
        let head = format!(
            "--xyz\r\ncontent-disposition: form-data; name=\"image\"; filename=\"{name}\"\r\ncontent-type: image/png\r\n\r\n"
        );
        form.extend([head.as_bytes(), &bytes, b"\r\n"].concat());
    }
    form.extend(b"--xyz--\r\n");
    let found = answer(&form, "multipart/form-data; boundary=xyz");
    assert_eq!((&found[0]["class"]["value"], &found[0]["file"]), (own, &json!("3.png")));
    assert_eq!((&found[1]["class"]["value"], &found[1]["file"]), (own, &json!("again.png")));

    let curl = [("user-agent", "curl/8")];
    let refused = |body: &[u8], kind: &str| {
        let headers = [("content-type", kind), curl[0]];
        server.post(path, body, &headers).status
    };
    assert_eq!(refused(b"no picture", "image/png"), 422);
    assert_eq!(refused(&form[..form.len() - 10], "multipart/form-data; boundary=xyz"), 400);
    // A page of somebody else may send a form without asking.
    let foreign = [("content-type", "multipart/form-data; boundary=xyz"), ("user-agent", "Mozilla/5.0")];
    assert_eq!(server.post(path, &form, &foreign).status, 415);

    // The example is a command with a file.
    let text = home.run(&["models", "example", "shades"]).stdout;
    assert!(text.contains("base64 -d > example.png") && text.contains("'content-type: image/png'"), "{text}");
}

#[test]
fn an_anomaly_is_flagged_by_a_threshold_and_rows_left_out_are_counted() {
    let home = TestHome::new();
    let mut table = "a,b,odd\n".to_owned();
    for row in 0..200_u32 {
        let (x, odd) = (f64::from(row * 37 % 100) / 100.0, row % 10 == 3);
        // Normal rows lie on a line.
        let b = if odd { 3.0 - x } else { x };
        let _ = writeln!(table, "{x},{b},{}", u8::from(odd));
    }
    home.write("points.csv", &table);
    let config = "name = \"points\"\nseed = 3\n[data]\nsource = \"points.csv\"\n[split]\nby = \"random\"\nvalid = 0.2\ntest = 0.2\n\
        [[inputs]]\nname = \"ab\"\nkind = \"number\"\ncolumns = [\"a\", \"b\"]\n\
        [[targets]]\nname = \"score\"\nkind = \"reconstruct\"\ncolumn = \"odd\"\n\
        [model]\nfamily = \"autoencoder\"\nhidden = [8]\ncode = 1\n[train]\nepochs = 30\nbatch_size = 16\n[train.optimizer]\nlearning_rate = 1e-2\n";
    home.write("run.toml", config);
    let trained = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(trained.code, Some(0), "{}", trained.stderr);
    assert!(
        trained.stdout.contains("training rows are anomalies by `odd` and are left out"),
        "{}",
        trained.stdout
    );
    assert!(trained.stdout.contains("(the largest F1 on the valid split)"), "{}", trained.stdout);

    let server = home.serve(&["--model", "points"]);
    let rows = json!({ "rows": [{ "a": 0.4, "b": 0.4 }, { "a": 0.4, "b": 2.6 }] });
    let response = server.post("/v1/models/points/predict", rows.to_string(), &[]);
    let found = response.json()["predictions"].clone();
    let flag = |row: usize| {
        let score = &found[row]["score"];
        let above = score["value"].as_f64().unwrap() > score["threshold"].as_f64().unwrap();
        assert_eq!(score["anomaly"], json!(above), "{score}");
        above
    };
    assert_eq!((flag(0), flag(1)), (false, true), "{}", response.text);
    home.write("new.csv", "a,b\n0.4,2.6\n");
    let output = home.run(&[
        "predict", "--model", "points", "--input", "new.csv", "--output", "out.csv", "--device", "flex",
    ]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let text = home.read("out.csv");
    assert!(
        text.starts_with("score,score_threshold,score_is_anomaly\n") && text.ends_with(",true\n"),
        "{text}"
    );

    home.write("run.toml", config.replace("column = \"odd\"\n", ""));
    let trained = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert!(trained.stdout.contains("(the 99th percentile of the training rows)"), "{}", trained.stdout);
}
