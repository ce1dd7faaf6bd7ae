//! Default spaces: what to search where a config names no key.
//!
//! Ranges are those that the authors of a family or of a benchmark search, made narrower where a CPU would not finish
//! them. Keys that a family does not have are left out.

use serde_json::{Value, json};

use super::{Tune, TuneRange, TuneSpace};

/// Range of one key of a family.
type Entry = (&'static str, TuneRange);

/// Rates and regularisation of every network: Gorishniy et al. 2021, appendix F, with a wider rate for small data.
fn training() -> Vec<Entry> {
    vec![
        ("train.optimizer.learning_rate", TuneRange::float(1e-4, 1e-2, true)),
        ("train.optimizer.weight_decay", TuneRange::float(1e-6, 1e-1, true)),
        ("train.batch_size", choices(&json!([32, 64, 128, 256]))),
    ]
}

fn choices(values: &Value) -> TuneRange {
    TuneRange::choices(values.as_array().cloned().unwrap_or_default())
}

fn dropout() -> Entry {
    ("model.dropout", TuneRange::float(0.0, 0.5, false))
}

/// Sizes of a family.
fn sizes(family: &str) -> Vec<Entry> {
    let blocks = |most| ("model.blocks", TuneRange::int(1, most, false));
    let widths = |values: Value| ("model.width", choices(&values));
    match family {
        // The tables of XGBoost and LightGBM in Gorishniy et al. 2021 (tables 16 and 17) and McElfresh et al. 2023.
        "gbdt" => vec![
            ("model.learning_rate", TuneRange::float(0.01, 0.3, true)),
            ("model.leaves", TuneRange::int(8, 256, true)),
            ("model.leaf", TuneRange::int(1, 100, true)),
            ("model.l2", TuneRange::float(0.0, 10.0, false)),
            ("model.sample", TuneRange::float(0.5, 1.0, false)),
            ("model.features", TuneRange::float(0.4, 1.0, false)),
        ],
        // Probst et al. 2019, table 1: leaves and columns decide, more trees only help.
        "random_forest" => vec![
            ("model.trees", TuneRange::int(50, 300, true)),
            ("model.leaf", TuneRange::int(1, 30, true)),
            ("model.features", TuneRange::float(0.1, 1.0, false)),
            ("model.depth", TuneRange::int(4, 32, true)),
        ],
        "mlp" => vec![
            ("model.hidden", choices(&json!([[64], [128, 128], [256, 256], [512, 512], [256, 256, 256]]))),
            dropout(),
        ],
        // Gorishniy et al. 2024, appendix D.
        "tabm" => vec![
            ("model.hidden", choices(&json!([[128, 128], [256, 256], [512, 512], [256, 256, 256]]))),
            dropout(),
        ],
        // Holzmüller et al. 2024, table C.2; the rate is below.
        "realmlp" => vec![
            ("model.hidden", choices(&json!([[256, 256, 256], [64, 64, 64, 64, 64], [512]]))),
            ("model.dropout", choices(&json!([0.0, 0.15, 0.3]))),
            ("train.optimizer.learning_rate", TuneRange::float(2e-2, 3e-1, true)),
        ],
        "resnet_tabular" => vec![
            blocks(6),
            widths(json!([64, 128, 192, 256, 384])),
            ("model.hidden", choices(&json!([128, 256, 384, 512]))),
            dropout(),
        ],
        "ft_transformer" => vec![
            blocks(4),
            widths(json!([32, 64, 128, 192])),
            ("model.attention_dropout", TuneRange::float(0.0, 0.5, false)),
            dropout(),
        ],
        "cnn" => vec![
            ("model.channels", choices(&json!([[16, 32], [32, 64], [32, 64, 128]]))),
            ("model.hidden", choices(&json!([64, 128, 256]))),
            dropout(),
        ],
        "resnet" => vec![("model.depth", choices(&json!([18, 34, 50])))],
        "vit" => vec![blocks(8), widths(json!([64, 128, 192])), dropout()],
        "lstm" | "gru" => {
            vec![widths(json!([32, 64, 128, 256])), ("model.layers", TuneRange::int(1, 3, false)), dropout()]
        }
        "tcn" => vec![("model.kernel", choices(&json!([3, 5, 7]))), dropout()],
        "text_transformer" | "patchtst" => vec![blocks(4), widths(json!([32, 64, 128])), dropout()],
        "gpt" => vec![blocks(6), widths(json!([64, 128, 256])), dropout()],
        "llama" => vec![blocks(6), widths(json!([64, 128, 256]))],
        "dlinear" => vec![("model.kernel", choices(&json!([5, 13, 25, 51])))],
        "autoencoder" => vec![("model.code", TuneRange::int(2, 16, true)), dropout()],
        _ => Vec::new(),
    }
}

impl Tune {
    /// Space of a family where the config names no key. Networks that start from a package or a file keep their sizes,
    /// which is `resizable = false`.
    pub fn default_space(family: &str, trees: bool, resizable: bool) -> TuneSpace {
        let sizes = if resizable { sizes(family) } else { Vec::new() };
        let training = if trees { Vec::new() } else { training() };
        // A family may search a key of the training by itself.
        let own: Vec<&str> = sizes.iter().map(|(key, _)| *key).collect();
        let others: Vec<Entry> = training.into_iter().filter(|(key, _)| !own.contains(key)).collect();
        let entries = sizes.into_iter().chain(others);
        let known = entries.filter(|(key, _)| Self::is_integer_key(key, &[family]).is_ok());
        TuneSpace(known.map(|(key, range)| (key.to_owned(), range)).collect())
    }
}
