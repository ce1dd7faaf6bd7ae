use crate::{SplitBy, parse};

const GOOD: &str = r#"
name = "digits"
[data]
source = "x.csv"
[[targets]]
name = "digit"
kind = "category"
[model]
family = "mlp"
hidden = [8]
"#;

/// Overrides of a valid config, and a part of the message that they cause.
const BROKEN: &[(&[&str], &str)] = &[
    (&["name=\"../x\""], "name: invalid name `../x`"),
    (&["split.valid=0.6", "split.test=0.4"], "split: `valid` and `test` leave less than 5 %"),
    (&["split.by=\"group\""], "split.column: `column` and"),
    (&["split.column=\"when\""], "split.column: `column` requires `by`: `time` for a column of times"),
    (&["split.gap=3"], "split.gap: `gap` requires `by = \"time\"`"),
    (&["split.by=\"time\"", "split.gap=\"3d\""], "split.gap: a time span requires a column of times"),
    (
        &["split.by=\"time\"", "split.column=\"t\"", "split.gap=\"soon\""],
        "split.gap: invalid time span `soon`; write one such as",
    ),
    (&["series.time=\"when\""], "series: `[series]` requires an input of kind `series`"),
    (&["split.by=\"k_fold\"", "split.folds=3", "split.fold=3"], "split.fold: `fold` must be less"),
    (&["evaluate.subgroups=[\"sex\", \"sex\"]"], "evaluate.subgroups[1]: `sex` is listed twice"),
    (&["evaluate.subgroups=[\"digit\"]"], "evaluate.subgroups[0]: `digit` is a target"),
    (&["evaluate.resamples=7"], "evaluate.resamples: fewer than 100 resamples"),
    (&["data.watermark=\"t\""], "data.watermark: `watermark` requires"),
    (&["data.delimiter=\"a\""], "data.delimiter: the delimiter must be one ASCII character"),
    (&["data.delimiter=\";\"", "data.comment=\";\""], "data.comment: `comment` must differ"),
    (&["data.columns=[\"a\", \"b\", \"a\"]"], "data.columns[2]: two columns are named `a`"),
    (&["data.source=\"s3://me:secret@host/x.csv\""], "data.source: a password must not"),
    (&["data.source=\"adbc:x?uri=a&adbc.x.sql.Auth_Token=abc\""], "data.source: a password must not"),
    (&["data.kafka={ \"sasl.password\" = \"x\" }"], "a secret must not be written in a config"),
    (&["data.stream=true"], "split.by: a stream is divided row by row"),
    (
        &["uncertainty.coverage=0.9"],
        "`method` is missing; add `method = ...`, one of split, cv_plus, cqr, raps or lac",
    ),
    (&["uncertainty.method=\"splt\""], "did you mean `split`?"),
    (&["uncertainty.method=\"split\"", "uncertainty.cover=0.9"], "did you mean `coverage`?"),
    (&["uncertainty.method=\"split\"", "uncertainty.coverage=1.0"], "uncertainty.coverage: 1.0 is too large"),
    (&["uncertainty.method=\"cv_plus\""], "uncertainty.method: `cv_plus` requires targets of kind `number`"),
    (&["uncertainty.method=\"cqr\""], "uncertainty.method: `cqr` predicts quantiles of a number"),
    (
        &["uncertainty.method=\"cqr\"", "targets.0.kind=\"number\"", "model={ family = \"random_forest\" }"],
        "uncertainty.method: a random forest does not predict quantiles",
    ),
    (&["uncertainty.method=\"raps\"", "targets.0.kind=\"number\""], "uncertainty.method: `raps` and `lac`"),
    (&["uncertainty.method=\"lac\"", "uncertainty.by=\"digit\""], "uncertainty.by: `by` must be a column"),
    (
        &["uncertainty.method=\"lac\"", "split.test=0.9", "uncertainty.share=0.1"],
        "uncertainty.share: `share` with",
    ),
    (&["evaluate.calibration=\"temprature\""], "did you mean `temperature`?"),
    (&["evaluate.threshold=\"f2\""], "evaluate.threshold"),
    (&["evaluate.threshold={ precison = 0.9 }"], "did you mean `precision`?"),
    (&["evaluate.threshold={ false_positive = 1 }"], "or `false_positive` with `false_negative`"),
    (&["evaluate.threshold={ false_positive = 0, false_negative = 0 }"], "one of the costs must be above 0"),
    (
        &["evaluate.threshold=\"f1\"", "targets.0.kind=\"number\""],
        "evaluate.threshold: `threshold` requires a target",
    ),
    (&["evaluate.calibration=\"platt\"", "split.valid=0.0"], "fitted on the valid split, which has no rows"),
    (&["expect=[{ column = \"a\", range = [3, 1] }]"], "expect[0].range: the minimum is larger"),
    (&["train.metric=\"rmse\""], "train.metric: `rmse` requires a number; write `accuracy`"),
    (
        &["targets.0.kind=\"number\"", "train.metric=\"roc_auc\""],
        "train.metric: `roc_auc` requires a category",
    ),
    (
        &["gate.test/acuracy=>= 0.9"],
        "gate.test/acuracy: unknown metric `acuracy` of a category (did you mean `accuracy`?)",
    ),
    (
        &["gate.test/accuracy=0.9"],
        "gate.test/accuracy: expected string, found 0.9; write a condition in quotes",
    ),
    (&["train.loss.kind=\"huber\""], "train.loss.kind: `huber` and `quantile` require a number"),
    (&["train.mixup=0.2", "train.loss.class_weights=\"balanced\""], "train.mixup: `mixup` supports neither"),
    (&["combine={ kind = \"transformer\" }"], "combine: `combine` requires inputs of several kinds"),
    (&["inputs=[{ name = \"a\", kind = \"text\" }]"], "inputs[0].kind: a text requires `tokens`"),
    (&["inputs=[{ name = \"a\", kind = \"number\", fill = \"near\" }]"], "inputs[0].fill: unknown `fill`"),
    (&["inputs=[{ name = \"a\", kind = \"date\", scale = \"none\" }]"], "inputs[0].scale: `scale` is only"),
    (
        &["inputs=[{ name = \"a\", kind = \"number\", encoder = { family = \"mlp\", hidden = [2] } }]"],
        "inputs[0].encoder: the columns of a table",
    ),
    (
        &["inputs=[{ name = \"a\", kind = \"image\", shape = [1, 8, 8] }]"],
        "model: layer trunk.0 (linear) requires a flat input [width], found shape [1, 8, 8]",
    ),
    (&["model={ family = \"gpt\", blocks = 1, width = 8, heads = 2 }"], "model: this family predicts"),
    (
        &["model={ family = \"autoencoder\", hidden = [4], code = 2 }"],
        "model.family: an autoencoder predicts its inputs",
    ),
    (&["targets.0.group=\"g\""], "targets[0].group: only a target of kind `rank` has groups"),
    (
        &["targets.0.kind=\"rank\"", "model={ family = \"gbdt\" }"],
        "targets[0].group: a ranking requires `group`",
    ),
    (
        &["targets.0.kind=\"rank\"", "targets.0.group=\"g\""],
        "model.family: only `gbdt` learns a ranking; write `family = \"gbdt\"`",
    ),
    (
        &["targets.0.kind=\"rank\"", "targets.0.group=\"digit\"", "model={ family = \"gbdt\" }"],
        "targets[0].group: the group and the relevance are one column",
    ),
    (
        &[
            "targets.0.kind=\"rank\"",
            "targets.0.group=\"g\"",
            "model={ family = \"gbdt\" }",
            "inputs=[{ name = \"g\", kind = \"category\" }]",
        ],
        "inputs[0]: `g` is the group of the ranking",
    ),
    (
        &[
            "targets.0.kind=\"rank\"",
            "targets.0.group=\"g\"",
            "model={ family = \"gbdt\" }",
            "train.metric=\"rmse\"",
        ],
        "train.metric: `rmse` is not a metric of a ranking; write `ndcg_at_10`",
    ),
    (&["train.metric=\"ndcg_at_10\""], "train.metric: `ndcg_at_10` requires a ranking"),
    (&["targets.0.horizon=3"], "targets[0]: `horizon` and `season` are only for a forecast"),
];

