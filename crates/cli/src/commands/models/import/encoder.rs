//! Encoders: a text becomes a vector, or has a class.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use cupola_nn::{Bert, Classes, Pooling, StateDict};
use cupola_prep::Plan;
use cupola_spec::{Activation, Take};
use serde::Deserialize;

use super::{Imported, read, tokenizer, vocabulary};
use crate::args::ImportArgs;
use crate::failure::Mistake;

/// What `problem_type` says of a model that gives each text one class.
const SINGLE: &str = "single_label_classification";

/// `sentence_bert_config.json`
#[derive(Deserialize)]
struct SentenceBert {
    max_seq_length: usize,
}

/// `1_Pooling/config.json`
#[derive(Deserialize)]
#[allow(clippy::struct_excessive_bools, reason = "the file has them")]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// `config.json`, as far as it tells classes.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    id2label: Option<BTreeMap<usize, String>>,
    #[serde(default)]
    problem_type: Option<String>,
}

/// A BERT as sentence-transformers has them, or one that classifies texts. `function` stands before its classes.
pub fn read_folder(
    folder: &Path,
    args: &ImportArgs,
    bert: &Bert,
    weights: StateDict,
    digest: String,
    function: Activation,
) -> Result<Imported> {
    let tokenizer = tokenizer(folder)?;
    let bert = &Bert { vocab_size: vocabulary(&tokenizer, bert.vocab_size)?, ..bert.clone() };
    let own: Option<SentenceBert> = read(folder, "sentence_bert_config.json")?;
    let asked = args.length.map(|length| length as usize);
    let length = asked.or(own.map(|own| own.max_seq_length)).unwrap_or(bert.max_position_embeddings);
    let most = length.min(bert.max_position_embeddings);
    let next = format!("echo '{{\"text\": \"a furnace\"}}' | cupola predict --model {} --input -", args.name);
    let (architecture, weights, plan) = if let Some(classes) = classes(folder)? {
        let count = classes.len();
        let (architecture, weights) = bert.import_classes(weights, length, Classes { count, function })?;
        (architecture, weights, Plan::classifier(tokenizer, most, classes))
    } else {
        let (architecture, weights) = bert.import(weights, length, pooling(folder)?)?;
        (architecture, weights, Plan::embedding(tokenizer, most, bert.hidden_size))
    };
    Ok(Imported { architecture, weights, plan, digest, layers: bert.num_hidden_layers, next })
}

/// Names of the classes, of a model that has some.
fn classes(folder: &Path) -> Result<Option<Vec<String>>> {
    let Some(Labels { architectures, id2label, problem_type }) = read(folder, "config.json")? else {
        return Ok(None);
    };
    if !architectures.iter().flatten().any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(None);
    }
    let names: Vec<String> = id2label.unwrap_or_default().into_values().collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    if names.len() < 2 || distinct.len() < names.len() || problem_type.is_some_and(|kind| kind != SINGLE) {
        let text = "config.json tells of a number, or of several classes for one text; only models of two or more classes with different names (`id2label`), one for each text, are known";
        return Err(Mistake(text.into()).into());
    }
    Ok(Some(names))
}

/// Pooling and normalisation as sentence-transformers writes them down; the mean where it does not.
fn pooling(folder: &Path) -> Result<Pooling> {
    let modules = folder.join("modules.json");
    let normalize = std::fs::read_to_string(modules).is_ok_and(|text| text.contains("Normalize"));
    let config: Option<PoolingConfig> = read(folder, "1_Pooling/config.json")?;
    let take = match config {
        None | Some(PoolingConfig { pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }) => {
            Take::Mean
        }
        Some(PoolingConfig { pooling_mode_mean_tokens: false, pooling_mode_cls_token: true }) => Take::First,
        Some(_) => {
            let text =
                "1_Pooling/config.json asks for neither the mean nor the first token; only these are known";
            return Err(Mistake(text.into()).into());
        }
    };
    Ok(Pooling { take, normalize })
}
