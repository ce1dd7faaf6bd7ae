//! Listings and comparisons of runs.

use super::*;

const FIRST: &str = "name = 'm'\nseed = 0\n[model]\nfamily = 'mlp'\n[train]\nepochs = 20\nbatch_size = 256\n";

/// Finished run with a score, whose creation is `minute` minutes past the hour.
fn finished(home: &Home, config: &str, score: Option<(&str, f64, bool)>, minute: u32) -> String {
    let valid = score.map(|(metric, value, larger_is_better)| ValidationScore {
        metric: metric.to_owned(),
        value,
        larger_is_better,
    });
    let created = format!("2026-01-01T00:{minute:02}:00.000Z");
    let run = RunRecord { created, seconds: Some(f64::from(60 - minute)), valid, ..record("m") };
    let (folder, saved) = RunFolder::create(home, run, config).unwrap();
    if let Some((metric, value, _)) = score {
        let (valid, test) = (json!({ metric: value, "loss": 1.0 - value }), json!({ metric: 0.5 }));
        let importance = json!([{ "column": "age", "share": value }]);
        let splits = json!({ "valid": { "values": valid }, "test": { "values": test } });
        folder.write("metrics.json", &json!({ "splits": splits, "importance": importance })).unwrap();
    }
    folder.save(&RunRecord { status: Status::Finished, ..saved.clone() }).unwrap();
    saved.id
}

fn listed(home: &Home, sort: &str, filters: &[&str]) -> Vec<RunSummary> {
    let filters = filters.iter().map(|filter| filter.parse().unwrap()).collect();
    let query = RunQuery { sort: sort.parse().unwrap(), filters, limit: None };
    Index::open(home).unwrap().history(&query).unwrap()
}

fn ids(found: &[RunSummary]) -> Vec<&str> {
    found.iter().map(|run| run.id.as_str()).collect()
}

#[test]
fn changes_are_those_since_the_run_before_or_the_defaults() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    finished(&home, FIRST, None, 1);
    let second = FIRST.replace("epochs = 20", "epochs = 5").replace("mlp'", "mlp'\nhidden = [3]");
    finished(&home, &second, None, 2);
    finished(&home, &second.replace("seed = 0", "seed = 0.0"), None, 3);
    let found = listed(&home, "created", &[]);
    let changes = |at: usize| -> Vec<(String, Option<serde_json::Value>, Option<serde_json::Value>)> {
        found[at].changed.iter().cloned().map(|c| (c.key, c.before, c.value)).collect()
    };
    // 20 epochs are the default, 256 rows are not; keys without a default are no change.
    assert_eq!(changes(2), [("train.batch_size".to_owned(), Some(json!(64)), Some(json!(256)))]);
    let hidden = ("model.hidden".to_owned(), None, Some(json!([3])));
    assert_eq!(changes(1), [hidden, ("train.epochs".to_owned(), Some(json!(20)), Some(json!(5)))]);
    assert_eq!(changes(0), []);
    assert_eq!(found[0].family, "mlp");
}

#[test]
fn runs_are_sorted_filtered_and_limited() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let low = finished(&home, FIRST, Some(("roc_auc", 0.6, true)), 1);
    let none = finished(&home, &FIRST.replace("mlp", "cnn"), None, 2);
    let high = finished(&home, &FIRST.replace("256", "128"), Some(("roc_auc", 0.9, true)), 3);
    let error = finished(&home, FIRST, Some(("rmse", 2.0, false)), 4);
    let small = finished(&home, FIRST, Some(("rmse", 1.0, false)), 5);
    assert_eq!(ids(&listed(&home, "created", &[])), [&small, &error, &high, &none, &low]);
    assert_eq!(ids(&listed(&home, "valid", &[])), [&small, &error, &high, &low, &none]);
    assert_eq!(ids(&listed(&home, "time", &[])), [&small, &error, &high, &none, &low]);
    assert_eq!(ids(&listed(&home, "valid", &["family=mlp", "train.batch_size=128.0"])), [&high]);
    assert_eq!(ids(&listed(&home, "created", &["state=finished", "family=cnn"])), [&none]);
    assert!(listed(&home, "created", &["status=running"]).is_empty());
    let query = RunQuery { limit: Some(2), ..RunQuery::default() };
    let mut index = Index::open(&home).unwrap();
    assert_eq!(ids(&index.history(&query).unwrap()), [&small, &error]);
    let filters = vec!["stat=mlp".parse().unwrap()];
    let error = index.history(&RunQuery { filters, ..RunQuery::default() }).unwrap_err().to_string();
    assert!(error.contains("unknown filter `stat` (did you mean `state`?)"), "{error}");
    assert!("familly=x".parse::<RunFilter>().is_ok() && "family".parse::<RunFilter>().is_err());
    assert!("score".parse::<RunColumn>().unwrap_err().to_string().contains("unknown column `score`"));
}

