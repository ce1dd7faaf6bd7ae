//! `cupola generate`: text from a language model, as it comes.

use std::io::Write;

use anyhow::Result;
use cupola_registry::Home;
use cupola_runtime::Sampling;
use serde_json::json;

use crate::args::GenerateArgs;
use crate::commands::predict::load;
use crate::failure::Mistake;
use crate::ui::Ui;

pub fn run(home: &Home, ui: Ui, args: &GenerateArgs) -> Result<()> {
    let fits = args.temperature.is_finite() && args.temperature >= 0.0 && (0.0..=1.0).contains(&args.top_p);
    if !fits {
        let text = "--temperature is at least 0 and --top-p between 0 and 1; change them";
        return Err(Mistake(text.into()).into());
    }
    let (package, mut predictor) = load(home, &args.model)?;
    let sampling =
        Sampling { temperature: args.temperature, top_k: args.top_k, top_p: args.top_p, seed: args.seed };
    let text = predictor.generate(&args.prompt, args.tokens, &sampling, &mut |piece| {
        if !ui.json {
            // A reader that has gone away is no reason to fail.
            let _ = write!(std::io::stdout(), "{piece}");
            let _ = std::io::stdout().flush();
        }
    })?;
    ui.line("");
    ui.result(&json!({ "model": package.label(), "prompt": args.prompt, "text": text, "seed": args.seed }))
}
