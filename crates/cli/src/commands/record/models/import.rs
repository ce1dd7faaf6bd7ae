//! `cupola models import`: a model of another program as a package.

use anyhow::Result;
use cupola_import::{
    ImportedModel, ImportedTrees, TextTask, TreeTarget, from_gguf, from_hugging_face, from_lightgbm,
    from_xgboost,
};
use cupola_prep::{ColumnType, Plan, Signature};
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
    let target = TreeTarget { name: args.target.clone(), classes: args.classes.clone() };
    match args.from {
        ImportFormat::Gguf | ImportFormat::Hf if target != TreeTarget::default() => {
            let hint = "leave them out: the files of these models name their classes";
            Err(UserError::new("`--target` and `--classes` are for xgboost and lightgbm", hint).into())
        }
        ImportFormat::Xgboost | ImportFormat::Lightgbm if length.is_some() => {
            Err(UserError::new("`--length` is for hf and gguf", "leave it out: trees have no texts").into())
        }
        ImportFormat::Gguf => publish(home, ui, args, &from_gguf(&args.path, length)?),
        ImportFormat::Hf => publish(home, ui, args, &from_hugging_face(&args.path, length)?),
        ImportFormat::Xgboost => publish_trees(home, ui, args, &from_xgboost(&args.path, &target)?),
        ImportFormat::Lightgbm => publish_trees(home, ui, args, &from_lightgbm(&args.path, &target)?),
    }
}

/// Publishes a network.
fn publish(home: &Home, ui: Ui, args: &ImportArgs, model: &ImportedModel) -> Result<()> {
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

/// Publishes trees.
fn publish_trees(home: &Home, ui: Ui, args: &ImportArgs, model: &ImportedTrees) -> Result<()> {
    model.plan.check()?;
    let package = model.publish(home, &args.name, CODE_VERSION)?;
    let (trees, library) = (grouped(model.trees.trees().len()), model.library);
    ui.line(format!("{trees} trees of {library}"));
    ui.line(format!("model   {} in {}", package.label(), package.path.display()));
    for note in &model.notes {
        ui.line(format!("note    {note}"));
    }
    let predict = next_command(home, ["predict", "--model", &args.name, "--input", "-"]);
    let row = example_row(&model.plan).replace('\'', r"'\''");
    let next = format!("echo '{row}' | {predict}");
    ui.line(format!("next    {next}"));
    let (label, path) = (package.label(), package.path);
    ui.result(&json!({ "package": label, "path": path, "notes": model.notes, "next": [next] }))
}

/// Row of zeros and first categories.
fn example_row(plan: &Plan) -> String {
    let inputs = Signature::of(plan).inputs.into_iter();
    let value = |kind: ColumnType, categories: Option<Vec<String>>| match kind {
        ColumnType::Number => json!(0),
        _ => json!(categories.unwrap_or_default().first()),
    };
    let row = inputs.map(|input| (input.name, value(input.kind, input.categories)));
    json!(row.collect::<serde_json::Map<_, _>>()).to_string()
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
