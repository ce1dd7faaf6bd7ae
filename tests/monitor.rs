pub mod content;
mod faults;
mod late;

use serde_json::Value;

use crate::support::TestHome;

fn home() -> TestHome {
    let home = TestHome::with_blobs(
        400,
        "[split]\nvalid = 0.2\ntest = 0.2\n[train]\nepochs = 30\nbatch_size = 16\n",
    );
    home.train(&[]);
    home
}

/// The rows of the training with `change` of each line but the first.
fn changed(home: &TestHome, name: &str, change: impl Fn(&str) -> String) {
    let text = home.read("blobs.csv");
    let (head, rows) = text.split_once('\n').unwrap();
    let rows: Vec<String> = rows.lines().map(change).collect();
    home.write(name, format!("{head}\n{}\n", rows.join("\n")));
}

fn report<'a>(data: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let all = ["monitor", "report", "--model", "blobs", "--device", "flex", "--data", data];
    all.into_iter().chain(more.iter().copied()).collect()
}

fn check(home: &TestHome, data: &str) -> (Option<i32>, String) {
    let found = home.run(&["monitor", "check", "--model", "blobs", "--device", "flex", "--data", data]);
    (found.code, found.stderr)
}

/// Numbers of the first column move far away.
fn moved(row: &str) -> String {
    let (first, rest) = row.split_once(',').unwrap();
    first.parse::<f64>().map_or_else(|_| row.to_owned(), |number| format!("{},{rest}", number + 100.0))
}

