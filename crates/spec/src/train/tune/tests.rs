use serde_json::json;

use super::*;
use crate::{Problems, Run, families, parse};

const BASE: &str = "name = 'a'\n[data]\nsource = 'a.csv'\n[[targets]]\nname = 'y'\nkind = 'category'\n\
                    [model]\nfamily = 'mlp'\n";

fn parsed(tune: &str) -> Result<Run, Problems> {
    parse("a.toml", &format!("{BASE}{tune}"), &[], &|path: &str| Err(path.to_owned()))
}

fn problem(tune: &str) -> String {
    parsed(tune).unwrap_err().to_string()
}

#[test]
fn a_space_has_dotted_keys_in_quotes_or_not() {
    let text = "[tune]\ntrials = 9\nmetric = ['roc_auc', 'size']\n[tune.space]\n\
                train.optimizer.learning_rate = { low = 1e-4, high = 1e-1, log = true }\n\
                'train.epochs' = { low = 1, high = 5 }\nmodel.hidden = { choices = [[8], [16, 16]] }\n";
    let run = parsed(text).unwrap();
    let tune = run.tune.unwrap();
    let keys: Vec<&str> = tune.space.0.keys().map(String::as_str).collect();
    assert_eq!(keys, ["model.hidden", "train.epochs", "train.optimizer.learning_rate"]);
    let values = |key: &str, integer| tune.space.0[key].values(integer).unwrap();
    assert_eq!(values("train.epochs", true), TuneValues::Int { low: 1, high: 5, log: false, step: 1 });
    assert_eq!(
        values("train.optimizer.learning_rate", false),
        TuneValues::Float { low: 1e-4, high: 0.1, log: true, step: None }
    );
    assert_eq!(values("model.hidden", true), TuneValues::Choices(vec![json!([8]), json!([16, 16])]));
    assert_eq!(tune.metrics(), [TuneMetric::RocAuc, TuneMetric::Size]);
    assert_eq!(run.sealed.tune, None);
    assert_eq!(parsed("").unwrap().tune, None);
}

#[test]
fn what_is_measured_of_the_model_has_no_goal() {
    for name in ["size", "latency"] {
        let metric: TuneMetric = serde_json::from_value(name.into()).unwrap();
        assert_eq!((metric.name(), metric.goal(), metric.larger_is_better()), (name, None, false));
    }
}

#[test]
fn wrong_keys_and_ranges_are_named_with_a_remedy() {
    for (space, expected) in [
        ("train.epoch = { low = 1, high = 5 }", "unknown key `train.epoch`; did you mean `train.epochs`?"),
        ("model.blocks = { low = 1, high = 5 }", "unknown key `model.blocks`"),
        (
            "train.optimizer.learning_rte = { low = 1, high = 5 }",
            "did you mean `train.optimizer.learning_rate`?",
        ),
        ("split.valid = { low = 0.1, high = 0.5 }", "trials that differ in `split` are not comparable"),
        ("train.epochs = { low = 5, high = 1 }", "`low` 5 is above `high` 1; swap them"),
        ("train.epochs = { low = 1.5, high = 3 }", "`low` must be an integer, found 1.5"),
        ("train.ema = { low = 0, high = 0.9, log = true }", "`log` requires a positive `low`"),
        ("train.epochs = { lw = 1, high = 3 }", "unknown key `lw`; did you mean"),
        ("train.epochs = { low = 1 }", "`low` and `high`, or `choices`, are missing"),
        ("train.epochs = { choices = [] }", "`choices` is empty"),
        ("train.epochs = { choices = [1, 1] }", "the choice 1 occurs twice"),
        (
            "train.epochs = { low = 1, high = 3, when = { 'model.family' = ['mlp'] } }",
            "not a key of the space",
        ),
    ] {
        let found = problem(&format!("[tune.space]\n{space}\n"));
        assert!(found.contains(expected), "{space}: {found}");
    }
    for (tune, expected) in [
        ("trials = 0", "0 is too small; write at least 1"),
        ("time = '3 weeks'", "expected a time above 0 such as"),
        ("metric = 'size'", "begin with one of the valid split"),
        ("metric = []", "the list is empty"),
        ("sampler = 'tp'", "did you mean `tpe`?"),
        ("sampler = 'gp'\nmetric = ['loss', 'size']", "this sampler supports one metric"),
    ] {
        let found = problem(&format!("[tune]\n{tune}\n"));
        assert!(found.contains(expected), "{tune}: {found}");
    }
}

#[test]
fn keys_of_a_searched_family_are_known() {
    let text = "[tune.space]\nmodel.family = { choices = ['mlp', 'random_forest'] }\n\
                model.leaf = { low = 1, high = 9, when = { 'model.family' = ['random_forest'] } }\n";
    assert!(parsed(text).is_ok(), "{:?}", parsed(text));
}

#[test]
fn every_family_but_layers_has_a_default_space_of_its_own_keys() {
    for info in families() {
        let trees = info.multiply_adds.is_none();
        let space = Tune::default_space(info.family, trees, true);
        let sizes = space.0.keys().filter(|key| key.starts_with("model.")).count();
        assert!(sizes > 0 || info.family == "layers", "{}", info.family);
        for (key, range) in &space.0 {
            let integer = Tune::is_integer_key(key, &[info.family]).unwrap();
            range.values(integer).unwrap_or_else(|why| panic!("{}: {key}: {why}", info.family));
        }
    }
}

#[test]
fn times_have_units() {
    for (text, seconds) in
        [("90s", 90.0), ("30m", 1800.0), ("1h30m", 5400.0), ("0.5h", 1800.0), ("2d", 172_800.0)]
    {
        assert_eq!(parse_time(text), Some(seconds), "{text}");
    }
    for text in ["", "30", "0s", "m", "1h30", "-5m", "1w", "..s"] {
        assert_eq!(parse_time(text), None, "{text}");
    }
}
