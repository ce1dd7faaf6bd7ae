//! A package's weights and configuration for other programs.

use std::path::{Path, PathBuf};

use cupola_nn::{Architecture, StateDict};
use cupola_prep::{FittedInput, Plan};
use cupola_registry::{Package, write_file};
use cupola_spec::Take;
use serde_json::{Value, json, to_vec_pretty};

use crate::error::Error;
use crate::families::{BertConfig, HuggingFaceConfig, Pooling};

/// Copies the weights of a package, named as modules of `torch.nn`, to `model.safetensors` in `folder`; returns the
/// files that were written.
///
/// # Errors
/// [`Error::Registry`] if a file can't be read or written.
pub fn export_safetensors(package: &Package, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let bytes = package.read("model.safetensors")?;
    write_all(folder, &[("model.safetensors", bytes)])
}

/// Writes a BERT of a package as transformers and sentence-transformers read it; returns the files that were written.
///
/// # Errors
/// [`Error::NotExportable`] for any other network, [`Error::Registry`] if a file can't be read or written.
pub fn export_hugging_face(package: &Package, folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let config: Value = serde_json::from_slice(&package.read("config.json")?)?;
    let architecture: Option<Architecture> = serde_json::from_value(config).ok();
    let Some((bert, pooling)) = architecture.as_ref().and_then(BertConfig::from_architecture) else {
        return Err(Error::NotExportable { package: package.label() });
    };
    let plan: Plan = serde_json::from_slice(&package.read("plan.json")?)?;
    let weights = bert.export(StateDict::from_safetensors(&package.read("model.safetensors")?)?)?;
    let width = bert.hidden_size;
    let mut files = vec![
        ("model.safetensors", weights.to_safetensors()?),
        ("config.json", to_vec_pretty(&HuggingFaceConfig::Bert(bert))?),
    ];
    if let [FittedInput::Text { tokenizer, prompt, .. }] = plan.inputs.as_slice() {
        files.push(("tokenizer.json", to_vec_pretty(&Value::from(tokenizer.clone()))?));
        if !prompt.is_empty() {
            let prompts = json!({ "prompts": { "default": prompt }, "default_prompt_name": "default" });
            files.push(("config_sentence_transformers.json", to_vec_pretty(&prompts)?));
        }
    }
    files.push(("1_Pooling/config.json", to_vec_pretty(&pooling_config(width, pooling))?));
    files.push(("modules.json", to_vec_pretty(&sentence_transformers_modules(pooling))?));
    write_all(folder, &files)
}

fn pooling_config(width: usize, pooling: Pooling) -> Value {
    let takes = |take: Take| pooling.take == take;
    json!({
        "word_embedding_dimension": width,
        "pooling_mode_cls_token": takes(Take::First),
        "pooling_mode_max_tokens": takes(Take::Max),
        "pooling_mode_mean_tokens": takes(Take::Mean),
        "pooling_mode_mean_sqrt_len_tokens": takes(Take::MeanSqrt),
        "pooling_mode_weightedmean_tokens": takes(Take::WeightedMean),
        "pooling_mode_lasttoken": takes(Take::Last),
    })
}

/// `modules.json` of sentence-transformers.
fn sentence_transformers_modules(pooling: Pooling) -> Vec<Value> {
    let module = |index: usize, path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        json!({ "idx": index, "name": index.to_string(), "path": path, "type": kind })
    };
    let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
    modules.extend(pooling.normalize.then(|| module(2, "2_Normalize", "Normalize")));
    modules
}

fn write_all(folder: &Path, files: &[(&str, Vec<u8>)]) -> Result<Vec<PathBuf>, Error> {
    let mut written = Vec::with_capacity(files.len());
    for (name, bytes) in files {
        let path = folder.join(name);
        write_file(&path, bytes).map_err(cupola_registry::Error::from)?;
        written.push(path);
    }
    Ok(written)
}
