//! Rankings, from a config to a served score.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::TestHome;

/// Results of `queries` queries. The relevance of a row is its place among those of its query by a hidden utility, which
/// no single column gives away; `part` is a predefined split that keeps queries together.
fn results(queries: usize) -> String {
    let mut text = "query,price,stars,kind,part,grade\n".to_owned();
    for query in 0..queries {
        let rows: Vec<(f64, usize, &str, f64)> = (0..3 + query % 9)
            .map(|row| {
                let price = 40.0 + ((query * 71 + row * 37) % 160) as f64;
                let (stars, kind) = (1 + (query + 3 * row) % 5, ["hotel", "hostel"][(query + row) % 2]);
                let utility = stars as f64 - price / 50.0 - if kind == "hostel" { 1.5 } else { 0.0 };
                (price, stars, kind, utility)
            })
            .collect();
        let best = rows.iter().map(|row| row.3).fold(f64::MIN, f64::max);
        let part = ["train", "train", "train", "valid", "test"][query % 5];
        for (price, stars, kind, utility) in rows {
            let grade = (3.0 - (best - utility)).max(0.0).floor();
            let _ = writeln!(text, "q{query},{price},{stars},{kind},{part},{grade}");
        }
    }
    text
}

fn config(more: &str) -> String {
    format!(
        "name = \"mail\"\nseed = 1\n[data]\nsource = \"rows.csv\"\n{more}\n[[targets]]\nname = \"grade\"\nkind = \"rank\"\n\
         group = \"query\"\n[model]\nfamily = \"gbdt\"\nrounds = 60\nleaf = 5\n"
    )
}

fn home(more: &str) -> TestHome {
    let home = TestHome::new();
    home.write("rows.csv", results(200));
    home.write("run.toml", config(more));
    home
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value}"))
}

#[test]
fn a_ranking_is_trained_evaluated_and_served() {
    let home = home("");
    let trained = home.train(&[]);
    let metrics = &trained["metrics"];
    assert!(number(&metrics["ndcg_at_10"]) > 0.93, "{trained}");
    for name in ["ndcg_at_5", "ndcg", "map", "mrr", "loss"] {
        assert!((0.0..=1.0).contains(&number(&metrics[name])), "{name}: {trained}");
    }
    let summary = &trained["summary"];
    assert_eq!(
        (&summary["metric"], &summary["baseline"]["model"]),
        (&json!("ndcg_at_10"), &json!("a random order"))
    );
    assert!(number(&summary["test"]) > number(&summary["baseline"]["test"]) + 0.1, "{summary}");
    let important: Vec<&Value> = summary["importance"].as_array().unwrap().iter().collect();
    assert!(important.iter().any(|one| one["column"] == "price"), "{summary}");
    // Scores order the rows of a query, and requests have no query.
    let row = |price: f64, stars: u32, kind: &str| json!({ "price": price, "stars": stars, "kind": kind, "part": "test" });
    let score = |row: &Value| number(&home.predict_one(row)["grade"]["value"]);
    assert!(score(&row(45.0, 5, "hotel")) > score(&row(190.0, 1, "hostel")));
    let shown = home.json(&["models", "show", "mail"]);
    let text = shown.to_string();
    assert!(text.contains("\"orders\":\"query\""), "{text}");
    assert!(!text.contains("\"name\":\"query\""), "the group is no input: {text}");
    // The same rows have the same metrics, with intervals from resampled groups.
    let again = home.json(&["evaluate", "--model", "mail", "--data", "rows.csv"]);
    assert!(number(&again["metrics"]["ndcg_at_10"]) > 0.93, "{again}");
    home.write("other.csv", results(200).replace("query,price", "search,price"));
    let output = home.run(&["evaluate", "--model", "mail", "--data", "other.csv"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("column `query` is not in the data"), "{}", output.stderr);
}

#[test]
fn pairs_without_weights_and_a_gate_work_too() {
    let home = home("");
    let gate = "gate={ \"test/ndcg_at_10\" = \">= 0.9\", \"test/mrr\" = \">= 0.9\" }";
    let trained = home.train(&["--set", "model.rank_loss=\"pairwise\"", "--set", gate]);
    assert!(number(&trained["metrics"]["ndcg_at_10"]) > 0.9, "{trained}");
    let output = home.run(&["train", "--config", "run.toml", "--set", "gate={ \"test/ndgc\" = \">= 0.9\" }"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(
        output.stderr.contains("unknown metric `ndgc` of a ranking (did you mean `ndcg`?)"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_group_is_never_in_two_splits() {
    let home = home("[split]\nby = \"predefined\"\ncolumn = \"part\"");
    home.train(&[]);
    home.write("rows.csv", results(200).replacen("train", "test", 1));
    let output = home.run(&["train", "--config", "run.toml"]);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(
        output.stderr.contains("group `q0` of `query` has rows in the train and the test split"),
        "{}",
        output.stderr
    );
}

#[test]
fn wrong_grades_and_groups_are_reported_with_their_row() {
    let home = home("");
    for (from, to, expected) in [
        ("q3,", ",", "column `query`: expected the group of the row, found nothing"),
        (",0\n", ",0.5\n", "column `grade`: expected a relevance, a whole number from 0 to 30, found 0.5"),
        (",0\n", ",31\n", "column `grade`: expected a relevance, a whole number from 0 to 30, found 31"),
        (",0\n", ",-1\n", "column `grade`: expected a relevance, a whole number from 0 to 30, found -1"),
        (",0\n", ",\n", "column `grade`: expected a value of the target"),
    ] {
        home.write("rows.csv", results(200).replacen(from, to, 1));
        let output = home.run(&["train", "--config", "run.toml"]);
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
    home.write("rows.csv", results(200));
    for (set, expected) in [
        ("targets.0.group=\"querry\"", "column `querry` is not in the data (did you mean `query`?)"),
        ("model={ family = \"mlp\", hidden = [4] }", "only `gbdt` learns a ranking"),
        ("model={ family = \"random_forest\" }", "only `gbdt` learns a ranking"),
    ] {
        let output = home.run(&["train", "--config", "run.toml", "--set", set]);
        assert_eq!(output.code, Some(2), "{}", output.stderr);
        assert!(output.stderr.contains(expected), "{expected}: {}", output.stderr);
    }
}

#[test]
fn a_command_trains_a_ranking_without_a_config() {
    let home = home("");
    let asked = ["train", "--data", "rows.csv", "--target", "grade", "--kind", "rank", "--device", "flex"];
    let output = home.run(&asked);
    assert_eq!(output.code, Some(2), "{}", output.stderr);
    assert!(output.stderr.contains("name the column of the groups with --group"), "{}", output.stderr);
    let grouped: Vec<&str> = asked.iter().copied().chain(["--group", "query"]).collect();
    let trained = home.json(&grouped);
    assert!(number(&trained["metrics"]["ndcg_at_10"]) > 0.85, "{trained}");
}
