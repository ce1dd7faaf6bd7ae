//! `cupola predict`: the server's numbers without a server.

use std::io::{Read, Write};

use anyhow::Result;
use cupola_prep::{Frame, PredictedValue, Prediction, Predictions};
use cupola_registry::{Home, Package, write_file};
use cupola_runtime::Predictor;
use cupola_spec::{Data, Source};

use crate::args::{ModelArgs, PredictArgs};
use crate::bars::Bars;
use crate::commands::data::asked;
use crate::device;
use crate::failure::Mistake;
use crate::load::roots;
use crate::ui::Ui;

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
    let text = if args.output.to_lowercase().ends_with(".csv") {
        csv(&predictions)
    } else {
        json_lines(&predictions)?
    };
    if args.output == "-" {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        write_file(std::path::Path::new(&args.output), text.as_bytes())?;
    }
    Ok(())
}

/// The package that was named, in memory.
pub fn load(home: &Home, args: &ModelArgs) -> Result<(Package, Predictor)> {
    let package = home.package(&args.model)?;
    let device = device::choose(args.device.device)?;
    let predictor = Predictor::load(&package, args.engine, &device)?;
    Ok((package, predictor))
}

fn input(home: &Home, ui: Ui, path: &str, predictor: &Predictor) -> Result<Frame> {
    let nulls = &predictor.package.plan.null_texts;
    if path != "-" {
        return frame(home, ui, &Source::One(path.to_owned()), nulls);
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let first = text.iter().find(|b| !b.is_ascii_whitespace());
    let ending = match first {
        Some(b'{') => ".jsonl",
        Some(_) => ".csv",
        None => return Err(Mistake("standard input is empty; give rows as CSV or JSON lines".into()).into()),
    };
    let mut file = tempfile::Builder::new().prefix("stdin").suffix(ending).tempfile()?;
    file.write_all(&text)?;
    frame(home, ui, &Source::One(file.path().to_string_lossy().into_owned()), nulls)
}

/// Rows of a source as they are, without a query.
pub fn frame(home: &Home, ui: Ui, source: &Source, nulls: &[String]) -> Result<Frame> {
    let data = Data::plain(source.clone(), nulls);
    let (roots, bars) = (roots(None), Bars::new(ui));
    let table = cupola_datasets::load(&asked(home, &data, &roots, &bars))?;
    Ok(Frame::from_batches(&table.schema, &table.batches)?)
}

fn json_lines(answers: &[Predictions]) -> Result<String> {
    let mut text = String::new();
    for answer in answers {
        text.push_str(&serde_json::to_string(answer)?);
        text.push('\n');
    }
    Ok(text)
}

/// For each target its value (a forecast has a column for each row ahead) and its probabilities.
fn csv(answers: &[Predictions]) -> String {
    let mut lines = vec![answers.first().map(header).unwrap_or_default()];
    lines.extend(answers.iter().map(|answer| answer.values().flat_map(fields).collect::<Vec<_>>().join(",")));
    lines.push(String::new());
    lines.join("\n")
}

fn header(answer: &Predictions) -> String {
    let mut names = Vec::new();
    for (target, prediction) in answer {
        match &prediction.value {
            PredictedValue::Numbers(values) => {
                names.extend((1..=values.len()).map(|step| quoted(&format!("{target}_{step}"))));
            }
            PredictedValue::Number(_) | PredictedValue::Text(_) => names.push(quoted(target)),
        }
        let classes = prediction.probabilities.iter().flat_map(|p| p.keys());
        names.extend(classes.map(|class| quoted(&format!("{target}_p_{class}"))));
    }
    names.join(",")
}

fn fields(prediction: &Prediction) -> Vec<String> {
    let mut fields = match &prediction.value {
        PredictedValue::Number(number) => vec![number.to_string()],
        PredictedValue::Text(label) => vec![quoted(label)],
        PredictedValue::Numbers(values) => values.iter().map(f64::to_string).collect(),
    };
    fields.extend(prediction.probabilities.iter().flat_map(|p| p.values()).map(f32::to_string));
    fields
}

/// RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
