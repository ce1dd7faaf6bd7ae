//! `cupola init --project`: a repository for a model of one's own.

use std::path::Path;

use anyhow::Result;
use cupola_deploy::{
    Error, ProjectRequest, ProjectSource, ProjectTests, project_files, shell_word, write_project,
};
use cupola_registry::Home;
use cupola_workflow::ProjectDraft;
use serde_json::json;

use crate::args::InitArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui, show_draft};

pub fn run(home: &Home, ui: Ui, args: &InitArgs, folder: &Path) -> Result<()> {
    let data = ProjectSource::of(&args.data, folder).map_err(Error::from)?;
    let screen = Screen::new(ui);
    let drafted = session(home, &screen).draft_project(&super::request(args), data.source())?;
    let files = project_files(&request(&drafted, &data)).map_err(Error::from)?;
    let written = write_project(folder, &files, &data, args.force).map_err(Error::from)?;
    show_draft(ui, &drafted.draft);
    for file in &written.files {
        ui.line(format!("file    {}", folder.join(file).display()));
    }
    let next = format!("cd {} && git init -b main && ./check", shell_word(&folder.to_string_lossy()));
    ui.line(format!("next    {next}"));
    ui.result(&json!({
        "project": folder,
        "files": written.files,
        "config": drafted.config,
        "draft": drafted.draft,
        "next": [next],
    }))
}

fn request(drafted: &ProjectDraft, data: &ProjectSource) -> ProjectRequest {
    let rows = drafted.known.clone();
    ProjectRequest {
        name: drafted.draft.name.clone(),
        target: drafted.draft.target.name.clone(),
        config: drafted.config.clone(),
        data: (!data.files().is_empty()).then(|| data.source().to_owned()),
        short: drafted.short.clone(),
        tests: rows.map(|rows| ProjectTests { rows, gate: drafted.known_gate.clone() }),
    }
}
