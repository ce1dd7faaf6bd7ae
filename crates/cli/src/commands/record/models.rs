//! `cupola models`: list, show, example, alias, verify, import and export packages.

mod example;
mod export;
mod families;
mod import;
mod lineage;

use anyhow::Result;
use cupola_prep::{InputColumn, OutputColumn, Signature};
use cupola_registry::{Home, Index, Package};
use cupola_runtime::{EnsembleConfig, EnsembleMember};
use cupola_workflow::{AliasChange, roll_back_alias, set_alias, verify_packages};
use serde_json::{Value, json};

use crate::args::{ModelsArgs, ModelsCommand};
use crate::draw::{Ui, summary};
use crate::next_step::next_command;

pub fn run(home: &Home, ui: Ui, args: &ModelsArgs) -> Result<()> {
    match &args.command {
        ModelsCommand::List => list(home, ui),
        ModelsCommand::Families => families::run(ui),
        ModelsCommand::Show { model } => show(home, ui, model),
        ModelsCommand::Example(args) => example::run(home, ui, args),
        ModelsCommand::Lineage { model } => lineage::run(home, ui, model),
        ModelsCommand::Alias { name, alias, version, expect, force } => {
            alias_to(home, ui, (name, alias, *version), *expect, *force)
        }
        ModelsCommand::Rollback { name, alias, force } => roll_back(home, ui, (name, alias), *force),
        ModelsCommand::Verify { model, trusted } => verify(home, ui, model.as_deref(), trusted),
        ModelsCommand::Import(args) => import::run(home, ui, args),
        ModelsCommand::Export(args) => export::run(home, ui, args),
    }
}

fn list(home: &Home, ui: Ui) -> Result<()> {
    let packages = Index::open(home)?.packages()?;
    if packages.is_empty() {
        let next = next_command(home, ["train", "--config", "configs/digits.toml"]);
        ui.line(format!("no models yet; train one with: {next}"));
    } else {
        let rows = packages
            .iter()
            .map(|p| {
                let aliases = p.aliases.join(", ");
                vec![
                    p.name.clone(),
                    p.version.to_string(),
                    aliases,
                    p.created.clone(),
                    p.run.clone(),
                    summary(&p.metrics),
                ]
            })
            .collect();
        ui.table(&["model", "version", "aliases", "created", "run", "test"], &[1], rows);
    }
    ui.result(&packages)
}

fn show(home: &Home, ui: Ui, model: &str) -> Result<()> {
    let package = home.package(model)?;
    let manifest = &package.manifest;
    ui.line(format!("package  {}", package.label()));
    ui.line(format!("folder   {}", package.path.display()));
    ui.line(format!("created  {}", manifest.created));
    ui.line(format!("run      {}", manifest.lineage.run));
    ui.line(format!("data     version {}", manifest.lineage.dataset_version));
    ui.line(format!("test     {}", summary(&manifest.metrics.clone().into())));
    let signature: Signature = serde_json::from_value(manifest.signature.clone())?;
    if let Some(window) = signature.window {
        ui.line(format!("window   {window} rows of history, or more"));
    }
    for output in &signature.outputs {
        if let (Some(length), Some(_)) = (output.length, signature.window) {
            let every = output.frequency.as_ref().map_or(String::new(), |step| format!(", {step} apart"));
            ui.line(format!("horizon  {length} rows ahead of `{}`{every}", output.name));
        }
    }
    let values = |categories: &Option<Vec<String>>| {
        let shown = categories.as_deref().unwrap_or_default();
        let more = if shown.len() > 8 { ", ..." } else { "" };
        format!("{}{more}", shown.iter().take(8).cloned().collect::<Vec<_>>().join(", "))
    };
    let kind = |kind: &cupola_prep::ColumnType| json!(kind).as_str().unwrap_or_default().to_owned();
    let input = |c: &InputColumn| {
        let null = if c.nullable { "or null" } else { "" };
        vec!["input".to_owned(), c.name.clone(), kind(&c.kind), null.to_owned(), values(&c.categories)]
    };
    let output = |c: &OutputColumn| {
        let positive = c.positive.as_ref().map(|class| format!("positive: {class}")).unwrap_or_default();
        vec!["output".to_owned(), c.name.clone(), kind(&c.kind), positive, values(&c.categories)]
    };
    let members = members(&package)?;
    for member in &members {
        ui.line(format!("member   {} ({}), weight {:.3}", member.name, member.family(), member.weight));
    }
    let rows = signature.inputs.iter().map(input).chain(signature.outputs.iter().map(output)).collect();
    ui.table(&["", "column", "type", "", "values"], &[], rows);
    let mut result = json!({ "path": package.path, "manifest": manifest });
    if !members.is_empty() {
        result["members"] = members.iter().map(member_json).collect();
    }
    ui.result(&result)
}

/// Members of an ensemble; none of any other package.
fn members(package: &Package) -> Result<Vec<EnsembleMember>> {
    Ok(EnsembleConfig::of_package(package)?.map(|own| own.members).unwrap_or_default())
}

fn member_json(member: &EnsembleMember) -> Value {
    json!({ "name": member.name, "family": member.family(), "weight": member.weight })
}

fn alias_to(home: &Home, ui: Ui, target: (&str, &str, u64), expect: Option<u64>, force: bool) -> Result<()> {
    let (name, alias, version) = target;
    let expected = expect.map(|version| (version > 0).then_some(version));
    let AliasChange { before, version } = set_alias(home, name, alias, version, expected, force)?;
    let was = before.map_or("nothing".to_owned(), |version| format!("version {version}"));
    ui.line(format!("{name}@{alias} is version {version}, was {was}"));
    ui.result(&json!({ "name": name, "alias": alias, "version": version, "before": before }))
}

fn roll_back(home: &Home, ui: Ui, (name, alias): (&str, &str), force: bool) -> Result<()> {
    let AliasChange { before, version } = roll_back_alias(home, name, alias, force)?;
    let before = before.unwrap_or_default();
    ui.line(format!("{name}@{alias} is version {version} again, was version {before}"));
    ui.result(&json!({ "name": name, "alias": alias, "version": version, "before": before }))
}

fn verify(home: &Home, ui: Ui, model: Option<&str>, trusted: &[String]) -> Result<()> {
    let packages = verify_packages(home, model, trusted, &mut |package| {
        ui.line(format!("{} is whole: {} files", package.label(), package.manifest.files.len()));
    })?;
    ui.result(&packages.iter().map(Package::label).collect::<Vec<_>>())
}