#[test]
fn a_package_has_the_distributions_of_its_training() {
    let home = home();
    let profile: Value = serde_json::from_str(&home.read(".cupola/models/blobs/1/monitor.json")).unwrap();
    assert_eq!(profile["format_version"], 1);
    assert_eq!(profile["scored_split"], "test");
    let roles: Vec<&str> = profile["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["role"].as_str().unwrap())
        .collect();
    for role in ["input", "prediction", "probability", "target"] {
        assert!(roles.contains(&role), "{roles:?}");
    }
    home.json(&["models", "verify"]);
}

#[test]
#[allow(clippy::float_cmp, reason = "equal distributions have no distance at all")]
fn the_rows_of_the_training_have_not_drifted_and_others_have() {
    let home = home();
    changed(&home, "moved.csv", moved);
    let same = home.json(&report("blobs.csv", &[]));
    assert_eq!((&same["drift"], &same["rows"]), (&Value::from(false), &Value::from(400)), "{same}");
    assert_eq!(check(&home, "blobs.csv").0, Some(0));

    let found = home.json(&report("moved.csv", &["--max-share", "0.01", "--out", "drift"]));
    assert_eq!(found["drift"], true, "{found}");
    let columns = found["columns"].as_array().unwrap();
    let x = columns.iter().find(|column| column["name"] == "x").unwrap();
    assert_eq!((&x["drifted"], &x["unseen"]), (&Value::from(true), &Value::from(1.0)));
    assert_eq!(columns[0]["drifted"], true);
    let page = home.read("drift/monitor.html");
    assert!(page.len() < 2_000_000 && page.contains("The data has drifted."));
    let written: Value = serde_json::from_str(&home.read("drift/monitor.json")).unwrap();
    assert_eq!(written, found);
    let args = ["monitor", "check", "--model", "blobs", "--device", "flex", "--data", "moved.csv"];
    let broken = home.run(&[&args[..], &["--max-share", "0.01"]].concat());
    assert_eq!(broken.code, Some(1), "{}", broken.stderr);
    assert!(broken.stderr.contains("has drifted"), "{}", broken.stderr);

    // With data as the reference, the same rows are the same distribution.
    let exact = home.json(&report("moved.csv", &["--reference", "moved.csv", "--method", "psi"]));
    let scores = exact["columns"].as_array().unwrap().iter().map(|column| column["score"].as_f64().unwrap());
    assert!(scores.into_iter().all(|score| score == 0.0), "{exact}");
}

#[test]
fn mistakes_have_a_remedy() {
    let home = home();
    let text = home.read("blobs.csv");
    let (head, _) = text.split_once('\n').unwrap();
    home.write("empty.csv", format!("{head}\n"));
    home.write("other.csv", "wrong\n1\n");
    for (data, message) in
        [("empty.csv", "no rows"), ("other.csv", "not in the data"), ("none.csv", "check `--data`")]
    {
        let (code, stderr) = check(&home, data);
        assert_eq!(code, Some(2), "{data}: {stderr}");
        assert!(stderr.contains(message), "{data}: {stderr}");
    }
    let unknown = home.run(&report("blobs.csv", &["--method", "kss"]));
    assert!(unknown.code == Some(2) && unknown.stderr.contains("expected one of ks,"), "{}", unknown.stderr);
    let share = home.run(&report("blobs.csv", &["--max-share", "2"]));
    assert_eq!(share.code, Some(2), "{}", share.stderr);

    // A profile of another plan does not count.
    let manifest = ".cupola/models/blobs/1/manifest.json";
    let monitor = ".cupola/models/blobs/1/monitor.json";
    let parsed: Value = serde_json::from_str(&home.read(manifest)).unwrap();
    let plan = parsed["files"]["plan.json"].as_str().unwrap().to_owned();
    home.write(monitor, home.read(monitor).replace(&plan, &"0".repeat(64)));
    let (code, stderr) = check(&home, "blobs.csv");
    assert!(code == Some(1) || code == Some(2), "{stderr}");
    // A package without a profile says what to do.
    let digest = parsed["files"]["monitor.json"].as_str().unwrap();
    let entry = home.read(manifest).replace(&format!("\"monitor.json\": \"{digest}\","), "");
    home.write(manifest, entry);
    let (code, stderr) = check(&home, "blobs.csv");
    assert!(code == Some(2) && stderr.contains("--reference FILE"), "{stderr}");
}

/// Row whose second number follows the first.
fn related(row: &str) -> String {
    let cells: Vec<&str> = row.split(',').collect();
    let number = |at: usize| cells[at].parse::<f64>().unwrap();
    format!("{},{:.4},{}", cells[0], number(0) + number(1) / 10.0, cells[2])
}

/// The numbers of a file with the second ones in reverse order: each column keeps its distribution.
fn parted(home: &TestHome, from: &str, to: &str) {
    let text = home.read(from);
    let (head, rows) = text.split_once('\n').unwrap();
    let rows: Vec<Vec<&str>> = rows.lines().map(|row| row.split(',').collect()).collect();
    let parted = rows.iter().zip(rows.iter().rev()).map(|(a, b)| format!("{},{},{}", a[0], b[1], a[2]));
    home.write(to, format!("{head}\n{}\n", parted.collect::<Vec<_>>().join("\n")));
}

#[test]
fn relations_between_columns_are_compared_by_chunks() {
    let home = home();
    changed(&home, "related.csv", related);
    parted(&home, "related.csv", "parted.csv");
    let more = ["--reference", "related.csv", "--multivariate", "--chunks", "size:100", "--out", "drift"];
    let found = home.json(&report("related.csv", &more));
    let relations = &found["multivariate"];
    assert_eq!(relations["chunks"].as_array().unwrap().len(), 4, "{found}");
    assert_eq!((&relations["alerts"], &relations["chunks"]), (&0.into(), &relations["reference"]), "{found}");
    assert!(home.read("drift/monitor.html").contains("Relations between columns"));
    let found = home.json(&report("parted.csv", &more));
    assert_eq!(found["multivariate"]["alerts"], 4, "{found}");
    let args = [
        "monitor",
        "check",
        "--model",
        "blobs",
        "--device",
        "flex",
        "--data",
        "parted.csv",
        "--no-predictions",
    ];
    let broken = home.run(&[&args[..], &more[..5]].concat());
    assert!(broken.code == Some(1) && broken.stderr.contains("4 of 4 chunks"), "{}", broken.stderr);
    // Columns without a relation have none to lose.
    let found = home.json(&report("blobs.csv", &["--reference", "blobs.csv", "--multivariate"]));
    assert!(found["notes"].to_string().contains("are not related"), "{found}");
    // A profile has no rows, and chunks have a form.
    let alone = home.run(&report("blobs.csv", &["--multivariate"]));
    assert!(alone.code == Some(2) && alone.stderr.contains("--reference"), "{}", alone.stderr);
    let chunks = ["--reference", "blobs.csv", "--multivariate", "--chunks", "day"];
    let chunks = home.run(&report("blobs.csv", &chunks));
    assert!(chunks.code == Some(2) && chunks.stderr.contains("size:500"), "{}", chunks.stderr);
}

/// Serves rows of `blobs.csv`, one request each, and sends their labels as feedback.
fn serve_with_feedback(home: &TestHome, rows: usize) -> String {
    home.write("serve.toml", "[[model]]\nserve = 'blobs:1'\n[log]\nshare = 1.0\n");
    let server = home.serve(&["--config", "serve.toml"]);
    let text = home.read("blobs.csv");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let mut target = String::new();
    for (index, line) in lines.take(rows).enumerate() {
        let cells = names.iter().zip(line.split(','));
        let inputs: serde_json::Map<String, Value> = cells
            .clone()
            .filter(|(name, _)| ["x", "y"].contains(*name))
            .map(|(name, cell)| ((*name).to_owned(), Value::from(cell.parse::<f64>().unwrap())))
            .collect();
        let id = format!("request-{index}");
        let body = serde_json::json!({ "rows": [inputs] }).to_string();
        let answer = server.post("/v1/models/blobs/predict", body, &[("x-request-id", &id)]).json();
        target.clone_from(answer["predictions"][0].as_object().unwrap().keys().next().unwrap());
        let label = cells.clone().find(|(name, _)| **name == target).unwrap().1;
        let body = serde_json::json!({ "rows": [{ "request_id": id, target.clone(): label }] }).to_string();
        let stored = server.post("/v1/models/blobs/feedback", body, &[]);
        assert_eq!(stored.status, 200, "{}", stored.text);
    }
    let unknown =
        serde_json::json!({ "rows": [{ "request_id": "gone", target.clone(): "left" }] }).to_string();
    server.post("/v1/models/blobs/feedback", unknown, &[]);
    server.terminate();
    assert_eq!(server.wait(), Some(0));
    target
}

#[test]
fn feedback_joins_the_log_and_gives_the_performance() {
    let home = home();
    let target = serve_with_feedback(&home, 40);
    let log = home.path(".cupola/predictions/blobs/1");
    let performance = |more: &[&str]| {
        let all = [
            "monitor",
            "performance",
            "--model",
            "blobs:1",
            "--device",
            "flex",
            "--chunks",
            "count:2",
            "--data",
        ];
        let args: Vec<&str> =
            all.into_iter().chain([log.to_str().unwrap()]).chain(more.iter().copied()).collect();
        home.json(&args)
    };
    let found = performance(&[]);
    assert_eq!(
        (&found["rows"], &found["labelled"], &found["target"]),
        (&40.into(), &40.into(), &target.into()),
        "{found}"
    );
    assert_eq!(found["feedback"]["joined"], 40, "{found}");
    assert_eq!(found["chunks"].as_array().unwrap().len(), 2);
    let accuracy = &found["chunks"][0]["metrics"]["accuracy"];
    assert!(accuracy["realised"].as_f64().unwrap() > 0.5 && accuracy["estimate"].is_null(), "{found}");
    assert_eq!(found["changes"][0]["seen"], 40, "{found}");
    // The folders of the version and of the model are data for a report, too.
    for folder in [".cupola/predictions/blobs/1", ".cupola/predictions/blobs"] {
        let report = home.json(&report(folder, &["--reference", "blobs.csv", "--multivariate"]));
        assert_eq!(
            (&report["rows"], report["multivariate"]["chunks"].as_array().unwrap().len()),
            (&40.into(), 10)
        );
    }
    // With a reference there are estimates and thresholds.
    let found = performance(&["--reference", "blobs.csv"]);
    let accuracy = &found["chunks"][0]["metrics"]["accuracy"];
    assert!(
        accuracy["estimate"].as_f64().is_some() && accuracy["lower_threshold"].as_f64().is_some(),
        "{found}"
    );
    // Without targets and reference there is nothing to tell.
    let args =
        ["monitor", "performance", "--model", "blobs:1", "--device", "flex", "--feedback", "none", "--data"];
    let output = home.run(&args.into_iter().chain([log.to_str().unwrap()]).collect::<Vec<_>>());
    assert!(output.code == Some(2) && output.stderr.contains("--reference FILE"), "{}", output.stderr);
    let args =
        ["monitor", "performance", "--model", "blobs:1", "--chunks", "fortnight", "--data", "blobs.csv"];
    let output = home.run(&args);
    assert!(output.code == Some(2) && output.stderr.contains("unknown chunks"), "{}", output.stderr);
}

/// Rows whose target is `10 u` with an error of up to 1, or up to 4 where `z` is above 0.5.
#[allow(clippy::format_collect, reason = "a few thousand short lines")]
fn noisy_rows(count: usize, (from, to): (f64, f64)) -> String {
    let row = |at: usize| {
        let u = (at as f64 * 0.414_214).fract();
        let z = from + (to - from) * (at as f64 * 0.618_034).fract();
        let error = (2.0 * (at as f64 * 0.732_051).fract() - 1.0) * if z > 0.5 { 4.0 } else { 1.0 };
        format!("{u},{z},{}\n", 20.0 + 10.0 * u + error)
    };
    format!("u,z,y\n{}", (0..count).map(row).collect::<String>())
}

#[test]
fn errors_of_a_regression_are_estimated_without_targets() {
    let home = TestHome::new();
    home.write(
        "run.toml",
        "name = \"load\"\nseed = 3\n[data]\nsource = \"rows.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\n\
         [[targets]]\nname = \"y\"\nkind = \"number\"\n[model]\nfamily = \"gbdt\"\nrounds = 50\n",
    );
    home.write("rows.csv", noisy_rows(1000, (0.0, 1.0)));
    home.write("holdout.csv", noisy_rows(3000, (0.0, 1.0)));
    home.json(&["train", "--config", "run.toml"]);
    let without_target = |text: String| {
        let cut = |line: &str| line.rsplit_once(',').unwrap().0.to_owned() + "\n";
        text.lines().map(cut).collect::<String>()
    };
    home.write("calm.csv", without_target(noisy_rows(600, (0.0, 0.5))));
    home.write("rough.csv", without_target(noisy_rows(600, (0.5, 1.0))));
    let estimate = |data: &str| {
        let args = ["monitor", "performance", "--model", "load", "--device", "flex", "--chunks", "count:2"];
        let more = ["--reference", "holdout.csv", "--out", "page", "--data", data];
        let found = home.json(&[&args[..], &more[..]].concat());
        let mae = &found["chunks"][1]["metrics"]["mae"];
        assert!(mae["realised"].is_null() && mae["upper_threshold"].as_f64().is_some(), "{found}");
        (mae["estimate"].as_f64().unwrap(), mae["alert"].as_bool().unwrap())
    };
    let (calm, _) = estimate("calm.csv");
    let (rough, alert) = estimate("rough.csv");
    assert!(rough > 2.0 * calm && (1.5..3.0).contains(&rough) && alert, "{calm} {rough} {alert}");
    let page = home.read("page/performance.html");
    assert!(page.len() < 2_000_000 && page.contains("chunks with an alert"));
    assert!(home.read("page/performance.json").contains("\"estimate\""));
}
