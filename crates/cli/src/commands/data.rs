//! `cupola data`: named datasets, their versions and what they hold.

mod add;
mod show;

pub use self::add::{asked, report};

use anyhow::Result;
use cupola_datasets::{Datasets, Diff, push_dvc};
use cupola_registry::Home;

use crate::args::{DataArgs, DataCommand, DataPushArgs};
use crate::bars::Bars;
use crate::failure::Mistake;
use crate::load::roots;
use crate::ui::Ui;

pub fn run(home: &Home, ui: Ui, args: &DataArgs) -> Result<()> {
    let datasets = Datasets::new(home.root());
    match &args.command {
        DataCommand::Add(args) => add::add(home, ui, args),
        DataCommand::Pull(args) => add::pull(&datasets, ui, args),
        DataCommand::List => show::list(&datasets, ui),
        DataCommand::Show { dataset } => show::show(&datasets, ui, dataset),
        DataCommand::Diff { from, to } => diff(&datasets, ui, from, to.as_deref()),
        DataCommand::Validate(args) => add::validate(home, ui, args),
        DataCommand::Profile { source } => show::profile(home, ui, source),
        DataCommand::Push(args) => push(&datasets, ui, args),
    }
}

fn diff(datasets: &Datasets, ui: Ui, from: &str, to: Option<&str>) -> Result<()> {
    let (from, to) = if let Some(to) = to {
        (datasets.named(from)?, datasets.named(to)?)
    } else {
        // The newest version against the one before.
        let to = datasets.named(from)?;
        let label = to.label();
        let before = to.parent.ok_or_else(|| {
            Mistake(format!("{label} is the first version; name two to compare, such as a:1 b:1"))
        })?;
        (datasets.manifest(&to.name, Some(before))?, to)
    };
    let diff = Diff::of(&from, &to);
    show::diff(ui, &diff);
    ui.result(&diff)
}

fn push(datasets: &Datasets, ui: Ui, args: &DataPushArgs) -> Result<()> {
    let manifest = datasets.named(&args.dataset)?;
    let (roots, bars) = (roots(None), Bars::new(ui));
    if let Some(out) = &args.dvc {
        let file = push_dvc(datasets, &manifest, &args.to, out, &roots, &bars)?;
        ui.line(format!("{} is in {}; `dvc pull {}` gets it", manifest.label(), args.to, file.display()));
        return ui.result(&serde_json::json!({ "dataset": manifest.label(), "to": args.to, "dvc": file }));
    }
    let sent = datasets.push(&manifest, &args.to, &roots, &bars)?;
    let (files, label) = (manifest.dataset.files.len(), manifest.label());
    ui.line(format!("{label} is in {}: {sent} of {files} files were sent, the others were there", args.to));
    ui.line(format!("elsewhere: cupola data pull {} --from {}", manifest.name, args.to));
    ui.result(&serde_json::json!({ "dataset": label, "to": args.to, "sent": sent, "files": files }))
}
