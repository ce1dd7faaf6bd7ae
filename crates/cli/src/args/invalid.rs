//! Invalid arguments: as clap prints them, or as JSON.

use std::process::ExitCode;

use clap::error::ErrorKind;

use crate::draw::Ui;
use crate::failure::ErrorCode;

/// Exit code of invalid arguments.
const USAGE: u8 = 2;

/// Prints what clap found instead of a command: help, the version, or an error. With `--json` an error is JSON.
pub fn report(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = error.print();
        return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
    }
    let (message, hint) = message_and_hint(&error.to_string());
    Ui { json }.message(&message, Some(&hint), ErrorCode::Usage);
    ExitCode::from(USAGE)
}

/// Message and remedy of clap's text: `error: MESSAGE`, then tips and the usage, each after an empty line.
fn message_and_hint(text: &str) -> (String, String) {
    let mut parts = text.trim_start_matches("error: ").split("\n\n").map(str::trim);
    let message = parts.next().unwrap_or_default().replace('\n', " ");
    let message = message.split_whitespace().collect::<Vec<_>>().join(" ");
    let tip = parts.find_map(|part| part.strip_prefix("tip: "));
    (message, tip.unwrap_or("see --help").to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_one_line_without_the_usage() {
        let text = "error: unexpected argument '--modle' found\n\n  tip: a similar argument exists: '--model'\n\nUsage: cupola serve --model <MODEL>\n\nFor more information, try '--help'.\n";
        let (message, hint) = message_and_hint(text);
        assert_eq!(message, "unexpected argument '--modle' found");
        assert_eq!(hint, "a similar argument exists: '--model'");
        let text =
            "error: the following required arguments were not provided:\n  --config <FILE>\n\nUsage: ...\n";
        let expected = "the following required arguments were not provided: --config <FILE>";
        assert_eq!(message_and_hint(text), (expected.to_owned(), "see --help".to_owned()));
    }
}
