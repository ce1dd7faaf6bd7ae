//! Digests of a version, and expectations of its rows.

use anyhow::Result;
use cupola_datasets::{Datasets, LoadRequest};
use cupola_registry::Home;
use cupola_sources::TextColumns;
use cupola_spec::Source;
use serde_json::json;

use super::{read_config, roots};
use crate::args::DataValidateArgs;
use crate::draw::{CollectionProgress, Ui, grouped, show_expectations, show_notes};
use crate::failure::UserError;

pub fn run(home: &Home, ui: Ui, args: &DataValidateArgs) -> Result<()> {
    let datasets = Datasets::new(home.root());
    let progress = CollectionProgress::new(ui);
    let (mut data, mut expect) = (None, None);
    let mut roots = roots(args.config.as_deref());
    if let Some(config) = &args.config {
        let (declared, expectations) = read_config(config)?;
        (data, expect) = (Some(declared), Some(expectations));
    }
    if let Some(name) = &args.dataset {
        let manifest = datasets.named(name)?;
        datasets.verify(&manifest, &progress)?;
        ui.line(format!("{} is whole: {} files", manifest.label(), manifest.dataset.files.len()));
        let source = Source::One(format!("dataset:{}", manifest.label()));
        data = Some(manifest.data.with_same_format(source));
        expect = expect.or(Some(manifest.expect));
        roots = manifest.roots;
    }
    let (Some(data), Some(expect)) = (data, expect) else {
        return Err(UserError::new("nothing to validate", "give a dataset, --config, or both").into());
    };
    let request = LoadRequest {
        source: &data.source,
        data: &data,
        expect: &expect,
        texts: TextColumns::None,
        roots: &roots,
        home: home.root(),
        progress: &progress,
    };
    let stream = cupola_datasets::stream(&request)?;
    show_notes(ui, stream.notes());
    show_expectations(ui, stream.report());
    let rows = stream.version().rows;
    ui.line(format!("valid   {}: {} rows", data.source.patterns().join(", "), grouped(rows)));
    ui.result(&json!({
        "dataset": stream.version(),
        "report": stream.report(),
        "notes": stream.notes().iter().map(ToString::to_string).collect::<Vec<_>>(),
    }))
}
