//! Training beyond one target on one device, by config alone, then served.

use serde_json::{Value, json};

use crate::support::TestHome;

/// CSV with a number, a text, a class that the text determines, and a price that follows from both inputs.
fn rows(rows: usize) -> String {
    let line = |row: usize| {
        let (x, spam) = ((row as f64 * 0.618).fract(), row.is_multiple_of(3));
        let words = if spam { "win a prize now" } else { "minutes of the meeting" };
        let (label, more) = if spam { ("spam", 5.0) } else { ("ham", 0.0) };
        format!("{x},{words} {},{label},{:.4}\n", row % 7, 10.0 * x + more)
    };
    let lines: String = (0..rows).map(line).collect();
    format!("x,words,label,price\n{lines}")
}

const TEXT: &str =
    "[[inputs]]\nname = \"words\"\nkind = \"text\"\ntokens = { kind = \"word\", length = 6 }\n";
const NUMBER: &str = "[[inputs]]\nname = \"x\"\nkind = \"number\"\n";
const LABEL: &str = "[[targets]]\nname = \"label\"\nkind = \"category\"\n";
const PRICE: &str = "[[targets]]\nname = \"price\"\nkind = \"number\"\nweight = 2.0\n";

fn test_home(body: &str) -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", rows(480));
    home.write("run.toml", format!("name = \"mail\"\nseed = 1\n{body}"));
    home
}

fn config(data: &str, columns: &str, model: &str, train: &str) -> String {
    format!(
        "[data]\nsource = \"rows.csv\"\n{data}\n{columns}\n[model]\n{model}\n\
         [train]\nepochs = 12\nbatch_size = 16\n{train}\n"
    )
}

const FAST: &str = "[train.optimizer]\nlearning_rate = 1e-2\n";

