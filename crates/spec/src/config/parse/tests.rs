use super::*;

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

fn nothing(path: &str) -> Result<String, String> {
    Err(format!("no file {path}; check the path"))
}

fn problems(text: &str, overrides: &[&str]) -> Vec<String> {
    let overrides: Vec<String> = overrides.iter().map(|&s| s.to_owned()).collect();
    match parse("run.toml", text, &overrides, &nothing) {
        Ok(run) => panic!("expected problems, found {run:?}"),
        Err(problems) => problems.0.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn the_smallest_config_gets_the_defaults() {
    let run = parse("run.toml", GOOD, &[], &nothing).unwrap();
    assert_eq!(run.design.layers.len(), 2);
    assert_eq!(serde_json::to_value(&run.train).unwrap(), defaults()["train"]);
}

#[test]
fn a_sealed_config_parses_to_the_same_run() {
    let run = parse("run.toml", GOOD, &["train.epochs=3".into()], &nothing).unwrap();
    let text = toml::to_string(&run.sealed).unwrap();
    assert_eq!(parse("sealed", &text, &[], &nothing).unwrap(), run);
}

#[test]
fn overrides_reach_tables_and_arrays() {
    let set = ["train.epochs=3", "targets.0.name=y", "model.hidden=[4, 4]"].map(String::from);
    let run = parse("run.toml", GOOD, &set, &nothing).unwrap();
    assert_eq!((run.train.epochs, run.targets.first().name.as_str(), run.design.layers.len()), (3, "y", 4));
}

#[test]
fn all_problems_come_at_once_with_their_places() {
    let text = GOOD.replace("hidden", "hiden") + "[train]\nepoch = 3\nbatch_size = \"big\"\n";
    let found = problems(&text, &[]);
    let expect = [
        "run.toml:10:1: model.hiden: unknown key `hiden`; did you mean `hidden`?",
        "run.toml:12:1: train.epoch: unknown key `epoch`; did you mean `epochs`?",
        "run.toml:13:1: train.batch_size: expected integer or \"auto\", found \"big\"",
    ];
    assert_eq!(found, expect);
}

#[test]
fn a_missing_model_names_the_families_that_suit() {
    let without = GOOD.replace("[model]\nfamily = \"mlp\"\nhidden = [8]\n", "");
    let found = problems(&without, &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("families for a table are `gbdt`, `random_forest`, `mlp`"), "{found:?}");
    assert!(found[0].contains("cupola models families"), "{found:?}");
    let text = "[[inputs]]\nname = \"t\"\nkind = \"text\"\ntokens = { length = 8 }\n";
    let found = problems(&format!("{without}{text}"), &[]);
    assert!(found[0].contains("families for texts and series are `text_transformer`"), "{found:?}");
    let found = problems(&GOOD.replace("family = \"mlp\"\n", ""), &[]);
    assert!(found[0].contains("families for a table are"), "{found:?}");
}

#[test]
fn an_unknown_family_or_layer_names_the_nearest() {
    let found = problems(&GOOD.replace("\"mlp\"", "\"mpl\""), &[]);
    assert_eq!(found, ["run.toml:9:1: model.family: unknown family `mpl`; did you mean `mlp`?"]);
    let layers = r#"family = "layers"
layers = [{ type = "liner", out = 3 }]"#;
    let found = problems(&GOOD.replace("family = \"mlp\"\nhidden = [8]", layers), &[]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("model.layers[0].type: unknown type `liner`; did you mean `linear`?"),
        "{found:?}"
    );
}

#[test]
fn what_a_schema_cannot_say_is_said_too() {
    let found = problems(&(GOOD.to_owned() + "[[inputs]]\nname = \"p\"\nkind = \"image\"\n"), &[]);
    assert!(found[0].contains("inputs[0].kind: an image requires `shape"), "{found:?}");
    let found = problems(&GOOD.replace("digits", "../digits"), &[]);
    assert!(found[0].starts_with("run.toml:2:1: name: "), "{found:?}");
}

#[test]
fn a_missing_architecture_file_points_at_its_key() {
    let text = GOOD.replace("family = \"mlp\"\nhidden = [8]", "file = \"m.toml\"");
    assert_eq!(problems(&text, &[]), ["run.toml:9:1: model.file: no file m.toml; check the path"]);
}

#[test]
fn keys_beside_an_architecture_file_replace_its_own() {
    let text = GOOD.replace("family = \"mlp\"\nhidden = [8]", "file = \"m.toml\"");
    let load = |_: &str| Ok::<_, String>("family = 'mlp'\nhidden = [8]\ndropout = 0.5".to_owned());
    let run = |set: &[&str]| {
        let set: Vec<String> = set.iter().map(ToString::to_string).collect();
        parse("run.toml", &text, &set, &load)
            .map(|run| serde_json::to_value(&run.sealed).unwrap()["model"].clone())
    };
    let model = run(&["model.hidden=[16, 4]"]).unwrap();
    assert_eq!(model["hidden"], serde_json::json!([16, 4]));
    assert_eq!(model["dropout"], 0.5);
    let found = run(&["model.hiden=[16]"]).unwrap_err().to_string();
    assert!(found.contains("did you mean `hidden`"), "{found}");
}

#[test]
fn broken_toml_with_more_overrides_have_a_place() {
    assert!(problems("name = \n", &[])[0].starts_with("run.toml:1:"), "{:?}", problems("name = \n", &[]));
    assert_eq!(
        problems(GOOD, &["epochs"])[0],
        "--set: epochs: missing `=`; write key=value, such as train.epochs=5"
    );
}

#[test]
fn every_default_is_a_known_key() {
    let schema = schema::config_schema();
    for (section, values) in defaults().as_object().unwrap() {
        assert!(schema["properties"].get(section).is_some(), "{section} {values}");
    }
}

#[test]
fn a_number_that_is_not_among_the_known_ones_hears_them() {
    let found = problems(GOOD, &["model={ family = \"resnet\", depth = 19 }"]);
    assert!(found[0].ends_with("unknown value 19; expected 18, 34 or 50"), "{found:?}");
}

#[test]
fn a_word_that_is_not_among_the_known_ones_hears_them() {
    let found = problems(GOOD, &["train.metric=\"f1\""]);
    let words =
        "unknown value \"f1\"; expected loss, accuracy, macro_f1, roc_auc, rmse, mae, r2 or ndcg_at_10";
    assert!(found[0].ends_with(words), "{found:?}");
    let found = problems(GOOD, &["train.metric=\"rocauc\""]);
    assert!(found[0].ends_with("unknown value \"rocauc\"; did you mean `roc_auc`?"), "{found:?}");
}

#[test]
fn no_config_breaks_its_reader() {
    let run = include_str!("../../../../../configs/digits.toml");
    let table = include_str!("../../../../../configs/diamonds.toml");
    let serve = "[[model]]\nserve = 'a@b'\n[model.canary]\nserve = 'a@c'\nweight = 0.5\n";
    cupola_testkit::fuzz(&[run.as_bytes(), table.as_bytes(), serve.as_bytes()], |bytes| {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        let _ = parse("fuzz", text, &[], &|_| Err("no file".to_owned()));
        let _ = crate::parse_serve("fuzz", text);
    });
}

const REALMLP: &str = "name = 'r'\n[data]\nsource = 'x.csv'\n[[targets]]\nname = 'y'\nkind = 'KIND'\n\
                       [model]\nfamily = 'realmlp'\n";

fn realmlp(kind: &str, more: &str) -> Run {
    let text = REALMLP.replace("KIND", kind) + more;
    parse("r", &text, &[], &nothing).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn defaults_of_a_family_stand_between_the_general_ones_and_the_config() {
    let run = realmlp("number", "[train]\nepochs = 5\n[[train.groups]]\nweights = 'head.*'\nrate = 0.5");
    let train = &run.train;
    assert_eq!((train.epochs, train.batch_size, train.optimizer.betas), (5, 256, Some([0.9, 0.95])));
    assert!((train.optimizer.learning_rate - 0.2).abs() < 1e-12 && train.loss.label_smoothing == 0.0);
    let weights: Vec<&str> = train.groups.iter().map(|group| group.weights.as_str()).collect();
    assert_eq!((weights.len(), weights[7]), (8, "head.*"));
    let class = realmlp("category", "").train;
    assert!((class.optimizer.learning_rate - 0.04).abs() < 1e-12 && class.loss.label_smoothing > 0.0);
}

#[test]
fn a_sealed_config_of_a_family_with_defaults_parses_to_the_same_run() {
    for kind in ["number", "category"] {
        let run = realmlp(kind, "[[train.groups]]\nweights = 'head.*'\nrate = 0.5");
        let text = toml::to_string(&run.sealed).unwrap();
        assert_eq!(parse("sealed", &text, &[], &nothing).unwrap(), run);
    }
}

#[test]
fn another_optimizer_has_its_general_defaults() {
    let train = realmlp("number", "[train.optimizer]\nkind = 'sgd'").train;
    assert_eq!((train.optimizer.betas, train.optimizer.learning_rate), (None, 1e-3));
}

#[test]
fn settings_of_one_family_give_way_to_those_of_another() {
    let families: Vec<Family> = ["realmlp", "tabm", "mlp"]
        .iter()
        .map(|name| serde_json::from_value(serde_json::json!({ "family": name })).unwrap())
        .collect();
    let run = realmlp("number", "[train]\ntime_budget = 9\n[[train.groups]]\nweights = 'head.*'\nrate = 0.5");
    let tabm = train_for(&run.sealed, &families[0], &families[1]);
    assert_eq!((tabm.groups.len(), tabm.early_stop.patience, tabm.clip_norm), (0, 16, 1.0));
    assert_eq!((tabm.schedule.kind, tabm.time_budget), (crate::ScheduleKind::Constant, 9.0));
    let mut config = run.sealed.clone();
    config.train = train_for(&run.sealed, &families[0], &families[2]);
    assert_eq!((config.train.epochs, config.train.optimizer.betas), (20, None));
    let back = train_for(&config, &families[2], &families[0]);
    assert_eq!(back.groups, realmlp("number", "").train.groups);
    assert_eq!((back.epochs, back.optimizer.betas), (256, Some([0.9, 0.95])));
}
