//! `cupola predict`: the server's numbers without a server.

mod output;

use std::io::Read;

use anyhow::Result;
use cupola_registry::{Home, write_file};
use cupola_runtime::ExplainOptions;
use cupola_spec::Source;
use cupola_workflow::{ForecastOptions, PredictOptions};
use tempfile::TempDir;

use self::output::PredictionFile;
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
    let options = options(args)?;
    let mut output = PredictionFile::new(&args.output, is_csv(&args.output))?;
    let files = session.read_files(&args.input, &model.predictor.package.plan)?;
    if let Some(rows) = files {
        output.write(&model.predict_rows(rows, &options)?)?;
    } else {
        let (source, _folder) = source(&args.input)?;
        session.predict_source(&mut model, &source, &options, &mut |rows| output.write(&rows))?;
    }
    output.finish()
}

fn options(args: &PredictArgs) -> Result<PredictOptions> {
    let method =
        args.method.as_deref().map(str::parse).transpose().map_err(cupola_workflow::Error::Runtime)?;
    let explain = args.explain.then(|| ExplainOptions {
        class: args.class.clone(),
        method,
        ..ExplainOptions::default()
    });
    Ok(PredictOptions {
        forecast: ForecastOptions { horizon: args.horizon, all_windows: args.all_windows },
        interval: args.interval,
        explain,
    })
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

/// The source of the rows. Standard input is kept in a folder that lasts as long as the second value: as JSON if it begins
/// with a brace or a bracket, as CSV otherwise.
fn source(path: &str) -> Result<(Source, Option<TempDir>)> {
    if path != "-" {
        return Ok((Source::One(path.to_owned()), None));
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
    Ok((Source::One(path.to_string_lossy().into_owned()), Some(folder)))
}