#[test]
fn a_run_without_a_process_is_interrupted() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let (run, saved) = RunFolder::create(&home, record("m"), "x").unwrap();
    let held = run.hold().unwrap();
    assert_eq!(listed(&home, "created", &[])[0].status, Status::Running);
    assert_eq!(run.status(&run.record().unwrap()), Status::Running);
    drop(held);
    // The lock file stays, as after a kill or a reboot.
    assert!(run.path().join(".lock").exists());
    assert_eq!(listed(&home, "created", &["state=interrupted"])[0].status, Status::Interrupted);
    assert_eq!(run.record().unwrap().status, Status::Running, "the record is its writer's");
    run.save(&RunRecord { status: Status::Stopped, ..saved }).unwrap();
    assert_eq!(listed(&home, "created", &[])[0].status, Status::Stopped);
}

#[test]
fn runs_are_found_by_the_beginning_of_their_id() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let first = finished(&home, FIRST, None, 1);
    let second = finished(&home, FIRST, None, 2);
    let open = |id: &str| RunFolder::open(&home, id).map(|run| run.record().unwrap().id);
    assert_eq!(open("m-202601010001").unwrap(), first);
    assert_eq!(open("latest").unwrap(), second);
    let error = open("m-2026").unwrap_err().to_string();
    assert!(
        error.contains(&format!("the beginning of 2 runs; write one of them: {first}, {second}")),
        "{error}"
    );
    assert!(matches!(open(""), Err(Error::Unknown { .. })));
}

#[test]
fn a_comparison_ranks_by_the_valid_split_and_shows_what_differs() {
    let folder = temporary();
    let home = Home::new(folder.path().into());
    let low = finished(&home, FIRST, Some(("roc_auc", 0.6, true)), 1);
    let high = finished(&home, &FIRST.replace("256", "128"), Some(("roc_auc", 0.9, true)), 2);
    let none = finished(&home, FIRST, None, 3);
    let named = [low.clone(), none.clone(), "m-202601010002".to_owned(), low.clone()];
    let found = RunComparison::of(&home, &named).unwrap();
    assert_eq!(found.metric.as_deref(), Some("roc_auc"));
    let ranked: Vec<(&str, bool)> = found.runs.iter().map(|run| (run.id.as_str(), run.best)).collect();
    assert_eq!(ranked, [(high.as_str(), true), (low.as_str(), false), (none.as_str(), false)]);
    let sizes = SettingRow {
        key: "train.batch_size".into(),
        values: vec![Some(json!(128)), Some(json!(256)), Some(json!(256))],
    };
    assert_eq!(found.settings, [sizes]);
    assert!(found.same_split);
    assert_eq!(found.importance[0].values, [Some(0.9), Some(0.6), None]);
    assert_eq!(found.runs[0].test["roc_auc"], 0.5);
    // An error is better when it is smaller; other metrics cannot be compared with it.
    let error = finished(&home, &FIRST.replace("seed = 0", "seed = 1"), Some(("rmse", 0.1, false)), 4);
    let found = RunComparison::of(&home, &[low, error]).unwrap();
    assert!(found.metric.is_none() && !found.same_split && found.runs.iter().all(|run| !run.best));
}
