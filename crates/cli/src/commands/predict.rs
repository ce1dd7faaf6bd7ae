//! `cupola predict`: the server's numbers without a server.

use std::io::{Read, Write};

use anyhow::Result;
use cupola_infer::Predictor;
use cupola_prep::{Frame, Label, Prediction};
use cupola_registry::{Home, Package, Reference, write_file};
use cupola_spec::Source;
use serde_json::{Map, Value};

use crate::args::{ModelArgs, PredictArgs};
use crate::device;
use crate::failure::Mistake;
use crate::load::roots;

/// Rows that go through the engine at once.
const CHUNK: usize = 1024;

pub fn run(home: &Home, args: &PredictArgs) -> Result<()> {
    let (_, mut predictor) = load(home, &args.model)?;
    let frame = input(&args.input, &predictor)?;
    // All of it before any output: a row that does not fit leaves no half file.
    let examples = predictor.plan.apply(&frame)?;
    let rows: Vec<usize> = (0..examples.rows).collect();
    let mut predictions = Vec::with_capacity(rows.len());
    for chunk in rows.chunks(CHUNK) {
        predictions.extend(predictor.forward(examples.gather(chunk))?);
    }
    let target = predictor.plan.target.name().to_owned();
    let text = if args.output.to_lowercase().ends_with(".csv") {
        csv(&target, &predictions)
    } else {
        json_lines(&target, &predictions)?
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
    let package = Reference::parse(&args.model)?.resolve(home)?;
    let device = device::choose(args.device.device)?;
    let predictor = Predictor::load(&package, args.engine, &device)?;
    Ok((package, predictor))
}

fn input(path: &str, predictor: &Predictor) -> Result<Frame> {
    let nulls = &predictor.plan.null_texts;
    if path != "-" {
        return frame(&Source::One(path.to_owned()), nulls);
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
    frame(&Source::One(file.path().to_string_lossy().into_owned()), nulls)
}

/// Rows of a source as they are, without a query.
pub fn frame(source: &Source, nulls: &[String]) -> Result<Frame> {
    let table = cupola_data::load(source, None, nulls, &roots(None))?;
    Ok(Frame::from_batches(&table.schema, &table.batches)?)
}

fn json_lines(target: &str, predictions: &[Prediction]) -> Result<String> {
    let mut text = String::new();
    for prediction in predictions {
        let row: Map<String, Value> =
            Map::from_iter([(target.to_owned(), serde_json::to_value(prediction)?)]);
        text.push_str(&serde_json::to_string(&row)?);
        text.push('\n');
    }
    Ok(text)
}

fn csv(target: &str, predictions: &[Prediction]) -> String {
    let classes: Vec<String> = predictions
        .first()
        .and_then(|p| p.probabilities.as_ref())
        .map(|p| p.keys().cloned().collect())
        .unwrap_or_default();
    // A forecast has a column for each row ahead.
    let ahead = match predictions.first().map(|prediction| &prediction.value) {
        Some(Label::Numbers(values)) => values.len(),
        _ => 0,
    };
    let mut text = match ahead {
        0 => quoted(target),
        _ => (1..=ahead).map(|step| quoted(&format!("{target}_{step}"))).collect::<Vec<_>>().join(","),
    };
    for class in &classes {
        text.push(',');
        text.push_str(&quoted(&format!("{target}_p_{class}")));
    }
    text.push('\n');
    for prediction in predictions {
        match &prediction.value {
            Label::Number(number) => text.push_str(&number.to_string()),
            Label::Text(label) => text.push_str(&quoted(label)),
            Label::Numbers(values) => {
                text.push_str(&values.iter().map(f64::to_string).collect::<Vec<_>>().join(","));
            }
        }
        for p in prediction.probabilities.iter().flat_map(|p| p.values()) {
            text.push(',');
            text.push_str(&p.to_string());
        }
        text.push('\n');
    }
    text
}

/// RFC 4180.
fn quoted(field: &str) -> String {
    if field.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}
