//! `cupola models import`: a model of another house as a package.

mod decoder;
mod encoder;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Result;
use cupola_nn::{Architecture, HuggingFace, Known, StateDict};
use cupola_prep::{FittedTokenizer, Plan, Signature};
use cupola_registry::{Home, Index, Lineage, PackageContents, publish, sha256_hex};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use crate::args::{ImportArgs, ImportFormat};
use crate::commands::train::CODE_VERSION;
use crate::failure::Mistake;
use crate::ui::{Ui, grouped};

/// What becomes a package.
struct Imported {
    architecture: Architecture,
    weights: StateDict,
    plan: Plan,
    /// Of the file of weights.
    digest: String,
    /// As the model counts them.
    layers: usize,
    /// What to do with it.
    next: String,
}

/// `model.safetensors.index.json`: in which file a weight is.
#[derive(Deserialize)]
struct Shards {
    weight_map: BTreeMap<String, String>,
}

/// Publishes the model.
pub fn run(home: &Home, ui: Ui, args: &ImportArgs) -> Result<()> {
    let path = args.path.as_path();
    let imported = match args.from {
        ImportFormat::Gguf => decoder::read_gguf(path, args)?,
        ImportFormat::Hf => {
            let config: Option<HuggingFace> = read(path, "config.json")?;
            let config = config.ok_or_else(|| missing(path, "config.json"))?;
            let (weights, digest) = weights(path)?;
            match config.known(weights) {
                Known::Encoder(sizes, function, weights) => {
                    encoder::read_folder(path, args, &sizes, weights, digest, function)?
                }
                Known::Decoder(sizes, weights) => decoder::read_folder(path, args, &sizes, weights, digest)?,
            }
        }
    };
    let Imported { architecture, weights, plan, digest, layers, next } = imported;
    let config = serde_json::to_vec_pretty(&architecture)?;
    let (plan_json, metrics) = (serde_json::to_vec_pretty(&plan)?, serde_json::to_vec_pretty(&Map::new())?);
    let model = weights.to_safetensors()?;
    let files: [(&str, &[u8]); 4] = [
        ("model.safetensors", &model),
        ("config.json", &config),
        ("plan.json", &plan_json),
        ("metrics.json", &metrics),
    ];
    let package = publish(
        home,
        &PackageContents {
            name: &args.name,
            files: &files,
            signature: serde_json::to_value(Signature::of(&plan))?,
            lineage: Lineage {
                run: "imported".to_owned(),
                dataset_version: digest,
                config_sha256: sha256_hex(&config),
                code_version: CODE_VERSION.to_owned(),
                parent: None,
            },
            metrics: Map::new(),
        },
    )?;
    Index::open(home)?.package(home, &package)?;
    ui.line(format!("{layers} layers of {} in all", grouped(architecture.parameters()?)));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    ui.line(format!("next    {next}"));
    ui.result(&serde_json::json!({ "package": package.label(), "path": package.path }))
}

/// The folder's weights and their digest, from one file or from the parts that an index names.
fn weights(folder: &Path) -> Result<(StateDict, String)> {
    let whole = "model.safetensors".to_owned();
    let index: Option<Shards> = read(folder, "model.safetensors.index.json")?;
    let names = match index {
        Some(shards) if !folder.join(&whole).exists() => shards.weight_map.into_values().collect(),
        _ => BTreeSet::from([whole]),
    };
    let (mut all, mut digests) = (StateDict::default(), Vec::new());
    for name in names {
        let bytes = std::fs::read(folder.join(&name)).map_err(|_| missing(folder, &name))?;
        digests.push(sha256_hex(&bytes));
        all.extend(StateDict::from_any_floats(&bytes)?);
    }
    let digest = if digests.len() == 1 { digests.remove(0) } else { sha256_hex(digests.concat().as_bytes()) };
    Ok((all, digest))
}

fn tokenizer(folder: &Path) -> Result<FittedTokenizer> {
    let path = folder.join("tokenizer.json");
    Ok(FittedTokenizer::read(&path.to_string_lossy()).map_err(Mistake)?)
}

/// Tokens that texts are made of. The weights may have more, which no text makes.
fn vocabulary(tokenizer: &FittedTokenizer, most: usize) -> Result<usize> {
    let found = tokenizer.vocabulary() - 1;
    if found > most {
        let text = format!("the tokenizer has {found} tokens, the weights {most}; take both from one model");
        return Err(Mistake(text).into());
    }
    Ok(found)
}

/// A JSON file of the folder; `None` where there is none.
fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let wrong = |error| {
        Mistake(format!(
            "{}: {error}; models of type bert, distilbert, roberta, gpt2, llama, mistral and qwen2 can be imported",
            path.display()
        ))
    };
    Ok(Some(serde_json::from_str(&text).map_err(wrong)?))
}

fn missing(folder: &Path, name: &str) -> Mistake {
    let folder = folder.display();
    Mistake(format!(
        "{folder} holds no {name}; name a folder with config.json, model.safetensors and tokenizer.json"
    ))
}
