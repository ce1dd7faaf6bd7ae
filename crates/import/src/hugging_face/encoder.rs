//! Encoders: a vector or a class for each text.

use std::collections::{BTreeMap, BTreeSet};

use cupola_prep::Plan;
use serde::Deserialize;

use super::CheckedFolder;
use super::folder::vocabulary;
use super::sentence::{self, SentencePrompts, SentenceSettings};
use super::tokenizer::{self, TokenizerConfig};
use crate::error::Error;
use crate::families::{ConversionOptions, EncoderHead};
use crate::model::{ImportedModel, TextTask};

/// `problem_type` of a classifier with one class per text.
const SINGLE_LABEL: &str = "single_label_classification";
/// End of the class of a classifier.
const CLASSIFIER: &str = "ForSequenceClassification";
/// Ends of the classes whose tokens an embedding is made of.
const EMBEDDERS: [&str; 5] = ["Model", "ForMaskedLM", "ForPreTraining", "ForCausalLM", CLASSIFIER];

/// The part of `config.json` that describes classes.
#[derive(Deserialize)]
struct Labels {
    #[serde(default)]
    id2label: Option<BTreeMap<usize, String>>,
    #[serde(default)]
    problem_type: Option<String>,
}

/// Converts an encoder of sentence-transformers or a classifier of transformers.
pub(super) fn convert(
    checked: &CheckedFolder,
    max_length: Option<usize>,
    prompts: SentencePrompts,
) -> Result<ImportedModel, Error> {
    let CheckedFolder { folder, config, modules, .. } = checked;
    checked.check_class(&EMBEDDERS)?;
    let settings = sentence::settings(folder)?;
    let tokenizer_config = TokenizerConfig::read(folder)?;
    let kind = checked.model_type();
    let tokenizer = tokenizer::read(folder, &tokenizer_config, kind, settings.lowercase)?;
    let vocabulary = vocabulary(&tokenizer, config.vocabulary())?;
    let length = length(max_length, &settings, &tokenizer_config).min(config.max_length());
    let layers = config.blocks();
    let classes = if modules.is_some() { None } else { classes(checked)? };
    let head = match (&classes, modules) {
        (Some(classes), _) => EncoderHead::Classes { count: classes.len() },
        (None, Some(modules)) => EncoderHead::Embedding(modules.head(config.width())?),
        (None, None) => EncoderHead::Embedding(sentence::pooling_without_modules(folder, config.width())?),
    };
    let (weights, digest) = folder.weights()?;
    let options = ConversionOptions { length, vocabulary, head };
    let (architecture, weights) = config.clone().into_model(weights, &options)?;
    let (plan, task) = match classes {
        Some(classes) => (Plan::classifier(tokenizer, length, classes), TextTask::Classification),
        None => {
            (Plan::embedding(tokenizer, length, architecture.output, prompts.default), TextTask::Embedding)
        }
    };
    let notes = prompts.note.into_iter().collect();
    Ok(ImportedModel { architecture, weights, plan, digest, layers, task, notes })
}

/// Maximum number of tokens of a text, apart from the limit of the positions.
fn length(asked: Option<usize>, settings: &SentenceSettings, tokenizer: &TokenizerConfig) -> usize {
    // Tokenizers without a limit have a number such as 1e30.
    let own = tokenizer.get("model_max_length").and_then(serde_json::Value::as_u64);
    let own = own.and_then(|own| usize::try_from(own).ok()).filter(|own| *own > 0);
    asked.or(settings.max_length).or(own).unwrap_or(usize::MAX)
}

/// Names of the classes; `None` for a model that isn't a classifier.
fn classes(checked: &CheckedFolder) -> Result<Option<Vec<String>>, Error> {
    if !checked.class().is_some_and(|class| class.ends_with(CLASSIFIER)) {
        return Ok(None);
    }
    let Labels { id2label, problem_type } = checked.folder.parse("config.json", &checked.values)?;
    let names: Vec<String> = id2label.unwrap_or_default().into_values().collect();
    let distinct: BTreeSet<&String> = names.iter().collect();
    let several = problem_type.is_some_and(|kind| kind != SINGLE_LABEL);
    if names.len() < 2 || distinct.len() < names.len() || several {
        return Err(Error::Labels);
    }
    Ok(Some(names))
}
