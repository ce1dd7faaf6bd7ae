//! `cupola data`: named datasets and their versions.

mod add;
mod diff;
mod profile;
mod show;
mod validate;

use std::path::{Path, PathBuf};

use anyhow::Result;
use cupola_datasets::{Datasets, Diff, push_dvc};
use cupola_registry::Home;
use cupola_spec::{Data, Expectation, parse_data};
use cupola_workflow::ConfigSource;

use crate::args::{DataArgs, DataCommand, DataPushArgs};
use crate::draw::{CollectionProgress, Ui};
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &DataArgs) -> Result<()> {
    let datasets = Datasets::new(home.root());
    match &args.command {
        DataCommand::Add(args) => add::add(home, ui, args),
        DataCommand::Pull(args) => add::pull(&datasets, ui, args),
        DataCommand::List => show::list(&datasets, ui),
        DataCommand::Show { dataset } => show::show(&datasets, ui, dataset),
        DataCommand::Diff { from, to } => diff(&datasets, ui, from, to.as_deref()),
        DataCommand::Validate(args) => validate::run(home, ui, args),
        DataCommand::Profile { source } => profile::run(home, ui, source),
        DataCommand::Push(args) => push(&datasets, ui, args),
    }
}

fn diff(datasets: &Datasets, ui: Ui, from: &str, to: Option<&str>) -> Result<()> {
    let (from, to) = if let Some(to) = to {
        (datasets.named(from)?, datasets.named(to)?)
    } else {
        // The newest version against the previous one.
        let to = datasets.named(from)?;
        let label = to.label();
        let before = to.parent.ok_or_else(|| {
            UserError::new(format!("{label} is the first version"), "name two to compare, such as a:1 b:1")
        })?;
        (datasets.manifest(&to.name, Some(before))?, to)
    };
    let diff = Diff::of(&from, &to);
    diff::show(ui, &diff);
    ui.result(&diff)
}

fn push(datasets: &Datasets, ui: Ui, args: &DataPushArgs) -> Result<()> {
    let manifest = datasets.named(&args.dataset)?;
    let (roots, progress) = (roots(None), CollectionProgress::new(ui));
    if let Some(out) = &args.dvc {
        let file = push_dvc(datasets, &manifest, &args.to, out, &roots, &progress)?;
        ui.line(format!("{} is in {}; `dvc pull {}` gets it", manifest.label(), args.to, file.display()));
        return ui.result(&serde_json::json!({ "dataset": manifest.label(), "to": args.to, "dvc": file }));
    }
    let sent = datasets.push(&manifest, &args.to, &roots, &progress)?;
    let (files, label) = (manifest.dataset.files.len(), manifest.label());
    ui.line(format!("{label} is in {}: {sent} of {files} files were sent, the others were there", args.to));
    ui.line(format!("elsewhere: cupola data pull {} --from {}", manifest.name, args.to));
    ui.result(&serde_json::json!({ "dataset": label, "to": args.to, "sent": sent, "files": files }))
}

/// Folders that relative paths are looked up in: the working directory, and those of the config.
fn roots(config: Option<&Path>) -> Vec<PathBuf> {
    config.map_or_else(|| vec![PathBuf::from(".")], |config| ConfigSource::file(config).roots())
}

/// `[data]` and `[[expect]]` of a file.
fn read_config(path: &Path) -> Result<(Data, Vec<Expectation>)> {
    let text = std::fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
    Ok(parse_data(&path.to_string_lossy(), &text)?)
}

/// Texts that mean a missing value by default.
fn default_null_texts() -> Result<Vec<String>> {
    let (data, _) = parse_data("the command line", "data.source = \"-\"")?;
    Ok(data.null)
}
