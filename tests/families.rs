//! Text and series inputs, boosted trees and language models, trained from a config and then served.

use serde_json::{Value, json};

use crate::support::TestHome;

/// CSV with a number, a series of six steps, a text, and a class that the text determines.
fn table(rows: usize) -> String {
    let mut text = "x,s0,s1,s2,s3,s4,s5,words,label\n".to_owned();
    for row in 0..rows {
        let (x, spam) = ((row as f64 * 0.618).fract(), row % 3 == 0);
        let series: Vec<String> =
            (0..6).map(|t| format!("{:.3}", (row as f64 + f64::from(t)).sin())).collect();
        let words = if spam { "win a \"\"free\"\" prize \\ now" } else { "minutes of the meeting, attached" };
        let label = if spam { "spam" } else { "ham" };
        let series = series.join(",");
        let words = format!("\"{words} {}\"", row % 7);
        text += &[x.to_string(), series, words, label.to_owned()].join(",");
        text.push('\n');
    }
    text
}

const TEXT: &str = "[[inputs]]\nname = \"words\"\nkind = \"text\"\n\
    tokens = { kind = \"bpe\", vocabulary = 400, length = 12, lowercase = true }\n";
const REST: &str = "[[inputs]]\nname = \"x\"\nkind = \"number\"\n\
    [[inputs]]\nname = \"s\"\nkind = \"series\"\ncolumns = \"s*\"\nsteps = [6, 1]\n";

fn test_home(inputs: &str, model: &str) -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", table(240));
    home.write(
        "run.toml",
        format!(
            "name = \"mail\"\nseed = 1\n[data]\nsource = \"rows.csv\"\n{inputs}[[targets]]\nname = \"label\"\n\
             kind = \"category\"\n[model]\n{model}\n[train]\nepochs = 6\nbatch_size = 16\n\
             [train.optimizer]\nlearning_rate = 5e-3\n"
        ),
    );
    home
}

/// Prediction of `label`, equal from the server and from `predict`.
fn served(home: &TestHome, row: &Value) -> Value {
    home.predict_one(row)["label"].clone()
}

#[test]
fn a_text_classifier_is_trained_and_served() {
    let home = test_home(TEXT, "family = \"text_transformer\"\nblocks = 1\nwidth = 16\nheads = 2");
    let trained = home.train(&[]);
    assert!(trained["metrics"]["f1"].as_f64().unwrap() > 0.95, "{trained}");
    let spam = served(&home, &json!({ "words": "a FREE prize" }));
    assert_eq!(spam["value"], "spam");
    // Unknown tokens only, a missing text and an empty one.
    for row in [json!({ "words": "\u{1f980}" }), json!({ "words": null }), json!({ "words": "" })] {
        served(&home, &row);
    }
    let server = home.serve(&["--model", "mail"]);
    let refused = server.post("/v1/models/mail/predict", "{\"rows\": [{\"words\": [1]}]}", &[]);
    assert_eq!(refused.status, 422, "{}", refused.text);
}

#[test]
fn a_number_a_series_and_a_text_share_one_trunk() {
    let home = test_home(&format!("{REST}{TEXT}"), "family = \"mlp\"\nhidden = [16]");
    let shown = home.json(&["check", "--config", "run.toml"]);
    let layers: Vec<&str> =
        shown["layers"].as_array().unwrap().iter().map(|l| l["name"].as_str().unwrap()).collect();
    assert!(layers.contains(&"encoders.words.tokens"), "{layers:?}");
    assert!(layers.contains(&"encoders.s.layers.0"), "{layers:?}");
    let trained = home.train(&[]);
    assert!(trained["metrics"]["roc_auc"].as_f64().unwrap() > 0.95, "{trained}");
    let row =
        json!({ "x": 0.5, "s0": 0, "s1": 0, "s2": 0, "s3": 0, "s4": 0, "s5": 0, "words": "win a prize" });
    assert_eq!(served(&home, &row)["value"], "spam");
}

#[test]
fn boosted_trees_work_with_the_same_commands() {
    let numbers = "[[inputs]]\nname = \"x\"\nkind = \"number\"\n\
        [[inputs]]\nname = \"s\"\nkind = \"number\"\ncolumns = \"s*\"\n";
    let home = test_home(numbers, "family = \"gbdt\"\nrounds = 100");
    home.json(&["check", "--config", "run.toml"]);
    let trained = home.train(&[]);
    assert!(trained["trees"].as_u64().unwrap() > 0);
    let row = json!({ "x": 0.5, "s0": 0, "s1": 0.84, "s2": 0.9, "s3": 0.1, "s4": -0.7, "s5": -0.9 });
    assert!(served(&home, &row)["probabilities"]["spam"].is_number());
    let again = home.json(&["evaluate", "--model", "mail", "--data", "rows.csv"]);
    assert_eq!(again["rows"], 240);
}

#[test]
fn trees_reject_a_text_input_with_a_remedy() {
    let home = test_home(TEXT, "family = \"gbdt\"");
    let output = home.run(&["train", "--config", "run.toml"]);
    assert_ne!(output.code, Some(0));
    assert!(output.stderr.contains("choose a network in `[model]`"), "{}", output.stderr);
}

