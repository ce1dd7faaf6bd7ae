//! `cupola models export`: a package for other programs.

use std::path::Path;

use anyhow::Result;
use cupola_nn::{Architecture, Bert, HuggingFace, StateDict};
use cupola_prep::{FittedInput, Plan};
use cupola_registry::{Home, write_file};
use serde_json::Value;

use crate::args::{ExportArgs, ExportFormat};
use crate::failure::Mistake;
use crate::ui::Ui;

/// Writes the files of a format into a folder.
pub fn run(home: &Home, ui: Ui, args: &ExportArgs) -> Result<()> {
    let package = home.package(&args.model)?;
    let bytes = package.read("model.safetensors")?;
    let mut written = Vec::new();
    let mut put = |name: &str, bytes: &[u8]| -> Result<()> {
        let path = args.folder.join(name);
        write_file(&path, bytes)?;
        ui.line(format!("written {}", path.display()));
        written.push(path);
        Ok(())
    };
    std::fs::create_dir_all(&args.folder)?;
    match args.to {
        ExportFormat::Safetensors => put("model.safetensors", &bytes)?,
        ExportFormat::Hf => {
            let config: Value = serde_json::from_slice(&package.read("config.json")?)?;
            let architecture: Option<Architecture> = serde_json::from_value(config).ok();
            let (bert, pooling) = architecture.as_ref().and_then(Bert::of).ok_or_else(|| {
                Mistake(format!(
                    "{} is no network that Hugging Face has; export it `--to safetensors`",
                    package.label()
                ))
            })?;
            let plan: Plan = serde_json::from_slice(&package.read("plan.json")?)?;
            let weights = bert.export(StateDict::from_safetensors(&bytes)?)?;
            put("model.safetensors", &weights.to_safetensors()?)?;
            put("config.json", &serde_json::to_vec_pretty(&HuggingFace::Bert(bert.clone()))?)?;
            if let [FittedInput::Text { tokenizer, .. }] = plan.inputs.as_slice() {
                put("tokenizer.json", &serde_json::to_vec_pretty(&Value::from(tokenizer.clone()))?)?;
            }
            sentence_transformers(&args.folder, bert.hidden_size, pooling, &mut put)?;
        }
    }
    ui.result(&written)
}

/// What sentence-transformers reads beside the encoder.
fn sentence_transformers(
    folder: &Path,
    width: usize,
    pooling: cupola_nn::Pooling,
    put: &mut impl FnMut(&str, &[u8]) -> Result<()>,
) -> Result<()> {
    std::fs::create_dir_all(folder.join("1_Pooling"))?;
    let mean = pooling.take == cupola_spec::Take::Mean;
    let config = serde_json::json!({
        "word_embedding_dimension": width,
        "pooling_mode_mean_tokens": mean,
        "pooling_mode_cls_token": !mean,
    });
    put("1_Pooling/config.json", &serde_json::to_vec_pretty(&config)?)?;
    let module = |index: usize, path: &str, kind: &str| {
        let kind = format!("sentence_transformers.models.{kind}");
        serde_json::json!({ "idx": index, "name": index.to_string(), "path": path, "type": kind })
    };
    let mut modules = vec![module(0, "", "Transformer"), module(1, "1_Pooling", "Pooling")];
    modules.extend(pooling.normalize.then(|| module(2, "2_Normalize", "Normalize")));
    put("modules.json", &serde_json::to_vec_pretty(&modules)?)
}
