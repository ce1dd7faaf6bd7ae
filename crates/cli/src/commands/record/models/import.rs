//! `cupola models import`: a model of another program as a package.

use anyhow::Result;
use cupola_import::{TextTask, from_gguf, from_hugging_face};
use cupola_registry::Home;
use cupola_runtime::check_chat_template;
use cupola_workflow::CODE_VERSION;
use serde_json::json;

use crate::args::{ImportArgs, ImportFormat};
use crate::draw::{Ui, grouped};
use crate::failure::UserError;
use crate::next_step::next_command;

/// Imports and publishes a model.
pub fn run(home: &Home, ui: Ui, args: &ImportArgs) -> Result<()> {
    let length = args.length.map(|length| length as usize);
    let model = match args.from {
        ImportFormat::Gguf => from_gguf(&args.path, length)?,
        ImportFormat::Hf => from_hugging_face(&args.path, length)?,
    };
    if let Err(error) = check_chat_template(&model.plan) {
        let why = match error {
            cupola_runtime::Error::Chat { why } => why,
            other => other.to_string(),
        };
        let hint =
            "remove it from tokenizer_config.json, or delete chat_template.jinja, to import without chats";
        return Err(UserError::new(format!("the chat template is not supported: {why}"), hint).into());
    }
    if let Err(error) = model.plan.check() {
        return Err(UserError::new(error.to_string(), "take all files from one model").into());
    }
    let package = model.publish(home, &args.name, CODE_VERSION)?;
    let parameters = grouped(model.architecture.parameters()?);
    ui.line(format!("{} layers with {parameters} parameters", model.layers));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    for note in &model.notes {
        ui.line(format!("note    {note}"));
    }
    let next = next(home, &args.name, model.task);
    ui.line(format!("next    {next}"));
    let (label, path) = (package.label(), package.path);
    ui.result(&json!({ "package": label, "path": path, "notes": model.notes, "next": [next] }))
}

/// Command that tries the model.
fn next(home: &Home, name: &str, task: TextTask) -> String {
    match task {
        TextTask::Embedding | TextTask::Classification => {
            let predict = next_command(home, ["predict", "--model", name, "--input", "-"]);
            format!("echo '{{\"text\": \"a furnace\"}}' | {predict}")
        }
        TextTask::Generation => next_command(home, ["generate", "--model", name, "--prompt", "A furnace"]),
        TextTask::Chat => next_command(home, ["chat", "--model", name]),
    }
}
