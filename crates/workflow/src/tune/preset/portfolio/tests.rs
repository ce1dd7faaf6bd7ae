use super::*;

fn run(inputs: &str, target: &str, model: &str) -> Run {
    let text = format!(
        "name = 'm'\n[data]\nsource = 'a.csv'\n{inputs}[[targets]]\nname = 'y'\n{target}\n[model]\n{model}\n"
    );
    cupola_spec::parse("m", &text, &[], &|_| Err(String::new())).unwrap()
}

fn labels(preset: Preset, run: &Run, rows: usize) -> Vec<String> {
    members(preset, run, DataSize { rows, columns: 10 }).into_iter().map(|member| member.label).collect()
}

#[test]
fn a_table_begins_with_trees_and_large_ones_leave_attention_out() {
    let table = run("", "kind = 'number'", "family = 'gbdt'");
    assert_eq!(labels(Preset::Fast, &table, 1000), ["gbdt", "random_forest", "linear"]);
    let small = labels(Preset::Good, &table, 1000);
    assert_eq!(small[..6], ["gbdt", "random_forest", "linear", "realmlp", "tabm", "mlp"]);
    assert_eq!(small.last().unwrap(), "ft_transformer");
    assert!(!labels(Preset::Best, &table, 100_000).contains(&"ft_transformer".to_owned()));
}

#[test]
fn every_member_of_a_table_is_a_valid_config() {
    let table = run("", "kind = 'category'", "family = 'gbdt'");
    for member in members(Preset::Best, &table, DataSize { rows: 500, columns: 4 }) {
        let mut config = table.sealed.clone();
        if let Model::Inline(own) = &table.sealed.model {
            config.train = cupola_spec::train_for(&table.sealed, own, &member.family);
        }
        config.model = Model::Inline(member.family);
        if let Some(training) = member.training {
            training.apply(&mut config.train);
        }
        let text = toml::to_string(&config).unwrap();
        let parsed = cupola_spec::parse("m", &text, &[], &|_| Err(String::new()));
        assert!(parsed.is_ok(), "{}: {:?}", member.label, parsed.err());
    }
}

#[test]
fn a_text_begins_with_the_model_of_the_config() {
    let text = run(
        "[[inputs]]\nname = 'letter'\nkind = 'text'\ntokens = { length = 16 }\n",
        "kind = 'category'",
        "family = 'gru'",
    );
    assert_eq!(labels(Preset::Fast, &text, 1000), ["gru", "text_transformer"]);
    assert_eq!(labels(Preset::Good, &text, 1000), ["gru", "text_transformer", "lstm", "tcn"]);
}

#[test]
fn targets_without_an_average_are_refused() {
    let run = run("", "kind = 'reconstruct'", "family = 'autoencoder'");
    let message = check(&run).unwrap_err().to_string();
    assert!(message.contains("`y`") && message.contains("without --preset"), "{message}");
}
