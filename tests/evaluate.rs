//! Reports, intervals, subgroups and comparisons of models.

use cupola_testkit::blobs;
use serde_json::Value;

use crate::support::TestHome;

const SHORT: &str = "[train]\nepochs = 8\n[train.optimizer]\nlearning_rate = 2e-2\n";

/// Rows with a column that no model reads.
fn with_zone(rows: usize) -> String {
    let text = blobs(rows);
    let lines = text.lines().enumerate().map(|(row, line)| match row {
        0 => format!("{line},zone"),
        row => format!("{line},{}", ["north", "south"][row / 3 % 2]),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Home with rows that have the subgroup column `zone`.
fn home_with_zone(evaluate: &str) -> TestHome {
    let home = TestHome::with_blobs(600, SHORT);
    home.write("blobs.csv", with_zone(600));
    home.write("run.toml", format!("{}\n[evaluate]\n{evaluate}\n", home.read("run.toml")));
    home
}

fn run_file(home: &TestHome, run: &Value, name: &str) -> String {
    home.read(&format!(".cupola/runs/{}/{name}", run["run"].as_str().unwrap()))
}

/// Bounds around the value of a metric.
fn assert_interval(interval: &Value, value: &Value) {
    let bounds = [&interval[0], &interval[1], value].map(|number| number.as_f64().unwrap());
    let [low, high, value] = bounds;
    assert!(low <= value && value <= high, "{interval} {value}");
}

#[test]
fn a_run_ends_with_a_report_and_intervals() {
    let home = home_with_zone("subgroups = [\"zone\"]\nmin_support = 5");
    let run = home.train(&[]);
    let page = run_file(&home, &run, "report.html");
    assert!(page.len() < 2_000_000 && page.contains("<svg") && page.contains("accuracy"), "{}", page.len());
    let metrics: Value = serde_json::from_str(&run_file(&home, &run, "metrics.json")).unwrap();
    let test = &metrics["splits"]["test"];
    for name in ["accuracy", "roc_auc", "log_loss"] {
        assert_interval(&test["intervals"][name], &test["values"][name]);
    }
    let targets = |split: usize| &metrics["evaluation"]["splits"][split]["targets"][0];
    let groups = targets(1)["subgroups"][0]["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{metrics}");
    let rows: u64 = groups.iter().map(|group| group["rows"].as_u64().unwrap()).sum();
    assert_eq!(Some(rows), test["rows"].as_u64());
    assert!(targets(0)["metrics"][0]["name"] == "roc_auc", "the goal comes first");
    assert!(metrics["evaluation"]["model"]["latency"]["p50_us"].as_f64().unwrap() > 0.0);
    // The package keeps the numbers.
    let published = home.json(&["evaluate", "--model", "blobs"]);
    assert_eq!(published["evaluation"]["splits"], metrics["evaluation"]["splits"]);
    // The same seed has the same intervals.
    let again = home.train(&[]);
    let other: Value = serde_json::from_str(&run_file(&home, &again, "metrics.json")).unwrap();
    assert_eq!(other["splits"]["test"]["intervals"], test["intervals"]);
}

/// Mean probability of a class when all of these rows have `x` in place of their own.
fn mean_probability(home: &TestHome, rows: &[Value], (x, class): (f64, &str)) -> f64 {
    let changed: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut row = row.clone();
            row["x"] = x.into();
            row.to_string()
        })
        .collect();
    home.write("changed.jsonl", changed.join("\n"));
    let output = home.run(&["predict", "--model", "blobs", "--input", "changed.jsonl", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let positive = |line: &str| {
        let prediction: Value = serde_json::from_str(line).unwrap();
        prediction["side"]["probabilities"][class].as_f64().unwrap()
    };
    let found: Vec<f64> = output.stdout.lines().map(positive).collect();
    found.iter().sum::<f64>() / found.len() as f64
}

#[test]
fn partial_dependence_is_the_mean_of_predictions_of_changed_rows() {
    let home = TestHome::with_blobs(600, SHORT);
    let run = home.train(&[]);
    let page = run_file(&home, &run, "report.html");
    assert!(page.contains("partial dependence") && page.contains("Whiskers: 95 % interval"));
    let metrics: Value = serde_json::from_str(&run_file(&home, &run, "metrics.json")).unwrap();
    let important = metrics["importance"].as_array().unwrap();
    for one in important {
        assert_interval(&one["interval"], &one["increase"]);
    }
    let columns: Vec<&str> = metrics["dependence"]
        .as_array()
        .unwrap()
        .iter()
        .map(|curve| curve["column"].as_str().unwrap())
        .collect();
    assert_eq!(columns[0], important[0]["column"], "the most important column comes first");
    // On at most 200 rows the sample is the whole source, so that predictions of changed rows give the same means.
    let rows = blobs(150);
    home.write("few.csv", &rows);
    let found = home.json(&["evaluate", "--model", "blobs", "--data", "few.csv", "--device", "flex"]);
    let curves = found["dependence"].as_array().unwrap();
    let x = curves.iter().find(|curve| curve["column"] == "x").expect("a curve of x");
    assert_eq!(x["rows"], 150);
    let mut lines = rows.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = |line: &str| -> Value {
        let cells = names.iter().zip(line.split(','));
        let value = |text: &str| text.parse::<f64>().map_or_else(|_| text.into(), Value::from);
        cells
            .filter(|(name, _)| ["x", "y"].contains(*name))
            .map(|(name, text)| ((*name).to_owned(), value(text)))
            .collect()
    };
    let rows: Vec<Value> = lines.map(row).collect();
    let (partial, class) = (x["partial"].as_array().unwrap(), x["class"].as_str().unwrap());
    for point in [&partial[0], &partial[partial.len() / 2], &partial[partial.len() - 1]] {
        let [value, mean] = [&point[0], &point[1]].map(|number| number.as_f64().unwrap());
        let expected = mean_probability(&home, &rows, (value, class));
        assert!((mean - expected).abs() < 1e-4, "{value}: {mean}, expected {expected}");
    }
    assert!(x["accumulated"].as_array().unwrap().len() > 10, "{x}");
}

#[test]
fn other_rows_are_compared_with_the_trivial_model_by_the_subgroups_of_the_config() {
    let home = home_with_zone("subgroups = [\"zone\"]\nmin_support = 5");
    let inputs = ["x", "y"].map(|name| format!("[[inputs]]\nname = \"{name}\"\nkind = \"number\"\n"));
    home.write("run.toml", home.read("run.toml").replace("[model]", &format!("{}[model]", inputs.concat())));
    home.train(&[]);
    home.write("new.csv", with_zone(400));
    let evaluate = ["evaluate", "--model", "blobs", "--data", "new.csv", "--device", "flex"];
    let found = home.json(&evaluate);
    let target = &found["evaluation"]["splits"][0]["targets"][0];
    assert_eq!(target["subgroups"][0]["columns"][0], "zone");
    let metrics = target["metrics"].as_array().unwrap();
    let roc_auc = metrics.iter().find(|metric| metric["name"] == "roc_auc").unwrap();
    assert_eq!(roc_auc["baseline"], 0.5, "{roc_auc}");
    // Rows without the column have no groups, and are no error.
    home.write("bare.csv", blobs(400));
    let found = home.json(&["evaluate", "--model", "blobs", "--data", "bare.csv", "--device", "flex"]);
    assert!(found["evaluation"]["splits"][0]["targets"][0].get("subgroups").is_none(), "{found}");
}

/// Days of a series with a week's season.
fn sales(days: usize) -> String {
    let row =
        |day: usize| format!("2024-{:02}-{:02},{}\n", 1 + day / 28, 1 + day % 28, 10 + day % 7 + day % 3);
    format!("day,sold\n{}", (0..days).map(row).collect::<String>())
}

#[test]
fn a_forecast_has_bands_and_a_trivial_model_but_no_subgroups() {
    let home = TestHome::new();
    home.write("sales.csv", sales(336));
    home.write(
        "run.toml",
        "name = \"sales\"\nseed = 4\n[data]\nsource = \"sales.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\n\
         [series]\ntime = \"day\"\n[[inputs]]\nname = \"sold\"\nkind = \"series\"\nwindow = 7\n\
         [[targets]]\nname = \"sold\"\nkind = \"forecast\"\nhorizon = 3\nseason = 7\n\
         [uncertainty]\nmethod = \"split\"\ncoverage = 0.8\nshare = 0.3\n\
         [model]\nfamily = \"dlinear\"\nkernel = 3\n[train]\nepochs = 2\nbatch_size = 16\n",
    );
    let run = home.train(&[]);
    let page = run_file(&home, &run, "report.html");
    assert!(page.contains("class=\"band") && page.contains("80 % interval"));
    home.write("new.csv", sales(140));
    let evaluate = ["evaluate", "--model", "sales", "--data", "new.csv", "--device", "flex"];
    let found = home.json(&evaluate);
    let metrics = found["evaluation"]["splits"][0]["targets"][0]["metrics"].as_array().unwrap();
    let mae = metrics.iter().find(|metric| metric["name"] == "mae").unwrap();
    assert!(mae["baseline"].as_f64().unwrap() > 0.0, "{mae}");
    let output = home.run(&[&evaluate[..], &["--subgroups", "day"]].concat());
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("--subgroups"), "{}", output.stderr);
}

#[test]
fn a_report_is_left_out_where_none_is_wanted() {
    let home = home_with_zone("report = false\nresamples = 0");
    let run = home.train(&[]);
    assert!(!home.path(&format!(".cupola/runs/{}/report.html", run["run"].as_str().unwrap())).exists());
    let metrics: Value = serde_json::from_str(&run_file(&home, &run, "metrics.json")).unwrap();
    assert!(metrics["splits"]["test"].get("intervals").is_none(), "{metrics}");
}

#[test]
fn an_unknown_subgroup_is_found_before_training() {
    let home = home_with_zone("subgroups = [\"zonn\"]");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("`zonn`") && output.stderr.contains("`zone`"), "{}", output.stderr);
    assert!(
        !home.path(".cupola/runs").exists() || home.path(".cupola/runs").read_dir().unwrap().next().is_none()
    );
}

#[test]
fn other_rows_get_a_report_in_each_form() {
    let home = home_with_zone("");
    home.train(&[]);
    home.write("new.csv", with_zone(5000));
    let evaluate = ["evaluate", "--model", "blobs", "--data", "new.csv", "--device", "flex"];
    let found = home.json(&[&evaluate[..], &["--subgroups", "zone", "--out", "report"]].concat());
    assert_eq!(found["rows"], 5000);
    assert_interval(&found["intervals"]["accuracy"], &found["metrics"]["accuracy"]);
    let tables = &found["evaluation"]["splits"][0]["targets"][0]["subgroups"];
    assert_eq!(tables[0]["columns"][0], "zone");
    for name in ["metrics.json", "report.html"] {
        assert!(home.path(&format!("report/{name}")).is_file(), "{name}");
    }
    for (form, expected) in
        [("yaml", "accuracy:"), ("markdown", "## Evaluation of `blobs:1`"), ("junit", "<testsuite")]
    {
        let output = home.run(&[&evaluate[..], &["--format", form]].concat());
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        assert!(output.stdout.contains(expected), "{form}: {}", output.stdout);
    }
    let output = home.run(&[&evaluate[..], &["--subgroups", "zonn"]].concat());
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("`zone`"), "{}", output.stderr);
}

