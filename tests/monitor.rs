pub mod content;
mod faults;
mod late;
mod performance;

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
