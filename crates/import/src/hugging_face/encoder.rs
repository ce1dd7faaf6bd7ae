//! Encoders: a vector or a class for each text.

use std::collections::{BTreeMap, BTreeSet};

use cupola_nn::StateDict;
use cupola_prep::Plan;
use cupola_spec::Take;
use serde::Deserialize;

use super::folder::{ModelFolder, vocabulary};
use crate::error::Error;
use crate::families::{ConversionOptions, EncoderHead, HuggingFaceConfig, Pooling};
use crate::model::{ImportedModel, TextTask};

/// `problem_type` of a classifier with one class per text.
const SINGLE_LABEL: &str = "single_label_classification";

/// `sentence_bert_config.json`
#[derive(Deserialize)]
struct SentenceBert {
    max_seq_length: usize,
}

/// `1_Pooling/config.json`
#[derive(Deserialize)]
struct PoolingConfig {
    #[serde(default)]
    pooling_mode_cls_token: bool,
    #[serde(default)]
    pooling_mode_mean_tokens: bool,
}

/// The part of `config.json` that describes classes.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    architectures: Option<Vec<String>>,
    #[serde(default)]
    id2label: Option<BTreeMap<usize, String>>,
    #[serde(default)]
    problem_type: Option<String>,
}

/// Converts an encoder of sentence-transformers or a classifier of transformers.
pub fn convert(
    folder: &ModelFolder<'_>,
    config: HuggingFaceConfig,
    weights: StateDict,
    max_length: Option<usize>,
    digest: String,
) -> Result<ImportedModel, Error> {
    let tokenizer = folder.tokenizer()?;
    let vocabulary = vocabulary(&tokenizer, config.vocabulary())?;
    let sentence: Option<SentenceBert> = folder.optional("sentence_bert_config.json")?;
    let length = max_length.or(sentence.map(|sentence| sentence.max_seq_length));
    let length = length.unwrap_or(usize::MAX).min(config.max_length());
    let layers = config.blocks();
    let classes = classes(folder)?;
    let head = match &classes {
        Some(classes) => EncoderHead::Classes { count: classes.len() },
        None => EncoderHead::Embedding(pooling(folder)?),
    };
    let (architecture, weights) =
        config.into_model(weights, &ConversionOptions { length, vocabulary, head })?;
    let (plan, task) = match classes {
        Some(classes) => (Plan::classifier(tokenizer, length, classes), TextTask::Classification),
        None => (Plan::embedding(tokenizer, length, architecture.output), TextTask::Embedding),
    };
    Ok(ImportedModel { architecture, weights, plan, digest, layers, task })
}

/// Names of the classes; `None` for a model that isn't a classifier.
fn classes(folder: &ModelFolder<'_>) -> Result<Option<Vec<String>>, Error> {
    let Some(Labels { architectures, id2label, problem_type }) = folder.optional("config.json")? else {
        return Ok(None);
    };
    if !architectures.iter().flatten().any(|name| name.ends_with("ForSequenceClassification")) {
        return Ok(None);
    }
    let names: Vec<String> = id2label.unwrap_or_default().into_values().collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    let several = problem_type.is_some_and(|kind| kind != SINGLE_LABEL);
    if names.len() < 2 || distinct.len() < names.len() || several {
        return Err(Error::Labels);
    }
    Ok(Some(names))
}

/// Pooling and normalisation as sentence-transformers stores them; the mean if the folder has no such files.
fn pooling(folder: &ModelFolder<'_>) -> Result<Pooling, Error> {
    let normalize = folder.text("modules.json").is_some_and(|text| text.contains("Normalize"));
    let config: Option<PoolingConfig> = folder.optional("1_Pooling/config.json")?;
    let take = match config.map(|config| (config.pooling_mode_mean_tokens, config.pooling_mode_cls_token)) {
        None | Some((true, false)) => Take::Mean,
        Some((false, true)) => Take::First,
        Some(_) => return Err(Error::Pooling),
    };
    Ok(Pooling { take, normalize })
}