#[test]
fn keys_that_do_not_fit_an_input_are_reported() {
    for (inputs, words) in [
        ("[[inputs]]\nname = \"words\"\nkind = \"text\"\n", "a text requires `tokens"),
        ("[[inputs]]\nname = \"s\"\nkind = \"series\"\ncolumns = \"s*\"\n", "a series requires `steps"),
        (
            "[[inputs]]\nname = \"x\"\nkind = \"number\"\naugment = { flip = true }\n",
            "`augment` is only for images",
        ),
        (
            "[[inputs]]\nname = \"x\"\nkind = \"number\"\nbins = 4\nscale = \"none\"\n",
            "`bins` replaces `scale`",
        ),
    ] {
        let home = test_home(inputs, "family = \"mlp\"\nhidden = [4]");
        let output = home.run(&["train", "--config", "run.toml"]);
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(output.stderr.contains(words), "{}", output.stderr);
    }
}

#[test]
fn a_smoke_run_leaves_no_files_and_a_rate_test_suggests_a_rate() {
    let home = test_home(TEXT, "family = \"gru\"\nwidth = 8");
    let output = home.run(&["train", "--config", "run.toml", "--device", "flex", "--smoke"]);
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.ends_with("next    cupola train --config run.toml\n"), "{}", output.stdout);
    for deleted in ["mail:1", "cupola serve", "\nrun "] {
        assert!(!output.stdout.contains(deleted), "{deleted} is deleted: {}", output.stdout);
    }
    let tried = home.train(&["--smoke", "--set", "train.epochs=2"]);
    assert_eq!(tried["next"], json!(["cupola train --config run.toml --set train.epochs=2"]));
    assert!(["run", "package", "path"].iter().all(|key| tried.get(key).is_none()), "{tried}");
    assert!(!home.root().exists(), "nothing is kept");
    let found = home.json(&["rate", "--config", "run.toml", "--device", "flex", "--steps", "30"]);
    let rate = found["suggested"].as_f64().unwrap();
    assert!((1e-6..1.0).contains(&rate), "{found}");
    assert!(found["tried"].as_array().unwrap().len() > 5);
    assert!(!home.root().exists(), "nothing is kept");
}

#[test]
fn a_language_model_learns_generates_and_serves_the_next_token() {
    let home = TestHome::new();
    home.write(
        "run.toml",
        "name = \"mail\"\nseed = 1\n[data]\nsource = \"text.csv\"\n[split]\nvalid = 0.2\ntest = 0.2\nby = \"random\"\n\
         [[inputs]]\nname = \"text\"\nkind = \"text\"\ntokens = { kind = \"char\", length = 16 }\n\
         [[targets]]\nname = \"text\"\nkind = \"next_token\"\n\
         [model]\nfamily = \"llama\"\nblocks = 1\nwidth = 16\nheads = 2\n\
         [train]\nepochs = 30\nbatch_size = 8\n[train.optimizer]\nlearning_rate = 1e-2\n",
    );
    // A random split puts equal rows into the same part, so the rows must differ.
    let rows: Vec<String> =
        (0..60).map(|row| format!("\"the whale and the sea{}\"", " ".repeat(row))).collect();
    home.write("text.csv", format!("text\n{}\n", rows.join("\n")));
    let trained = home.train(&[]);
    assert!(trained["metrics"]["loss"].as_f64().unwrap() < 0.5, "{trained}");
    let generate = |more: &[&str]| {
        let mut args = vec!["generate", "--model", "mail", "--device", "flex", "--prompt", "the wh"];
        args.extend(more);
        home.json(&args)["text"].as_str().unwrap().to_owned()
    };
    let greedy = generate(&["--temperature", "0", "--tokens", "7"]);
    assert_eq!(greedy, "the whale and");
    let (one, two) = (generate(&["--seed", "5"]), generate(&["--seed", "5"]));
    assert_eq!(one, two);
    assert_ne!(one, generate(&["--seed", "6", "--temperature", "2"]));
    assert_eq!(served_text(&home, "the whal"), "e");
    let output = home.run(&["generate", "--model", "mail", "--top-p", "2"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
}

fn served_text(home: &TestHome, text: &str) -> Value {
    let server = home.serve(&["--model", "mail"]);
    let body = json!({ "rows": [{ "text": text }] }).to_string();
    server.post("/v1/models/mail/predict", body, &[]).json()["predictions"][0]["text"]["value"].clone()
}

#[test]
fn forests_are_measured_on_rows_that_their_trees_have_not_drawn() {
    let home = test_home("[[inputs]]\nname = \"x\"\nkind = \"number\"\n", "family = \"random_forest\"");
    let trained = home.train(&[]);
    let found = &trained["out_of_bag"];
    let rows = found["rows"].as_u64().unwrap();
    // Each of the 168 training rows is in about 63 of 100 trees.
    assert!((100..240).contains(&rows), "{found}");
    let accuracy = found["metrics"]["accuracy"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&accuracy), "{found}");
    let report = home.read(&format!(".cupola/runs/{}/report.html", trained["run"].as_str().unwrap()));
    assert!(report.contains("out-of-bag"), "the report has no out-of-bag score");
}