#[test]
fn a_better_model_is_told_from_a_worse_one() {
    let home = TestHome::with_blobs(600, SHORT);
    home.train(&[]);
    // The column `y` tells nothing of the target.
    home.train(&["--set", "inputs=[{ name = \"y\", kind = \"number\" }]"]);
    home.write("new.csv", blobs(2000));
    let compare = ["evaluate", "--compare", "blobs:2", "blobs:1", "--data", "new.csv", "--device", "flex"];
    let found = home.json(&compare);
    assert_eq!(found["rows"], 2000);
    let verdict = found["verdict"].as_str().unwrap();
    assert!(verdict.contains("blobs:1 is better than blobs:2"), "{verdict}");
    let metric = |name: &str| {
        let all = found["metrics"].as_array().unwrap();
        all.iter().find(|metric| metric["name"] == name).unwrap().clone()
    };
    assert_eq!(metric("accuracy")["test"], "McNemar");
    assert_eq!(metric("roc_auc")["test"], "DeLong");
    let itself =
        home.json(&["evaluate", "--compare", "blobs:1", "blobs:1", "--data", "new.csv", "--device", "flex"]);
    assert!(itself["verdict"].as_str().unwrap().contains("no significant difference"), "{itself}");
    // Models of other targets cannot be compared.
    home.write(
        "other.toml",
        home.read("run.toml")
            .replace("name = \"blobs\"", "name = \"other\"")
            .replace("blobs.csv", "other.csv"),
    );
    home.write("other.csv", blobs(300).replace("left", "up").replace("right", "down"));
    let output = home.run(&["train", "--config", "other.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let output =
        home.run(&["evaluate", "--compare", "blobs:1", "other", "--data", "new.csv", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("cannot be compared"), "{}", output.stderr);
}

#[test]
fn a_stream_has_subgroups_and_a_report_too() {
    let home = home_with_zone("subgroups = [\"zone\"]\nmin_support = 5");
    home.write(
        "run.toml",
        home.read("run.toml").replace("source = \"blobs.csv\"", "source = \"blobs.csv\"\nstream = true"),
    );
    let run = home.train(&["--set", "split.by=random"]);
    assert!(run_file(&home, &run, "report.html").contains("zone"));
}
