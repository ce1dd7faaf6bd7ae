//! Arguments of `cupola gate`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::ModelArgs;

#[derive(Args)]
#[command(after_help = "\
A condition is a line of a table [gate] in TOML:
  \"test/accuracy\" = \">= 0.97\"             # a metric of the test or valid split
  \"test/accuracy/low\" = \">= 0.96\"         # lower end of its 95 % interval
  \"subgroup_gap/sex/recall\" = \"<= 0.05\"   # largest difference between groups
  \"subgroup_min/sex/accuracy\" = \">= 0.8\"  # the worst group
  \"interval_coverage\" = \">= 0.88\"         # rows within prediction intervals
  \"latency_p99_ms\" = \"<= 5\"               # time of one row
  \"versus champion\" = \"no worse, 95 %\"    # another version on the same rows

The exit code is 1 if a condition is broken, or has no value to judge.

Examples:
  cupola gate --model census
  cupola gate --model census:3 --config strict.toml
  cupola gate --model census@champion --data new.csv
  cupola gate --model census --format junit --out gate.xml")]
pub struct GateArgs {
    #[command(flatten)]
    pub model: ModelArgs,
    /// TOML file with a table [gate] [default: the conditions that the package was published with]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// File or glob with the column of the target, to judge the model on in place of its test split [default: the numbers
    /// that are sealed with the package]
    #[arg(long, value_name = "SOURCE")]
    pub data: Option<String>,
    /// Format of the result
    #[arg(long, value_enum, default_value = "text")]
    pub format: GateFormat,
    /// Write the result into this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// Format of a judged gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GateFormat {
    /// A table for people
    Text,
    /// As gate.json in the package
    Json,
    /// YAML
    Yaml,
    /// XML for Jenkins, GitLab and other servers
    Junit,
    /// A comment for a pull request
    Markdown,
}
