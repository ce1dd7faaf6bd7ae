//! `cupola generate`: text of a language model, printed as it is generated.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::Result;
use cupola_registry::Home;
use cupola_runtime::{ChatPrompt, ContextOverflow, GenerationParams, Prompt, PromptMessage};
use cupola_workflow::{LoadedModel, Silent};
use serde_json::json;

use crate::args::GenerateArgs;
use crate::commands::session;
use crate::draw::Ui;
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &GenerateArgs) -> Result<()> {
    let params = args.sampling.params(args.tokens)?;
    let mut model = session(home, &Silent).open_model(&args.model.selection())?;
    let prompt = prompt(&model, args)?;
    // A plain text goes on as long as it is asked to; a chat ends with its context.
    let overflow = match prompt {
        Prompt::Chat(_) => ContextOverflow::Refuse,
        Prompt::Text(_) | Prompt::Tokens(_) => ContextOverflow::Slide,
    };
    let params = GenerationParams { overflow, ..params };
    let mut text = String::new();
    model.predictor.generate(&prompt, params, &mut |piece| {
        text.push_str(piece);
        if !ui.json {
            // A reader that has gone away is not an error.
            let _ = write!(std::io::stdout(), "{piece}");
            let _ = std::io::stdout().flush();
        }
        ControlFlow::Continue(())
    })?;
    ui.line("");
    let (label, seed) = (model.package.label(), args.sampling.seed);
    ui.result(&json!({ "model": label, "prompt": args.prompt, "text": text, "seed": seed }))
}

/// Prompt in the form that the model was trained with, unless it is to be taken as it is.
fn prompt(model: &LoadedModel, args: &GenerateArgs) -> Result<Prompt> {
    if model.predictor.package.generates() == Some("chat") && !args.raw {
        let message = |role: &str, content: &str| PromptMessage {
            role: role.to_owned(),
            content: content.to_owned(),
            ..PromptMessage::default()
        };
        let system = args.system.iter().map(|text| message("system", text));
        let messages = system.chain([message("user", &args.prompt)]).collect();
        return Ok(Prompt::Chat(ChatPrompt { messages, tools: Vec::new() }));
    }
    if args.system.is_some() {
        let message = format!("`{}` has no chat template", model.package.label());
        return Err(
            UserError::new(message, "leave --system out, and write the instructions into --prompt").into()
        );
    }
    Ok(Prompt::Text(args.prompt.clone()))
}
