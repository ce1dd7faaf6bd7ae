//! `cupola predict`: the server's numbers without a server.

mod output;

use std::io::{Read, Write};

use anyhow::Result;
use cupola_prep::Plan;
use cupola_registry::{Home, write_file};
use cupola_runtime::{ExplainOptions, RowExplanations};
use cupola_spec::Source;
use cupola_workflow::{ForecastOptions, InputRows, LoadedModel, Session};

use crate::args::PredictArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui};
use crate::failure::UserError;

pub fn run(home: &Home, args: &PredictArgs) -> Result<()> {
    check_format(args)?;
    // Standard output carries the predictions.
    let progress = CollectionProgress::new(Ui { json: true });
    let session = session(home, &progress);
    let mut model = session.open_model(&args.model.selection())?;
    let rows = input(&session, &args.input, &model.predictor.package.plan)?;
    let rows =
        model.select(rows, ForecastOptions { horizon: args.horizon, all_windows: args.all_windows })?;
    let (mut predictions, labels) = (model.predict(&rows)?, model.labels(&rows)?);
    if let Some(interval) = args.interval {
        model.add_intervals(interval, &rows, &mut predictions)?;
    }
    if let Some(horizon) = args.horizon {
        predictions.iter_mut().flat_map(|row| row.values_mut()).for_each(|one| one.shorten(horizon));
    }
    let explanations = explanations(&mut model, &rows, args)?;
    let text = if is_csv(&args.output) {
        output::csv(&predictions, &labels, &rows.files)?
    } else {
        output::json_lines(&predictions, &explanations, &labels, &rows.files)?
    };
    if args.output == "-" {
        std::io::stdout().write_all(text.as_bytes())?;
    } else {
        write_file(std::path::Path::new(&args.output), text.as_bytes())?;
    }
    Ok(())
}

/// Explanations of all rows; none unless they are asked for.
fn explanations(
    model: &mut LoadedModel,
    rows: &InputRows,
    args: &PredictArgs,
) -> Result<Vec<RowExplanations>> {
    if !args.explain {
        return Ok(Vec::new());
    }
    let method =
        args.method.as_deref().map(str::parse).transpose().map_err(cupola_workflow::Error::Runtime)?;
    let options = ExplainOptions { class: args.class.clone(), method, ..ExplainOptions::default() };
    Ok(model.explain(rows, &options)?)
}

fn check_format(args: &PredictArgs) -> Result<()> {
    if args.explain && is_csv(&args.output) {
        let remedy = "write them to a name that does not end in .csv";
        return Err(UserError::new("explanations are JSON lines", remedy).into());
    }
    Ok(())
}

fn is_csv(path: &str) -> bool {
    path.to_lowercase().ends_with(".csv")
}

/// Rows of a file, or of standard input: JSON if it begins with a brace or a bracket, CSV otherwise.
fn input(session: &Session<'_>, path: &str, plan: &Plan) -> Result<InputRows> {
    if path != "-" {
        if let Some(rows) = session.read_files(path, plan)? {
            return Ok(rows);
        }
        return Ok(session.read_rows(&Source::One(path.to_owned()), plan)?);
    }
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    // Byte order marks, and the zeros of UTF-16.
    let is_mark = |byte: u8| matches!(byte, 0 | 0xef | 0xbb | 0xbf | 0xff | 0xfe);
    let name = match text.iter().find(|byte| !byte.is_ascii_whitespace() && !is_mark(**byte)) {
        Some(b'{' | b'[') => "stdin.jsonl",
        Some(_) => "stdin.csv",
        None => {
            return Err(UserError::new("standard input is empty", "give rows as CSV or JSON lines").into());
        }
    };
    let folder = tempfile::tempdir()?;
    let path = folder.path().join(name);
    write_file(&path, &text)?;
    Ok(session.read_rows(&Source::One(path.to_string_lossy().into_owned()), plan)?)
}
