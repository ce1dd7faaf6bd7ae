//! Catalog of the families: purposes, defaults and cost.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::layers::trace;
use crate::model::{Family, Head, TableStem};

/// Task that a family is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FamilyUse {
    /// A category or a number from the columns of a table.
    Table,
    /// A category or a number from an image.
    Image,
    /// A category or a number from a text or a series.
    Sequence,
    /// The next rows of a series.
    Forecast,
    /// Anomaly scores.
    Anomaly,
    /// The next token of a text.
    LanguageModel,
}

/// One family as `cupola models families` lists it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FamilyInfo {
    /// Name in a config.
    pub family: &'static str,
    /// Tasks that it is made for, the most usual one first.
    pub uses: &'static [FamilyUse],
    /// Description in a few words.
    pub purpose: &'static str,
    /// Default of each key that has a value by itself.
    pub defaults: Map<String, Value>,
    /// Multiply-adds of a forward pass with the defaults; `None` for trees, which are not trained in epochs.
    pub multiply_adds: Option<u64>,
    /// Example that the multiply-adds are counted for.
    pub example: &'static str,
}

use FamilyUse::{Anomaly, Forecast, Image, LanguageModel, Sequence, Table};

/// Names, tasks and purposes; within a task, those that suit most data come first.
const FAMILIES: [(&str, &[FamilyUse], &str); 20] = [
    ("gbdt", &[Table], "boosted trees: the usual best on mixed columns"),
    ("random_forest", &[Table], "independent trees: a robust baseline"),
    ("mlp", &[Table], "perceptron: many alike columns, or inputs of several kinds with an encoder each"),
    ("realmlp", &[Table], "perceptron with tuned defaults: strong without tuning"),
    ("tabm", &[Table], "ensemble of perceptrons: the most accurate network for tables"),
    ("resnet_tabular", &[Table], "residual network for tables"),
    ("ft_transformer", &[Table], "transformer over columns: strong, slow"),
    ("cnn", &[Image], "convolutions: pictures up to about 64x64"),
    ("resnet", &[Image], "residual network of torchvision: larger pictures"),
    ("vit", &[Image], "vision transformer: many pictures"),
    ("text_transformer", &[Sequence], "transformer encoder for texts and series"),
    ("dlinear", &[Forecast], "linear in trend and remainder: hard to beat on short series"),
    ("patchtst", &[Forecast], "transformer over patches: long series"),
    ("gru", &[Sequence, Forecast], "recurrent network for texts and series"),
    ("lstm", &[Sequence, Forecast], "recurrent network for texts and series"),
    ("tcn", &[Sequence, Forecast], "causal convolutions for texts and series"),
    ("autoencoder", &[Anomaly], "anomaly scores of a table"),
    ("gpt", &[LanguageModel], "language model with learned positions"),
    ("llama", &[LanguageModel], "language model with rotary positions"),
    ("layers", &[Table, Image, Sequence], "a list of layers of your own"),
];

/// All families with their defaults.
pub fn families() -> Vec<FamilyInfo> {
    FAMILIES.iter().filter_map(|(family, uses, purpose)| info(family, uses, purpose)).collect()
}

/// Names of the families for a task, those that suit most data first.
pub fn families_for(task: FamilyUse) -> impl Iterator<Item = &'static str> {
    FAMILIES.iter().filter(move |(_, uses, _)| uses.contains(&task)).map(|(family, ..)| *family)
}

fn info(name: &'static str, uses: &'static [FamilyUse], purpose: &'static str) -> Option<FamilyInfo> {
    let family: Family = serde_json::from_value(json!({ "family": name })).ok()?;
    let Ok(Value::Object(mut defaults)) = serde_json::to_value(&family) else { return None };
    defaults.remove("family");
    let task = uses.first().copied().unwrap_or(Table);
    let multiply_adds = if family.trees().is_some() { None } else { multiply_adds(&family, task) };
    Some(FamilyInfo { family: name, uses, purpose, defaults, multiply_adds, example: example(task) })
}

/// Typical example of a task.
fn example(task: FamilyUse) -> &'static str {
    match task {
        Table | Anomaly => "a row of 32 columns",
        Image => "a picture of 3x32x32",
        Sequence | LanguageModel => "a text of 128 tokens",
        Forecast => "a window of 168 rows",
    }
}

/// Multiply-adds of the typical example of a task, head included.
fn multiply_adds(family: &Family, task: FamilyUse) -> Option<u64> {
    let design = family.design();
    let input = match (task, design.table) {
        (Table, TableStem::Tokens { width }) => vec![32, width],
        (Table | Anomaly, _) => vec![32],
        (Image, _) => vec![3, 32, 32],
        (Sequence | LanguageModel, _) => vec![128, design.token_width],
        (Forecast, _) => vec![168, 1],
    };
    let outputs = match (task, design.head) {
        (Anomaly, _) => 32,
        (Forecast, _) => 24,
        (_, Head::Steps) => 8000,
        _ => 1,
    };
    let rows = trace("trunk", &input, &design.layers).ok()?;
    let last = rows.last().map_or(input.as_slice(), |row| row.output.as_slice());
    let head = design.head.contract(last, outputs)?;
    Some(rows.iter().map(|row| row.cost.multiply_adds).sum::<u64>() + head.cost.multiply_adds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_family_is_listed_with_its_defaults_and_cost() {
        let schema = crate::model_schema()["oneOf"].as_array().unwrap().clone();
        let mut named: Vec<&str> =
            schema.iter().filter_map(|variant| variant["properties"]["family"]["const"].as_str()).collect();
        let all = families();
        let mut listed: Vec<&str> = all.iter().map(|info| info.family).collect();
        named.sort_unstable();
        listed.sort_unstable();
        assert_eq!(listed, named);
        for info in &all {
            let trees = matches!(info.family, "gbdt" | "random_forest");
            assert_eq!(info.multiply_adds.is_none(), trees, "{}", info.family);
        }
        let cost = |name: &str| all.iter().find(|info| info.family == name).unwrap().multiply_adds;
        // 32 x 256 + 256 + 256 x 256 + 256 + 256: two linear layers with their activations, and the head.
        assert_eq!(cost("mlp"), Some(32 * 256 + 256 + 256 * 256 + 256 + 256));
        assert!(cost("tabm") > cost("mlp") && cost("ft_transformer") > cost("mlp"));
    }

    #[test]
    fn families_of_a_task_are_in_the_order_of_preference() {
        assert_eq!(families_for(Forecast).collect::<Vec<_>>(), ["dlinear", "patchtst", "gru", "lstm", "tcn"]);
        assert_eq!(families_for(Table).next(), Some("gbdt"));
        assert_eq!(families_for(LanguageModel).collect::<Vec<_>>(), ["gpt", "llama"]);
    }
}
