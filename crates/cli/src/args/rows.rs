//! Options that name rows.

use super::{Command, MonitorCommand};

impl Command {
    /// Names of the options that name rows, with their values.
    pub fn row_options(&self) -> Vec<(&'static str, String)> {
        let mut targets = None;
        let (data, reference) = match self {
            Self::Predict(args) => return vec![("--input", args.input.clone())],
            Self::Evaluate(args) => (args.data.as_ref(), None),
            Self::Gate(args) => (args.data.as_ref(), None),
            Self::Monitor(args) => match &args.command {
                MonitorCommand::Report(args) => (Some(&args.drift.data), args.drift.reference.as_ref()),
                MonitorCommand::Check(args) => (Some(&args.drift.data), args.drift.reference.as_ref()),
                MonitorCommand::Performance(args) => {
                    targets = args.targets.as_ref();
                    (args.data.as_ref(), args.reference.as_ref())
                }
                MonitorCommand::Export(_) | MonitorCommand::Merge(_) => (None, None),
            },
            _ => (None, None),
        };
        let named = [("--data", data), ("--reference", reference), ("--targets", targets)];
        named.into_iter().filter_map(|(name, value)| Some((name, value?.clone()))).collect()
    }
}
