//! From a config's path to rows in memory.

use std::path::{Path, PathBuf};

use anyhow::Result;
use cupola_datasets::{ContractReport, DatasetVersion, LoadRequest, Stream};
use cupola_prep::{Frame, FrameStream, Prepared, prepare, prepare_stream};
use cupola_registry::Home;
use cupola_spec::{Model, PACKAGE, Run};
use serde::{Deserialize, Serialize};

use crate::bars::Bars;
use crate::failure::Mistake;
use crate::pretrained::{self, Pretrained};
use crate::stage::Stage;
use crate::ui::Ui;

/// Rows of a run, split and transformed, and where they came from.
pub struct Loaded {
    /// Ready to train on.
    pub prepared: Prepared,
    /// The source.
    pub source: Seen,
    /// The test source, if there is one.
    pub test: Option<Seen>,
    /// What training starts from, if it is a package.
    pub pretrained: Option<Pretrained>,
}

/// What is known of a source that has been read.
#[derive(Serialize, Deserialize)]
pub struct Seen {
    /// Which rows they were.
    pub version: DatasetVersion,
    /// How they met what was expected.
    pub report: ContractReport,
}

/// Reads a config; a path in it is looked up from here, then beside the config.
///
/// # Errors
/// All problems of the config.
pub fn config(home: &Home, path: &Path, overrides: &[String]) -> Result<Run> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Mistake(format!("{}: {error}; check --config", path.display())))?;
    let roots = roots(Some(path));
    let load = |wanted: &str| -> Result<String, String> {
        let found = roots.iter().map(|root| root.join(wanted)).find(|path| path.is_file());
        let found = found.ok_or_else(|| format!("no file {wanted}; check the path"))?;
        std::fs::read_to_string(&found).map_err(|error| format!("{wanted}: {error}; check the path"))
    };
    parse(home, &path.to_string_lossy(), &text, overrides, &load)
}

/// A run from the text of its config; a package in it gets its exact version.
///
/// # Errors
/// All problems of the config.
pub fn parse(
    home: &Home,
    origin: &str,
    text: &str,
    overrides: &[String],
    load: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Run> {
    let load = |wanted: &str| match wanted.strip_prefix(PACKAGE) {
        Some(package) => pretrained::model_text(home, package),
        None => load(wanted),
    };
    let mut run = cupola_spec::parse(origin, text, overrides, &load)?;
    if let Some(start) = &mut run.start {
        start.package = pretrained::label(home, &start.package)?;
        run.sealed.model = Model::Package(start.clone());
    }
    Ok(run)
}

/// Folders that paths in a config are relative to: here, then the config's own and the one above.
pub fn roots(config: Option<&Path>) -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from(".")];
    if let Some(folder) = config.and_then(Path::parent) {
        roots.push(folder.to_owned());
        roots.extend(folder.parent().map(Path::to_owned));
    }
    roots
}

/// Reads and prepares the data of a run, or takes what `cupola prepare` has made of the same data.
///
/// # Errors
/// Whatever is wrong with the source or does not fit.
pub fn data(home: &Home, ui: Ui, run: &Run, config: Option<&Path>) -> Result<Loaded> {
    let stage = Stage::of(home, ui, run, config)?;
    if let Some(loaded) = stage.loaded(home, run)? {
        ui.line(format!("prepared {} is unchanged and used again", stage.short()));
        return Ok(loaded);
    }
    made(home, ui, run, config, stage)
}

/// Reads and prepares the data of a run, which has been collected.
///
/// # Errors
/// Whatever is wrong with the source or does not fit.
pub fn made(home: &Home, ui: Ui, run: &Run, config: Option<&Path>, stage: Stage) -> Result<Loaded> {
    let start = run.start.as_ref();
    let pretrained = start.map(|start| pretrained::read(home, &start.package)).transpose()?;
    let (roots, bars) = (roots(config), Bars::new(ui));
    let (data, expect) = (&run.data, run.expect.as_slice());
    let request =
        LoadRequest { source: &data.source, data, expect, roots: &roots, home: home.root(), progress: &bars };
    if data.stream {
        return streamed(home, run, &request, stage, pretrained);
    }
    let read = |source, found| cupola_datasets::load_collected(&LoadRequest { source, ..request }, found);
    let table = read(&data.source, stage.source)?;
    let test = data.test_source.as_ref().zip(stage.test);
    let test = test.map(|(source, found)| read(source, found)).transpose()?;
    let frame = Frame::from_batches(&table.schema, &table.batches)?;
    let test_frame = test.as_ref().map(|t| Frame::from_batches(&t.schema, &t.batches)).transpose()?;
    let prepared = prepare(run, &frame, test_frame.as_ref(), pretrained.as_ref().map(|start| &start.plan))?;
    let seen = |table: cupola_datasets::Table| Seen { version: table.version, report: table.report };
    Ok(Loaded { prepared, source: seen(table), test: test.map(seen), pretrained })
}

/// The same without ever holding all rows: they are read batch by batch, and what they become is kept in
/// files without a name in the home folder.
fn streamed(
    home: &Home,
    run: &Run,
    request: &LoadRequest<'_>,
    stage: Stage,
    pretrained: Option<Pretrained>,
) -> Result<Loaded> {
    let open = |source, found| cupola_datasets::stream_collected(&LoadRequest { source, ..*request }, found);
    let rows = open(&run.data.source, stage.source)?;
    let test = run.data.test_source.as_ref().zip(stage.test);
    let test = test.map(|(source, found)| open(source, found)).transpose()?;
    let frames = |stream: &Stream, visit: &mut dyn FnMut(Frame) -> Result<()>| {
        stream.each(&mut |batch| visit(Frame::from_batches(stream.schema(), std::slice::from_ref(batch))?))
    };
    let source = |visit: &mut dyn FnMut(Frame) -> Result<()>| frames(&rows, visit);
    let test_frames =
        test.as_ref().map(|test| move |visit: &mut dyn FnMut(Frame) -> Result<()>| frames(test, visit));
    let held = test_frames.as_ref().map(|frames| frames as FrameStream<'_, anyhow::Error>);
    let learned = pretrained.as_ref().map(|start| &start.plan);
    let prepared = prepare_stream(run, &source, held, &home.root().join("streams"), learned)?;
    let seen = |stream: Stream| Seen { version: stream.version().clone(), report: stream.report().clone() };
    Ok(Loaded { prepared, source: seen(rows), test: test.map(seen), pretrained })
}
