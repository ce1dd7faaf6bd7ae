use serde_json::{Value, json};

use crate::support::{BLOBS, CommandOutput, TestHome};

/// The blobs with a column that names the split of each row; validation has rows of one class only.
fn one_class_in_valid(model: &str) -> TestHome {
    let home = TestHome::new();
    let blobs = cupola_testkit::blobs(160);
    let mut lines = blobs.lines();
    let mut table = format!("{},part\n", lines.next().unwrap());
    for (row, line) in lines.enumerate() {
        let part = match row % 8 {
            0 | 4 => "valid",
            1 | 2 => "test",
            _ => "train",
        };
        table.extend([line, ",", part, "\n"]);
    }
    home.write("blobs.csv", table);
    let split = "[split]\nby = \"predefined\"\ncolumn = \"part\"\n[train]\nepochs = 6\nbatch_size = 16\n";
    home.write("run.toml", format!("{}\n{split}", if model.is_empty() { BLOBS } else { model }));
    home
}

#[test]
fn an_undefined_metric_is_said_first_and_the_loss_selects_the_best_epoch() {
    let home = one_class_in_valid("");
    let output = home.run(&["--json", "train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said = "warning: `roc_auc` is undefined: all 40 rows of the valid split have one class, `left`";
    assert_eq!(output.stderr.matches(said).count(), 1, "{}", output.stderr);
    let before_training = output.stderr.find(said) < output.stderr.find("epoch   1/6");
    assert!(before_training && output.stderr.contains(", valid loss "), "{}", output.stderr);
    let trained: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(trained["warnings"][0].as_str().unwrap().contains("use `loss` instead"), "{trained}");
    let best = &trained["best"];
    assert!(best["value"].is_number() && best["value"] == best["loss"], "{trained}");
    let run = trained["run"].as_str().unwrap();
    let events = home.read(&format!(".cupola/runs/{run}/events.jsonl"));
    let events: Vec<Value> = events.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events[0]["event"], "metric_replaced");
    assert_eq!((&events[0]["metric"], &events[0]["fallback"]), (&json!("roc_auc"), &json!("loss")));
    // The best epoch is the one of the lowest loss, and its weights are the published ones.
    let epochs = events.iter().filter(|event| event["event"] == "epoch");
    let losses: Vec<f64> = epochs.map(|event| event["valid"]["loss"].as_f64().unwrap()).collect();
    let lowest = losses.iter().copied().fold(f64::INFINITY, f64::min);
    assert_eq!(best["loss"].as_f64(), Some(lowest), "{losses:?}");
    // The epoch of the best evaluation has the number that its event has.
    let event = events.iter().find(|event| event["event"] == "epoch" && event["step"] == best["step"]);
    assert_eq!(event.unwrap()["epoch"], best["epoch"], "{trained}");
}

#[test]
fn an_evaluation_says_what_its_rows_do_not_define() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    let both = cupola_testkit::blobs(40);
    let left: Vec<&str> = both.lines().filter(|line| !line.ends_with("right")).collect();
    home.write("left.csv", left.join("\n"));
    let output = home.run(&["evaluate", "--model", "blobs", "--data", "left.csv", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stderr.contains("warning: `roc_auc` is undefined: all rows have one class"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_run_without_test_rows_says_which_metrics_it_reports() {
    let home = TestHome::with_blobs(120, "[split]\ntest = 0.0\n[train]\nepochs = 1\n");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said = "the test split has no rows; the reported metrics are those of the valid split";
    assert!(output.stderr.contains(said) && output.stderr.contains("the best epoch"), "{}", output.stderr);
    // A forest has no epochs.
    let text = BLOBS.split("[model]").next().unwrap().to_owned()
        + "[split]\ntest = 0.0\n[model]\nfamily = \"random_forest\"\ntrees = 10\n";
    home.write("run.toml", text);
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stderr.contains(said) && !output.stderr.contains("best epoch"), "{}", output.stderr);
}

#[test]
fn trees_say_that_a_metric_is_left_out_of_the_report() {
    let model =
        BLOBS.split("[model]").next().unwrap().to_owned() + "[model]\nfamily = \"gbdt\"\nrounds = 100\n";
    let home = one_class_in_valid(&model);
    let output = home.run(&["--json", "train", "--config", "run.toml"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(
        output.stderr.contains("warning: `roc_auc` is undefined: all 40 rows of the valid split"),
        "{}",
        output.stderr
    );
    let trained: Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(trained["warnings"][0].as_str().unwrap().contains("leaves it out"), "{trained}");
}

#[test]
fn a_split_by_a_column_of_times_does_not_depend_on_the_order_of_the_rows() {
    let rows: Vec<String> = (0..120)
        .map(|row| {
            let (month, day) = (1 + row / 28, 1 + row % 28);
            format!(
                "{:.4},2024-{month:02}-{day:02},{:.4}\n",
                (f64::from(row) * 0.7).sin(),
                f64::from(row) * 0.1
            )
        })
        .collect();
    let config = "name = \"t\"\nseed = 2\n[data]\nsource = \"rows.csv\"\n[split]\nby = \"time\"\ncolumn = \"when\"\ngap = \"3 days\"\n\
                  [[targets]]\nname = \"y\"\nkind = \"number\"\n[model]\nfamily = \"mlp\"\nhidden = [4]\n[train]\nepochs = 2\nbatch_size = 16\n";
    let trained = |order: &dyn Fn(usize) -> usize, missing: bool| {
        let home = TestHome::new();
        let mut table = "x,when,y\n".to_owned();
        (0..rows.len()).for_each(|row| table += &rows[order(row)]);
        if missing {
            table += "0.5,,1.0\n";
        }
        home.write("rows.csv", table);
        home.write("run.toml", config);
        let shown = home.json(&["check", "--config", "run.toml"]);
        (home.train(&[])["metrics"].clone(), shown["suspicions"].to_string())
    };
    let (sorted, said) = trained(&|row| row, false);
    let (mixed, _) = trained(&|row| row * 37 % 120, true);
    assert_eq!(sorted, mixed);
    assert!(said.contains("left out, as `split.gap` says"), "{said}");
    let (_, said) = trained(&|row| row * 37 % 120, true);
    assert!(said.contains("1 rows without `when` are left out, first row 121"), "{said}");
}

/// Two series of 60 days in one table, in an order of no meaning.
fn panel(home: &TestHome, header: &str) {
    let mut table = format!("{header}\n");
    for place in 0..120 {
        let row = place * 37 % 120;
        let (store, day) = (["north", "south"][row / 60], row % 60);
        let level = if row < 60 { 10.0 } else { 500.0 };
        let value = level + f64::from(u32::try_from(day % 7).unwrap());
        let line = format!("{store},2024-{:02}-{:02},{value}\n", 1 + day / 28, 1 + day % 28);
        table.push_str(&line);
    }
    home.write("sales.csv", table);
}

const FORECAST: &str = "name = \"sales\"\nseed = 4\n[data]\nsource = \"sales.csv\"\n[split]\nvalid = 0.15\ntest = 0.15\n\
    [series]\ntime = \"day\"\nkey = \"store\"\n[[inputs]]\nname = \"sold\"\nkind = \"series\"\nwindow = 7\n\
    [[targets]]\nname = \"sold\"\nkind = \"forecast\"\nhorizon = 2\nseason = 7\n\
    [model]\nfamily = \"dlinear\"\nkernel = 3\n[train]\nepochs = 3\nbatch_size = 16\n";

#[test]
fn several_series_are_trained_predicted_and_served_by_their_key() {
    let home = TestHome::new();
    panel(&home, "store,day,sold");
    home.write("run.toml", FORECAST);
    home.train(&[]);
    let shown = home.json(&["models", "show", "sales"]).to_string();
    assert!(shown.contains("\"store\"") && shown.contains("\"day\""), "{shown}");

    // Eight days of both series, mixed: two windows of each.
    let rows: Vec<Value> = (0..16)
        .map(|place| {
            let row = place * 5 % 16;
            let store = ["north", "south"][row % 2];
            json!({ "store": store, "day": format!("2024-03-{:02}", 1 + row / 2), "sold": 10 + row })
        })
        .collect();
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    home.write("new.jsonl", lines.join("\n"));
    let output = home.run(&[
        "predict",
        "--model",
        "sales",
        "--input",
        "new.jsonl",
        "--device",
        "flex",
        "--all-windows",
    ]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let predicted: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let labels: Vec<String> =
        predicted.iter().map(|p| format!("{} {}", p["series"]["store"], p["series"]["day"])).collect();
    assert_eq!(
        labels,
        [
            "\"north\" \"2024-03-07\"",
            "\"north\" \"2024-03-08\"",
            "\"south\" \"2024-03-07\"",
            "\"south\" \"2024-03-08\""
        ]
    );
    home.run(&[
        "predict",
        "--model",
        "sales",
        "--input",
        "new.jsonl",
        "--device",
        "flex",
        "--output",
        "out.csv",
    ]);
    assert!(
        home.read("out.csv")
            .starts_with("store,day,sold_1,sold_2,sold_time_1,sold_time_2\nnorth,2024-03-08,"),
        "{}",
        home.read("out.csv")
    );

    // The server has the same predictions in the same order, and refuses what belongs to no series.
    let server = home.serve(&["--model", "sales"]);
    let all = "/v1/models/sales/predict?windows=all";
    let response = server.post(all, json!({ "rows": rows }).to_string(), &[]);
    assert_eq!(response.status, 200, "{}", response.text);
    let served = response.json()["predictions"].clone();
    let series = |found: &[Value]| found.iter().map(|one| one["series"].clone()).collect::<Vec<_>>();
    assert_eq!(series(served.as_array().unwrap()), series(&predicted));
    let values = |found: &[Value]| found.iter().map(|one| one["sold"]["value"].clone()).collect::<Vec<_>>();
    assert_eq!(values(served.as_array().unwrap()), values(&predicted));
    for (change, words) in [("2024-03-01", "each time once"), ("soon", "expected a time")] {
        let mut wrong = rows.clone();
        wrong[3]["day"] = json!(change);
        wrong[3]["store"] = json!("north");
        wrong[0]["store"] = json!("north");
        wrong[0]["day"] = json!("2024-03-01");
        let response = server.post("/v1/models/sales/predict", json!({ "rows": wrong }).to_string(), &[]);
        assert!(
            response.status == 422 && response.text.contains(words),
            "{}: {}",
            response.status,
            response.text
        );
    }
}

#[test]
fn windows_name_a_time_that_repeats_and_rows_out_of_order() {
    let home = TestHome::new();
    panel(&home, "store,day,sold");
    home.write("run.toml", FORECAST.replace("key = \"store\"\n", ""));
    let CommandOutput { code, stderr, .. } = home.run(&["check", "--config", "run.toml"]);
    assert!(code == Some(2) && stderr.contains("column `day`: expected each time once"), "{stderr}");
    assert!(stderr.contains("`series.key`"), "{stderr}");
    home.write("run.toml", FORECAST.replace("[series]\ntime = \"day\"\nkey = \"store\"\n", ""));
    let said = home.json(&["check", "--config", "run.toml"])["suspicions"].to_string();
    assert!(said.contains("`day` of row") && said.contains("is earlier than that of row"), "{said}");
}

#[test]
fn batch_norm_gets_two_examples_or_an_explanation() {
    let home = TestHome::with_blobs(100, "[train]\nepochs = 2\nbatch_size = 1\n");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    let said =
        "layer trunk.1 (batch_norm) requires at least two examples at once, but `train.batch_size` is 1";
    assert!(output.stderr.contains(said) && output.stderr.contains("layer_norm"), "{}", output.stderr);

    // All but one of the training rows fill a batch.
    let rows = home.json(&["check", "--config", "run.toml", "--set", "train.batch_size=8"]);
    let train = rows["rows"]["train"].as_u64().expect("number of training rows");
    let size = format!("train.batch_size={}", train - 1);
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex", "--set", &size]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let said = format!("it joins the batch before, of {train} examples");
    assert_eq!(output.stdout.matches(&said).count(), 1, "{}", output.stdout);
    assert!(output.stdout.contains("step 2/2"), "{}", output.stdout);
}

#[test]
fn another_spelling_of_a_class_or_a_column_is_named() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.write("test.csv", cupola_testkit::blobs(40).replace("left", "left.").replace("right", "right."));
    let config = home.read("run.toml").replace("source = ", "test_source = \"test.csv\"\nsource = ");
    home.write("run.toml", &config);
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("class `left` is the same without `.` at the end"), "{}", output.stderr);
    assert!(output.stderr.contains("write `text = [\"punctuation\"]` under `[clean]`"), "{}", output.stderr);
    home.write("run.toml", format!("{config}\n[clean]\ntext = [\"punctuation\"]\n"));
    let trained = home.train(&[]);
    assert!(trained["metrics"]["accuracy"].is_number(), "{trained}");
    // The package repairs labels of later files as well.
    assert_eq!(home.json(&["evaluate", "--model", "blobs", "--data", "test.csv"])["rows"], 40);

    home.write("run.toml", config.replace("name = \"side\"", "name = \"Side\""));
    let output = home.run(&["check", "--config", "run.toml"]);
    assert!(output.stderr.contains("(did you mean `side`, in other case?)"), "{}", output.stderr);
}