#[test]
fn every_rule_names_its_key_and_what_is_wrong() {
    for (overrides, expected) in BROKEN {
        let overrides: Vec<String> = overrides.iter().map(|&text| text.to_owned()).collect();
        let problems = parse("run.toml", GOOD, &overrides, &|_| Err("no file")).unwrap_err().to_string();
        assert!(problems.contains(expected), "{overrides:?}: {problems}");
    }
}

#[test]
fn a_ranking_is_split_by_its_groups_unless_a_column_decides() {
    let run = |split: &[&str]| {
        let rank = ["targets.0.kind=\"rank\"", "targets.0.group=\"g\"", "model={ family = \"gbdt\" }"];
        let overrides: Vec<String> = rank.iter().chain(split).map(|&text| text.to_owned()).collect();
        parse("run.toml", GOOD, &overrides, &|_| Err("no file"))
            .unwrap_or_else(|problems| panic!("{problems}"))
    };
    for (split, folds) in
        [(&[][..], None), (&["split.by=\"random\""], None), (&["split.by=\"k_fold\""], Some(5))]
    {
        let own = run(split);
        assert_eq!(
            (own.split.by, own.split.column.as_deref(), own.split.folds),
            (SplitBy::Group, Some("g"), folds)
        );
        // The sealed config has the split that was made.
        assert_eq!(own.sealed.split, own.split);
    }
    let by_user = run(&["split.by=\"group\"", "split.column=\"user\""]);
    assert_eq!(by_user.split.column.as_deref(), Some("user"));
    let predefined = run(&["split.by=\"predefined\"", "split.column=\"part\""]);
    assert_eq!(predefined.split.by, SplitBy::Predefined);
}

#[test]
fn categories_may_be_filled_with_any_text() {
    let inputs = ["inputs=[{ name = \"a\", kind = \"category\", fill = \"none\" }]".to_owned()];
    assert!(parse("run.toml", GOOD, &inputs, &|_| Err("no file")).is_ok());
}
