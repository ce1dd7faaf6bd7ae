//! `cupola models import`: a model of Hugging Face as a package.

use std::path::Path;

use anyhow::Result;
use cupola_nn::{HuggingFace, Pooling, StateDict};
use cupola_prep::{FittedTokenizer, Plan, Signature};
use cupola_registry::{Home, Index, Lineage, Sealed, publish, sha256_hex};
use cupola_spec::Take;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Map;

use crate::args::ImportArgs;
use crate::commands::train::CODE_VERSION;
use crate::failure::Mistake;
use crate::ui::{Ui, grouped};

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

/// Publishes the model in the folder.
pub fn run(home: &Home, ui: Ui, args: &ImportArgs) -> Result<()> {
    let folder = args.folder.as_path();
    let HuggingFace::Bert(bert) =
        read(folder, "config.json")?.ok_or_else(|| missing(folder, "config.json"))?;
    let weights =
        std::fs::read(folder.join("model.safetensors")).map_err(|_| missing(folder, "model.safetensors"))?;
    let digest = sha256_hex(&weights);
    let weights = StateDict::from_any_floats(&weights)?;
    let tokenizer = folder.join("tokenizer.json");
    let tokenizer = FittedTokenizer::read(&tokenizer.to_string_lossy()).map_err(Mistake)?;
    if tokenizer.vocabulary() != bert.vocab_size + 1 {
        let (found, expected) = (tokenizer.vocabulary() - 1, bert.vocab_size);
        let text =
            format!("tokenizer.json has {found} tokens, config.json {expected}; take both from one model");
        return Err(Mistake(text).into());
    }
    let own: Option<SentenceBert> = read(folder, "sentence_bert_config.json")?;
    let asked = args.length.map(|length| length as usize);
    let length = asked.or(own.map(|own| own.max_seq_length)).unwrap_or(bert.max_position_embeddings);
    let pooling = pooling(folder)?;
    let (architecture, weights) = bert.import(weights, length, pooling)?;
    let plan = Plan::embedding(tokenizer, length.min(bert.max_position_embeddings), bert.hidden_size);
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
        &Sealed {
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
    ui.line(format!("{} layers of {} in all", bert.num_hidden_layers, grouped(architecture.parameters()?)));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    ui.line(format!(
        "next    echo '{{\"text\": \"a furnace\"}}' | cupola predict --model {} --input -",
        args.name
    ));
    ui.result(&serde_json::json!({ "package": package.label(), "path": package.path }))
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

/// A JSON file of the folder; `None` where there is none.
fn read<T: DeserializeOwned>(folder: &Path, name: &str) -> Result<Option<T>> {
    let path = folder.join(name);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(None) };
    let wrong =
        |error| Mistake(format!("{}: {error}; models of type `bert` can be imported", path.display()));
    Ok(Some(serde_json::from_str(&text).map_err(wrong)?))
}

fn missing(folder: &Path, name: &str) -> Mistake {
    let folder = folder.display();
    Mistake(format!(
        "{folder} holds no {name}; name a folder with config.json, model.safetensors and tokenizer.json"
    ))
}
