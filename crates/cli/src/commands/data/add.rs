//! New versions of datasets.

use anyhow::Result;
use cupola_datasets::{AddOutcome, DatasetInfo, Datasets, LoadRequest};
use cupola_registry::Home;
use cupola_sources::TextColumns;
use cupola_spec::{Data, Expectation, Source};

use super::{default_null_texts, read_config, roots};
use crate::args::{DataAddArgs, DataPullArgs};
use crate::draw::{CollectionProgress, Ui, grouped, show_expectations};
use crate::failure::UserError;

pub fn add(home: &Home, ui: Ui, args: &DataAddArgs) -> Result<()> {
    let (data, expect) = declared(args)?;
    let roots = roots(args.config.as_deref());
    let progress = CollectionProgress::new(ui);
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home: home.root(),
        progress: &progress,
    };
    let about = DatasetInfo { licence: args.licence.clone(), updates: args.updates.clone() };
    let added = Datasets::new(home.root()).add(&args.name, &request, &about)?;
    show_added(ui, &added)
}

/// Source and expectations of the config, overridden by the arguments.
fn declared(args: &DataAddArgs) -> Result<(Data, Vec<Expectation>)> {
    let (mut data, expect) = match &args.config {
        Some(config) => read_config(config)?,
        None => (Data::plain(Source::Many(Vec::new()), &default_null_texts()?), Vec::new()),
    };
    match args.source.as_slice() {
        [] if args.config.is_none() => {
            return Err(UserError::new("no source", "give a source, or --config with `[data]`").into());
        }
        [] => {}
        [one] => data.source = Source::One(one.clone()),
        many => data.source = Source::Many(many.to_vec()),
    }
    for (declared, given) in
        [(&mut data.query, &args.query), (&mut data.sql, &args.sql), (&mut data.watermark, &args.watermark)]
    {
        if given.is_some() {
            declared.clone_from(given);
        }
    }
    Ok((data, expect))
}

pub fn pull(datasets: &Datasets, ui: Ui, args: &DataPullArgs) -> Result<()> {
    let progress = CollectionProgress::new(ui);
    let Some(from) = &args.from else {
        return show_added(ui, &datasets.pull(&args.name, &progress)?);
    };
    let manifest = datasets.fetch(&args.name, args.version, from, &roots(None), &progress)?;
    ui.line(format!("{} is here: {} rows", manifest.label(), grouped(manifest.dataset.rows)));
    ui.result(&manifest)
}

fn show_added(ui: Ui, added: &AddOutcome) -> Result<()> {
    let manifest = added.manifest();
    let (rows, columns) = (grouped(manifest.dataset.rows), manifest.dataset.schema.len());
    show_expectations(ui, &manifest.report);
    match added {
        AddOutcome::New(_) => {
            ui.line(format!("added   {}: {rows} rows, {columns} columns", manifest.label()));
        }
        AddOutcome::Same(_) => {
            ui.line(format!("nothing is new: {} holds the same {rows} rows", manifest.label()));
        }
    }
    ui.line(format!("use it  source = \"dataset:{}\"", manifest.label()));
    ui.result(manifest)
}