#[test]
fn two_targets_share_a_trunk_over_inputs_combined_by_a_transformer() {
    let combine = "[combine]\nkind = \"transformer\"\nwidth = 16\nheads = 2\n";
    let columns = format!("{NUMBER}{TEXT}{LABEL}{PRICE}{combine}");
    let home = test_home(&config("", &columns, "family = \"mlp\"\nhidden = [16]", FAST));
    let trained = home.train(&[]);
    let metrics = &trained["metrics"];
    assert!(metrics["label/roc_auc"].as_f64().unwrap() > 0.99, "{trained}");
    assert!(metrics["price/rmse"].as_f64().unwrap() < 1.5, "{trained}");
    assert!(metrics["loss"].as_f64().is_some(), "{trained}");
    let found = home.predict_one(&json!({ "x": 0.5, "words": "win a prize now 3" }));
    assert_eq!(found["label"]["value"], "spam");
    let price = found["price"]["value"].as_f64().unwrap();
    assert!((price - 10.0).abs() < 3.0, "{price}");
    let output = home.run(&["predict", "--model", "mail", "--input", "rows.csv", "--output", "out.csv"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let out = home.read("out.csv");
    assert!(out.starts_with("label,label_p_ham,label_p_spam,price\n"), "{out}");
    assert_eq!(out.lines().count(), 481);
    let evaluated = home.json(&["evaluate", "--model", "mail", "--data", "rows.csv", "--device", "flex"]);
    assert!(evaluated["metrics"]["label/accuracy"].as_f64().unwrap() > 0.95, "{evaluated}");
}

#[test]
fn a_forest_and_boosted_trees_predict_two_targets() {
    for model in ["family = \"random_forest\"\ntrees = 20", "family = \"gbdt\"\nrounds = 100"] {
        let columns = format!("[[inputs]]\nname = \"x\"\nkind = \"number\"\n{PRICE}{LABEL}");
        let home = test_home(&config("", &columns, model, ""));
        let trained = home.train(&[]);
        // Without the text, the price is only known up to the 5.0 that a third of the rows add.
        let rmse = trained["metrics"]["price/rmse"].as_f64().unwrap();
        assert!(rmse < 4.0, "{model}: {trained}");
        assert!(trained["trees"].as_u64().unwrap() > 1, "{trained}");
        let found = home.predict_one(&json!({ "x": 0.5 }));
        let odds = &found["label"]["probabilities"];
        let sum = odds["ham"].as_f64().unwrap() + odds["spam"].as_f64().unwrap();
        assert!((sum - 1.0).abs() < 1e-5, "{found}");
    }
}

#[test]
fn mistakes_about_targets_and_streams_are_reported() {
    let cases = [
        (format!("{NUMBER}{LABEL}{LABEL}"), "", "duplicate target"),
        (format!("{NUMBER}{LABEL}{PRICE}"), "metric = \"accuracy\"", "with several targets the best epoch"),
        (
            format!("{NUMBER}{LABEL}[combine]\nkind = \"transformer\"\n"),
            "",
            "`combine` requires inputs of several kinds",
        ),
        (format!("{NUMBER}{LABEL}"), "batch_size_ = 3", "did you mean `batch_size`?"),
        (format!("{NUMBER}{LABEL}"), "precision = \"half\"", "precision"),
    ];
    for (columns, train, words) in cases {
        let home = test_home(&config("", &columns, "family = \"mlp\"\nhidden = [4]", train));
        let output = home.run(&["check", "--config", "run.toml"]);
        assert_eq!(output.code, Some(2), "{words}: {}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
    let home = test_home(&config("stream = true", &format!("{NUMBER}{LABEL}"), "family = \"gbdt\"", ""));
    let output = home.run(&["train", "--config", "run.toml"]);
    assert_eq!(output.code, Some(2));
    assert!(
        output.stderr.contains("write `random`, `group`") && output.stderr.contains("trees need all rows"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_stream_trains_as_rows_in_memory_do_and_resumes_bit_for_bit() {
    let columns = format!("{NUMBER}{TEXT}{LABEL}{PRICE}[split]\nby = \"random\"\n");
    let model = "family = \"mlp\"\nhidden = [16]";
    let memory = test_home(&config("", &columns, model, FAST)).train(&[]);
    let home = test_home(&config("stream = true", &columns, model, FAST));
    let whole = home.train(&[]);
    assert!(whole["metrics"]["label/roc_auc"].as_f64().unwrap() > 0.99, "{whole}");
    let (a, b) = (&whole["metrics"]["price/rmse"], &memory["metrics"]["price/rmse"]);
    assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 0.5, "{a} {b}");
    // A run that stops in the middle of an epoch resumes there.
    let stopped = home.json(&["train", "--config", "run.toml", "--device", "flex", "--max-steps", "33"]);
    let run = stopped["run"].as_str().unwrap();
    home.unfinish(run);
    let resumed = home.json(&["train", "--resume", run, "--device", "flex"]);
    let weights = |result: &Value| {
        std::fs::read(std::path::Path::new(result["path"].as_str().unwrap()).join("model.safetensors"))
            .unwrap()
    };
    let absolute = |result: &Value| json!({ "path": home.path(result["path"].as_str().unwrap()) });
    assert_eq!(weights(&absolute(&resumed)), weights(&absolute(&whole)));
    let left = std::fs::read_dir(home.path(".cupola/streams")).unwrap().count();
    assert_eq!(left, 0, "files of streams have no name");
}

#[test]
fn devices_precision_and_an_automatic_batch_from_the_command_line() {
    let home =
        test_home(&config("", &format!("{NUMBER}{TEXT}{LABEL}"), "family = \"mlp\"\nhidden = [16]", FAST));
    let loss = |more: &[&str]| home.train(more)["metrics"]["loss"].as_f64().unwrap();
    let one = loss(&[]);
    let two = loss(&["--devices", "2"]);
    assert!((one - two).abs() < 1e-4, "{one} on one device, {two} on two");
    let half = loss(&["--set", "train.precision=mixed"]);
    assert!((one - half).abs() < 0.05, "{one} in full, {half} in half precision");
    let auto = home.json(&["check", "--config", "run.toml", "--set", "train.batch_size=auto"]);
    assert_eq!(auto["batch_size"], 32, "an eighth of 336 rows");
    loss(&["--set", "train.batch_size=auto", "--max-steps", "3"]);
    let output = home.run(&["train", "--config", "run.toml", "--mpi"]);
    let built = cfg!(feature = "mpi");
    assert!(built || output.code == Some(2) && output.stderr.contains("--features mpi"), "{}", output.stderr);
}

#[test]
fn a_published_model_is_fine_tuned_with_low_rank_matrices() {
    let family = "family = \"text_transformer\"\nblocks = 1\nwidth = 16\nheads = 2";
    let home = test_home(&config("", &format!("{TEXT}{LABEL}"), family, FAST));
    home.train(&[]);
    let tuned = config(
        "",
        &format!("{TEXT}{PRICE}"),
        "package = \"mail@latest\"\nlora = { rank = 2 }",
        "[train.optimizer]\nlearning_rate = 2e-2\n",
    );
    home.write("run.toml", format!("name = \"tuned\"\nseed = 1\n{tuned}"));
    let found = home.train(&[]);
    // The words determine 5 or nothing of the price; the rest has a standard deviation of 10 / sqrt(12).
    let rmse = found["metrics"]["rmse"].as_f64().unwrap();
    assert!(rmse < 3.2, "{found}");
    let shown = home.json(&["models", "show", "tuned"]);
    assert_eq!(shown["manifest"]["lineage"]["parent"], "mail:1", "{shown}");
    let read =
        |name: &str| std::fs::read(home.path(&format!(".cupola/models/{name}/1/model.safetensors"))).unwrap();
    let (base, tuned) = (read("mail"), read("tuned"));
    let names = |bytes: &[u8]| -> Vec<String> {
        let length = usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
        let header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        header.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(&base), names(&tuned), "the small matrices are added to the weights");
    home.write("one.jsonl", "{\"words\": \"win a prize now\"}");
    let output = home.run(&["predict", "--model", "tuned", "--input", "one.jsonl", "--device", "flex"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    let wrong = error_for_an_unknown_package(&home);
    assert!(wrong.contains("cupola models list"), "{wrong}");
}

fn error_for_an_unknown_package(home: &TestHome) -> String {
    let body = config("", &format!("{TEXT}{PRICE}"), "package = \"nobody\"", "");
    home.write("run.toml", format!("name = \"tuned\"\nseed = 1\n{body}"));
    let output = home.run(&["train", "--config", "run.toml"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    output.stderr
}
