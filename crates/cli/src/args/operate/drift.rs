//! Arguments of `cupola monitor report` and `cupola monitor check`.

use std::path::PathBuf;

use clap::Args;

use crate::args::ModelArgs;

#[derive(Args)]
pub struct DriftArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// Current data: a file, folder, URL or dataset, or the prediction log of a server
    #[arg(long, value_name = "DATA")]
    pub data: String,
    /// Data to compare with [default: the training data, as the package has its distributions]
    #[arg(long, value_name = "DATA")]
    pub reference: Option<String>,
    /// Statistic for the columns that it takes: ks, wasserstein, jensenshannon, psi, kl_div, hellinger, ed, t_test,
    /// chisquare, z, total_variation, TVD, cramer_von_mises, mannw, anderson, es, g_test, fisher_exact,
    /// abs_text_content_drift, perc_text_content_drift, words (may be repeated) [default: by kind and number of values]
    #[arg(long, value_name = "NAME")]
    #[allow(clippy::doc_markdown, reason = "the text of --help")]
    pub method: Vec<String>,
    /// Threshold of every column [default: that of its statistic]
    #[arg(long, value_name = "NUMBER")]
    pub threshold: Option<f64>,
    /// Share of drifted columns from which the data has drifted
    #[arg(long, default_value_t = 0.5, value_name = "SHARE")]
    pub max_share: f64,
    /// Compare the columns alone, without a prediction for each row
    #[arg(long)]
    pub no_predictions: bool,
    /// Compare the relations between the inputs too, by what principal components of the reference leave
    #[arg(long)]
    pub multivariate: bool,
    /// Compare what the model makes of the rows too, its embeddings: model (a classifier), ratio, distance, cosine, cityblock,
    /// chebyshev, mmd (may be repeated) [without a name: model]; without --reference those that the package has
    #[arg(long, value_name = "METHOD", num_args = 0..=1, default_missing_value = "model")]
    pub embeddings: Vec<String>,
    /// Chunks of --multivariate: size:N, count:N, or hour, day, week, month, quarter, year for a prediction log
    #[arg(long, default_value = "count:10", value_name = "CHUNKS")]
    pub chunks: String,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola monitor report --model churn --data today.csv
  cupola monitor report --model churn --data today.csv --out drift
  cupola monitor report --model churn --data today.csv \\
    --reference last-month.csv
  cupola monitor report --model churn --data .cupola/predictions/churn \\
    --reference train.csv --multivariate --chunks day
  cupola monitor report --model reviews --data today.csv --embeddings
  cupola monitor report --model reviews --data today.csv --reference train.csv \\
    --embeddings --embeddings mmd")]
pub struct MonitorReportArgs {
    #[command(flatten)]
    pub drift: DriftArgs,
    /// Folder for monitor.json and monitor.html
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  cupola monitor check --model churn --data today.csv
  cupola monitor check --model churn --data today.csv --max-share 0.2 \\
    || mail -s drift team@example.org < /dev/null

Exit code: 0 without drift, 1 with drift of the columns or, with --multivariate, of their relations\nor, with --embeddings, of the embeddings, 2 for a mistake of the user.")]
pub struct MonitorCheckArgs {
    #[command(flatten)]
    pub drift: DriftArgs,
}
