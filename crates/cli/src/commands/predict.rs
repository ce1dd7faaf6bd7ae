//! `cupola predict`: the server's numbers without a server.

mod output;

use std::io::{Read, Write};

use anyhow::Result;
use cupola_prep::Frame;
use cupola_registry::{Home, write_file};
use cupola_spec::Source;
use cupola_workflow::Session;

use super::session;
use crate::args::PredictArgs;
use crate::draw::{CollectionProgress, Ui};
use crate::failure::UserError;

<<<<<<< HEAD
pub fn run(home: &Home, args: &PredictArgs) -> Result<()> {
    // Standard output carries the predictions.
    let progress = CollectionProgress::new(Ui { json: true });
    let session = session(home, &progress);
    let mut model = session.open_model(&args.model.selection())?;
    let rows = input(&session, &args.input, &model.predictor.sealed.plan.null_texts)?;
    let predictions = model.predict(&rows)?;
=======
/// Rows that go through the engine at once.
const CHUNK: usize = 1024;

pub fn run(home: &Home, ui: Ui, args: &PredictArgs) -> Result<()> {
    let (_, mut predictor) = load(home, &args.model)?;
    // What it prints is the predictions.
    let ui = Ui { json: true, ..ui };
    let frame = input(home, ui, &args.input, &predictor)?;
    // All of it before any output: a row that does not fit leaves no half file.
    let examples = predictor.package.plan.apply(&frame)?;
    let rows: Vec<usize> = (0..examples.rows).collect();
    let mut predictions = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(CHUNK) {
        predictions.extend(predictor.predict(examples.gather(chunk))?);
    }
>>>>>>> main
    let text = if args.output.to_lowercase().ends_with(".csv") {
        output::csv(&predictions)
    } else {
        output::json_lines(&predictions)?
    };
    if args.output == "-" {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        write_file(std::path::Path::new(&args.output), text.as_bytes())?;
    }
    Ok(())
}

<<<<<<< HEAD
/// Rows of a file, or of standard input: JSON lines if it begins with a brace, CSV otherwise.
fn input(session: &Session<'_>, path: &str, null_texts: &[String]) -> Result<Frame> {
=======
/// The package that was named, in memory.
pub fn load(home: &Home, args: &ModelArgs) -> Result<(Package, Predictor)> {
    let package = home.package(&args.model)?;
    let device = device::choose(args.device.device)?;
    let predictor = Predictor::load(&package, args.engine, &device)?;
    Ok((package, predictor))
}

fn input(home: &Home, ui: Ui, path: &str, predictor: &Predictor) -> Result<Frame> {
    let nulls = &predictor.package.plan.null_texts;
>>>>>>> main
    if path != "-" {
        return Ok(session.read_rows(&Source::One(path.to_owned()), null_texts)?);
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let ending = match text.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => ".jsonl",
        Some(_) => ".csv",
        None => {
            return Err(UserError::new("standard input is empty", "give rows as CSV or JSON lines").into());
        }
    };
    let mut file = tempfile::Builder::new().prefix("stdin").suffix(ending).tempfile()?;
    file.write_all(&text)?;
    Ok(session.read_rows(&Source::One(file.path().to_string_lossy().into_owned()), null_texts)?)
}
