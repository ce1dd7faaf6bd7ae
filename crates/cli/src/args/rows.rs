//! Options that name rows.

use super::{Command, MonitorCommand};

impl Command {
    /// Names of the options that name rows, with their values.
    pub fn row_options(&self) -> Vec<(&'static str, String)> {
        let (data, reference) = match self {
            Self::Predict(args) => return vec![("--input", args.input.clone())],
            Self::Evaluate(args) => (args.data.as_ref(), None),
            Self::Gate(args) => (args.data.as_ref(), None),
            Self::Monitor(args) => match &args.command {
                MonitorCommand::Report(args) => (Some(&args.drift.data), args.drift.reference.as_ref()),
                MonitorCommand::Check(args) => (Some(&args.drift.data), args.drift.reference.as_ref()),
                MonitorCommand::Performance(args) => (args.data.as_ref(), args.reference.as_ref()),
                MonitorCommand::Export(_) | MonitorCommand::Merge(_) => (None, None),
            },
            _ => (None, None),
        };
        let named = |name, value: Option<&String>| value.map(|value| (name, value.clone()));
        named("--data", data).into_iter().chain(named("--reference", reference)).collect()
    }
}
