//! Arguments as clap reads them, its help pages, and invalid arguments as text or JSON.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Command, CommandFactory, FromArgMatches};

use super::Cli;
use crate::draw::Ui;
use crate::failure::ErrorCode;

/// Exit code of invalid arguments.
const USAGE: u8 = 2;

/// Stands for a blank of an example in a help page: clap breaks lines at blanks only.
const UNBROKEN: char = '\u{a0}';

/// Reads the arguments of the process.
///
/// # Errors
/// Help, the version, or invalid arguments, for [`report`].
pub fn parse() -> Result<Cli, clap::Error> {
    let matches = with_whole_examples(Cli::command()).try_get_matches()?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut Cli::command()))
}

/// Keeps each example of the help pages on one line, so that it can be copied. clap wraps the text after the options at the
/// width of the terminal, and has no setting against it.
fn with_whole_examples(command: Command) -> Command {
    let text = command.get_after_help().map(|text| whole_examples(&text.to_string()));
    let command = match text {
        Some(text) => command.after_help(text),
        None => command,
    };
    command.mut_subcommands(with_whole_examples)
}

/// Text in which lines that are indented, as examples are, have no blanks.
fn whole_examples(text: &str) -> String {
    let lines = text.split('\n').map(|line| match line.strip_prefix("  ") {
        Some(_) => line.replace(' ', &UNBROKEN.to_string()),
        None => line.to_owned(),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Prints a help page, in colour on a terminal.
fn print(error: &clap::Error) {
    let page = error.render();
    let colour = std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let to: (bool, &mut dyn Write) = if error.use_stderr() {
        (std::io::stderr().is_terminal(), &mut std::io::stderr())
    } else {
        (std::io::stdout().is_terminal(), &mut std::io::stdout())
    };
    let text = if colour && to.0 { page.ansi().to_string() } else { page.to_string() };
    let _ = to.1.write_all(text.replace(UNBROKEN, " ").as_bytes());
}

/// Prints what clap found instead of a command: help, the version, or an error. With `--json` an error is JSON.
pub fn report(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    if !json || !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => print(error),
            _ => drop(error.print()),
        }
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

    /// Most columns of a line of an example.
    const WIDTH: usize = 80;

    /// Lines of examples of a command and of those below it, with the path to the command.
    fn examples(command: &Command, path: &[String], all: &mut Vec<(Vec<String>, String)>) {
        let text = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        let lines = text.lines().filter(|line| line.starts_with("  "));
        all.extend(lines.map(|line| (path.to_vec(), line.to_owned())));
        for below in command.get_subcommands() {
            let path = [path, &[below.get_name().to_owned()]].concat();
            examples(below, &path, all);
        }
    }

    #[test]
    fn an_example_is_one_line_however_narrow_the_terminal_is() {
        let mut all = Vec::new();
        examples(&Cli::command(), &["cupola".to_owned()], &mut all);
        assert!(all.len() > 80, "{}", all.len());
        // A terminal breaks longer lines anywhere: they end with a backslash and go on in the next line.
        let long: Vec<_> = all.iter().filter(|(_, example)| example.chars().count() > WIDTH).collect();
        assert!(long.is_empty(), "{long:#?}");
        for width in [40, 80, 100] {
            let mut before: (Vec<String>, String) = Default::default();
            for (path, example) in &all {
                if before.0 != *path {
                    let command = with_whole_examples(Cli::command()).term_width(width);
                    let shown =
                        command.try_get_matches_from(path.iter().map(String::as_str).chain(["--help"]));
                    before = (path.clone(), shown.unwrap_err().to_string().replace(UNBROKEN, " "));
                }
                assert!(before.1.lines().any(|line| line == example), "{width}: {example}\n{}", before.1);
            }
        }
        // Prose is wrapped.
        let command = with_whole_examples(Cli::command()).term_width(60);
        let page = command.try_get_matches_from(["cupola", "tune", "--help"]).unwrap_err().to_string();
        assert!(
            page.contains("continues a study") && !page.contains("was stopped. Ranges of keys are"),
            "{page}"
        );
    }

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
