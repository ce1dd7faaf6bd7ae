//! Arguments of commands that run a published model.

use std::path::PathBuf;

use clap::Args;
use cupola_runtime::IntervalRequest;

use cupola_runtime::EngineChoice;

use super::{DeviceArg, ModelArgs};

#[derive(Args)]
#[command(after_help = "\
Without --data the numbers that the model was published with are shown.

Examples:
  cupola evaluate --model digits
  cupola evaluate --model digits --data data/digits.csv.gz --out report
  cupola evaluate --model census --data new.csv --subgroups sex,age \\
    --format markdown
  cupola evaluate --compare census@champion census --data new.csv")]
pub struct EvaluateArgs {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder
    #[arg(long, value_name = "MODEL", required_unless_present = "compare")]
    pub model: Option<String>,
    /// Compare two models on the same rows, or --model with one
    #[arg(long, value_name = "MODEL", num_args = 1..=2, requires = "data")]
    pub compare: Vec<String>,
    #[command(flatten)]
    pub device: DeviceArg,
    /// auto (the faster one, measured), burn, candle, or int8 (candle in 8 bits: faster, not exact)
    #[arg(long, default_value = "auto")]
    pub engine: EngineChoice,
    /// File or glob with the column of the target
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,
    /// Write metrics.json, and report.html where there are rows, into this folder
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the evaluation in this form; with --out, write it too
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<EvaluationFormat>,
    /// Columns whose groups get metrics of their own [default: those of the config that the rows have]
    #[arg(
        long,
        value_name = "COLUMNS",
        value_delimiter = ',',
        requires = "data",
        conflicts_with = "compare"
    )]
    pub subgroups: Vec<String>,
    /// Rows that a group needs to be reported
    #[arg(long, default_value_t = 30, value_name = "ROWS", value_parser = clap::value_parser!(u32).range(1..))]
    pub min_support: u32,
    /// Resamples behind the 95 % intervals; 0 for none
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(..=100_000))]
    pub resamples: u32,
}

/// Form of a printed evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EvaluationFormat {
    /// JSON, as with `--json`.
    Json,
    /// YAML.
    Yaml,
    /// Tables for a pull request.
    Markdown,
    /// Test results for continuous integration.
    Junit,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola predict --model digits --input rows.csv
  cupola predict --model digits@champion --input rows.parquet --output out.csv
  cupola predict --model traffic --input history.csv --horizon 6
  cupola predict --model census --input rows.csv --explain
  cupola predict --model diamonds --input rows.csv --interval 0.9
  cupola predict --model shapes --input pictures/
  cupola predict --model shapes --input picture.png
  echo '{\"pixel_0\": 0, ...}' | cupola predict --model digits --input -")]
pub struct PredictArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// CSV, JSON lines or Parquet; a folder of pictures, sounds or texts; a picture or a WAV file; `-` is standard
    /// input (CSV or JSON lines)
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub input: String,
    /// JSON lines, or CSV if the name ends in .csv; `-` is standard output (JSON lines)
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub output: String,
    /// Rows ahead of a forecast [default: all that the model forecasts]
    #[arg(long, value_name = "ROWS")]
    pub horizon: Option<usize>,
    /// A forecast from every window of a history, not only from its end
    #[arg(long)]
    pub all_windows: bool,
    /// Add to each prediction an interval, or a set of classes, that holds the target with this probability, such as 0.9
    /// (--interval alone: the coverage that the model was trained with)
    #[arg(long, value_name = "COVERAGE", num_args = 0..=1, default_missing_value = "true", value_parser = coverage)]
    pub interval: Option<IntervalRequest>,
    /// Add to each prediction the share of each column, pixel or token (JSON lines only)
    #[arg(long)]
    pub explain: bool,
    /// Class whose score is explained [default: the predicted one]
    #[arg(long, value_name = "CLASS", requires = "explain")]
    pub class: Option<String>,
    #[allow(clippy::doc_markdown, reason = "help is plain text")]
    /// tree_shap, integrated_gradients or permutation_shapley [default: that of the kind of model]
    #[arg(long, value_name = "METHOD", requires = "explain")]
    pub method: Option<String>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola generate --model gpt_moby --prompt 'Call me '
  cupola generate --model gpt_moby --prompt 'The whale' --tokens 500 \\
    --temperature 0.7 --top-k 40 --seed 2
  cupola generate --model smol --prompt 'Why is steel harder than iron?'
  cupola generate --model smol --prompt 'Steel is' --raw")]
pub struct GenerateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Beginning of the text; of a chat model the message that it answers
    #[arg(long, default_value = "")]
    pub prompt: String,
    /// Instructions for a chat model
    #[arg(long, value_name = "TEXT", conflicts_with = "raw")]
    pub system: Option<String>,
    /// Continue the prompt as it is, without the chat template of a chat model
    #[arg(long)]
    pub raw: bool,
    /// Tokens to add
    #[arg(long, default_value_t = 200)]
    pub tokens: u64,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Args)]
#[command(after_help = "\
A line is a message: type it, or pipe one message a line. Ctrl-C stops an answer, the end of input ends the chat.
Commands: /quit ends, /reset forgets the messages, /system TEXT replaces the instructions.

Examples:
  cupola chat --model smol
  cupola chat --model smol --system 'Answer in one sentence.' --temperature 0.2
  printf 'Who are you?\\nSay it again.\\n' | cupola chat --model smol")]
pub struct ChatArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Instructions for the model
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,
    /// Most tokens of an answer
    #[arg(long, default_value_t = 1024)]
    pub tokens: u64,
    #[command(flatten)]
    pub sampling: SamplingArgs,
}

#[derive(Args)]
pub struct SamplingArgs {
    /// Divisor of the logits: below 1 favours likely tokens; 0 always takes the likeliest one [default: the model's,
    /// else 0.8]
    #[arg(long)]
    pub temperature: Option<f64>,
    /// Sample from this many of the likeliest tokens; 0 means all [default: the model's, else 0]
    #[arg(long)]
    pub top_k: Option<usize>,
    /// Sample from the likeliest tokens whose probabilities sum to this [default: the model's, else 1]
    #[arg(long)]
    pub top_p: Option<f64>,
    /// Seed of the samples: the same seed gives the same text
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
}

/// Coverage of intervals: a number, or `true` for that of the package.
fn coverage(text: &str) -> Result<IntervalRequest, String> {
    if text == "true" {
        return Ok(IntervalRequest::Sealed);
    }
    let number = text.parse().map_err(|_| "expected a number between 0 and 1, such as 0.9".to_owned())?;
    Ok(IntervalRequest::Coverage(number))
}
