//! `cupola init`: a commented config for the user's data, or a whole repository.

mod project;

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use anyhow::Result;
use cupola_registry::Home;
use cupola_workflow::DraftRequest;
use serde_json::json;

use crate::args::{DraftTargetKind, InitArgs};
use crate::commands::session;
use crate::draw::{Screen, Ui, show_draft};
use crate::failure::UserError;
use crate::next_step::train_command;

pub fn run(home: &Home, ui: Ui, args: &InitArgs) -> Result<()> {
    if let Some(folder) = &args.project {
        return project::run(home, ui, args, folder);
    }
    let print = args.output == Path::new("-");
    if !print && !args.force && args.output.exists() {
        return Err(exists(&args.output).into());
    }
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    let draft = session.draft(&request(args))?;
    let text = draft.to_toml();
    // A draft that `train` refuses is never written.
    session.run_config(&draft.config())?;
    if print && !ui.json {
        ui.line(text.trim_end());
        return Ok(());
    }
    show_draft(ui, &draft);
    if !print {
        write(&args.output, &text, args.force)?;
        ui.line(format!("config  {}", args.output.display()));
    }
    let path = (!print).then_some(&args.output);
    let next =
        path.map(|path| train_command(home, &["--config".to_owned(), path.to_string_lossy().into_owned()]));
    if let Some(next) = &next {
        ui.line(format!("next    {next}"));
    }
    let next: Vec<String> = next.into_iter().collect();
    ui.result(&json!({ "path": path, "config": text, "draft": draft, "next": next }))
}

fn request(args: &InitArgs) -> DraftRequest {
    DraftRequest {
        source: args.data.clone(),
        target: args.target.clone(),
        kind: args.kind.map(DraftTargetKind::kind),
        group: args.group.clone(),
        name: args.name.clone(),
    }
}

/// Writes the config; without `force` a file that has appeared meanwhile stays.
fn write(path: &Path, text: &str, force: bool) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    let written = options.open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => exists(path).into(),
        _ => UserError::new(format!("failed to write {}: {error}", path.display()), "check --output").into(),
    })
}

fn exists(path: &Path) -> UserError {
    UserError::new(
        format!("{} exists already", path.display()),
        "add --force to replace it, or name another file with --output",
    )
}
