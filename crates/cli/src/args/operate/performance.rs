//! Arguments of `cupola monitor performance`.

use std::path::PathBuf;

use clap::Args;

use crate::args::ModelArgs;

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola monitor performance --model churn --data .cupola/predictions/churn/3
  cupola monitor performance --model churn --data .cupola/predictions/churn/3 \\
    --reference holdout.csv --chunks week
  cupola monitor performance --model sales --data .cupola/predictions/sales/2 \\
    --targets sales.csv --chunks week
  cupola monitor performance --model churn --log --chunks day
  cupola monitor performance --model churn --data today.csv --out drift")]
pub struct MonitorPerformanceArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Prediction log of a server, or any rows that the model predicts: a file, folder, URL or dataset
    #[arg(long, value_name = "DATA", required_unless_present = "log")]
    pub data: Option<String>,
    /// Performance log of a server in place of rows: times, errors, accuracy, calibration and use of the machine
    /// [default: performance in the home]
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        default_missing_value = "",
        conflicts_with_all = ["data", "reference", "feedback", "targets", "target"]
    )]
    pub log: Option<String>,
    /// Rows with targets that the model was not trained on, for estimates before targets are known and for thresholds
    #[arg(long, value_name = "DATA")]
    pub reference: Option<String>,
    /// Folder of the feedback that the server got [default: feedback in the home]
    #[arg(long, value_name = "DIR")]
    pub feedback: Option<PathBuf>,
    /// Table of the series with the values that arrived since, which join forecasts and windows by series and time
    #[arg(long, value_name = "DATA")]
    pub targets: Option<String>,
    /// Target [default: the first]
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
    /// Chunks of the rows: size:N, count:N, hour, day, week, month, quarter or year
    #[arg(long, default_value = "count:10", value_name = "CHUNKS")]
    pub chunks: String,
    /// Folder for performance.json and performance.html
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}
