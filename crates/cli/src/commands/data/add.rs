//! New versions, and whether old ones are what they were.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cupola_datasets::{AddOutcome, ContractReport, DatasetInfo, Datasets, LoadRequest};
use cupola_registry::Home;
use cupola_spec::{Data, Expectation, Source, parse_data};
use serde_json::json;

use crate::args::{DataAddArgs, DataPullArgs, DataValidateArgs};
use crate::bars::Bars;
use crate::failure::Mistake;
use crate::load::roots;
use crate::ui::{Ui, grouped};

pub fn add(home: &Home, ui: Ui, args: &DataAddArgs) -> Result<()> {
    let (mut data, expect) = match &args.config {
        Some(config) => of_config(config)?,
        None => (Data::plain(Source::Many(Vec::new()), &defaults()?), Vec::new()),
    };
    match args.source.as_slice() {
        [] if args.config.is_none() => {
            return Err(Mistake("give a source, or --config with `[data]`".to_owned()).into());
        }
        [] => {}
        [one] => data.source = Source::One(one.clone()),
        many => data.source = Source::Many(many.to_vec()),
    }
    for (own, given) in
        [(&mut data.query, &args.query), (&mut data.sql, &args.sql), (&mut data.watermark, &args.watermark)]
    {
        if given.is_some() {
            own.clone_from(given);
        }
    }
    let roots = roots(args.config.as_deref());
    let bars = Bars::new(ui);
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        roots: &roots,
        home: home.root(),
        progress: &bars,
    };
    let about = DatasetInfo { licence: args.licence.clone(), updates: args.updates.clone() };
    let added = Datasets::new(home.root()).add(&args.name, &request, &about)?;
    tell(ui, &added)
}

pub fn pull(datasets: &Datasets, ui: Ui, args: &DataPullArgs) -> Result<()> {
    let bars = Bars::new(ui);
    let Some(from) = &args.from else {
        return tell(ui, &datasets.pull(&args.name, &bars)?);
    };
    let manifest = datasets.fetch(&args.name, args.version, from, &roots(None), &bars)?;
    ui.line(format!("{} is here: {} rows", manifest.label(), grouped(manifest.dataset.rows)));
    ui.result(&manifest)
}

fn tell(ui: Ui, added: &AddOutcome) -> Result<()> {
    let manifest = added.manifest();
    let (rows, columns) = (grouped(manifest.dataset.rows), manifest.dataset.schema.len());
    report(ui, &manifest.report);
    match added {
        AddOutcome::New(_) => {
            ui.line(format!("added   {}: {rows} rows, {columns} columns", manifest.label()))
        }
        AddOutcome::Same(_) => {
            ui.line(format!("nothing is new: {} holds the same {rows} rows", manifest.label()))
        }
    }
    ui.line(format!("use it  source = \"dataset:{}\"", manifest.label()));
    ui.result(manifest)
}

/// How rows met what was expected: what did not hold, where the rows are.
pub fn report(ui: Ui, report: &ContractReport) {
    if report.outcomes.is_empty() {
        return;
    }
    for outcome in report.outcomes.iter().filter(|outcome| !outcome.met) {
        ui.line(format!("expect  {}", outcome.line()));
    }
    let met = report.outcomes.iter().filter(|outcome| outcome.met).count();
    ui.line(format!("expect  {met} of {} conditions are met", report.outcomes.len()));
    if let Some(file) = &report.file {
        ui.line(format!("        {} rows are left out: {}", report.quarantined, file.display()));
    }
}

pub fn validate(home: &Home, ui: Ui, args: &DataValidateArgs) -> Result<()> {
    let datasets = Datasets::new(home.root());
    let bars = Bars::new(ui);
    let mut expect: Option<Vec<Expectation>> = None;
    let (mut data, mut place) = (None, roots(args.config.as_deref()));
    if let Some(config) = &args.config {
        let (own, conditions) = of_config(config)?;
        (data, expect) = (Some(own), Some(conditions));
    }
    if let Some(name) = &args.dataset {
        let manifest = datasets.named(name)?;
        datasets.verify(&manifest, &bars)?;
        ui.line(format!("{} is whole: {} files", manifest.label(), manifest.dataset.files.len()));
        let source = Source::One(format!("dataset:{}", manifest.label()));
        data = Some(Data::plain(source, &manifest.data.null));
        expect = expect.or(Some(manifest.expect));
        place = manifest.roots;
    }
    let (Some(data), Some(expect)) = (data, expect) else {
        return Err(Mistake("give a dataset, --config, or both".to_owned()).into());
    };
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        roots: &place,
        home: home.root(),
        progress: &bars,
    };
    let stream = cupola_datasets::stream(&request)?;
    report(ui, stream.report());
    let rows = stream.version().rows;
    ui.line(format!("valid   {}: {} rows", data.source.patterns().join(", "), grouped(rows)));
    ui.result(&json!({ "dataset": stream.version(), "report": stream.report() }))
}

/// `[data]` and `[[expect]]` of a file.
fn of_config(path: &Path) -> Result<(Data, Vec<Expectation>)> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistake(format!("{}: {error}; check --config", path.display())))?;
    Ok(parse_data(&path.to_string_lossy(), &text)?)
}

/// The texts that mean "missing" where nobody says.
pub fn defaults() -> Result<Vec<String>> {
    let (data, _) = parse_data("the command line", "data.source = \"-\"")?;
    Ok(data.null)
}

/// A request for a source that was named on the command line.
pub fn asked<'a>(home: &'a Home, data: &'a Data, roots: &'a [PathBuf], bars: &'a Bars) -> LoadRequest<'a> {
    LoadRequest { source: &data.source, data, expect: &[], roots, home: home.root(), progress: bars }
}
