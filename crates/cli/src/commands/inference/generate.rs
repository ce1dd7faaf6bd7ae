//! `cupola generate`: text of a language model, printed as it is generated.

use std::io::Write;

use anyhow::Result;
use cupola_registry::Home;
use cupola_runtime::Sampling;
use cupola_workflow::Silent;
use serde_json::json;

use crate::args::GenerateArgs;
use crate::commands::session;
use crate::draw::Ui;
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &GenerateArgs) -> Result<()> {
    if !args.temperature.is_finite() || args.temperature < 0.0 {
        let message = format!("invalid --temperature {}", args.temperature);
        return Err(UserError::new(message, "expected a number of at least 0").into());
    }
    if !(0.0..=1.0).contains(&args.top_p) {
        let message = format!("invalid --top-p {}", args.top_p);
        return Err(UserError::new(message, "expected a number between 0 and 1").into());
    }
    let mut model = session(home, &Silent).open_model(&args.model.selection())?;
    let sampling =
        Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed };
    let text = model.predictor.generate(&args.prompt, args.tokens, &sampling, &mut |piece| {
        if !ui.json {
            // A reader that has gone away is not an error.
            let _ = write!(std::io::stdout(), "{piece}");
            let _ = std::io::stdout().flush();
        }
    })?;
    ui.line("");
    ui.result(
        &json!({ "model": model.package.label(), "prompt": args.prompt, "text": text, "seed": args.seed }),
    )
}
