//! `cupola chat`: a language model in the terminal, one line a message.

use std::io::{BufRead, IsTerminal, Write};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use cupola_registry::Home;
use cupola_runtime::{ChatSession, GenerationParams, Predictor};
use cupola_workflow::Silent;
use serde_json::json;
use signal_hook::consts::SIGINT;

use crate::args::ChatArgs;
use crate::commands::session;
use crate::draw::Ui;
use crate::failure::{ErrorCode, UserError};

/// Exit code after Ctrl-C while no answer is written.
const INTERRUPTED: i32 = 130;
const PROMPT: &str = "> ";

pub fn run(home: &Home, ui: Ui, args: &ChatArgs) -> Result<()> {
    let params = args.sampling.params(args.tokens)?;
    let mut model = session(home, &Silent).open_model(&args.model.selection())?;
    match model.predictor.package.generates() {
        Some("chat") => {}
        Some(_) => Ui::warning("the model has no chat template, so it may not answer as in a chat"),
        None => {
            let message = format!("`{}` is not a language model", model.package.label());
            return Err(UserError::new(message, "import one with `cupola models import`").into());
        }
    }
    let interactive = std::io::stdin().is_terminal() && !ui.json;
    let mut conversation = Conversation {
        ui,
        interactive,
        chat: ChatSession::new(args.system.clone()),
        predictor: &mut model.predictor,
        params,
        interrupt: Interrupt::new()?,
    };
    if interactive {
        ui.line(format!(
            "{}: /quit ends, /reset forgets, /system TEXT instructs, Ctrl-C stops an answer",
            model.package.label()
        ));
    }
    conversation.hold(&mut std::io::stdin().lock())?;
    let messages = conversation.chat.messages();
    ui.result(&json!({ "model": model.package.label(), "messages": messages }))
}

/// Meaning of a line.
#[derive(Debug, PartialEq, Eq)]
enum Turn<'a> {
    Message(&'a str),
    System(&'a str),
    Reset,
    Quit,
    Empty,
    Unknown(&'a str),
}

impl<'a> Turn<'a> {
    fn of(line: &'a str) -> Self {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Empty } else { Self::Message(line) };
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        match (name, rest.trim()) {
            ("quit" | "exit", "") => Self::Quit,
            ("reset", "") => Self::Reset,
            ("system", text) => Self::System(text),
            _ => Self::Unknown(line),
        }
    }
}

/// Flags that Ctrl-C sets, or that decide what it does.
struct Interrupt {
    /// Set by Ctrl-C.
    stop: Arc<AtomicBool>,
    /// While it is set, Ctrl-C ends the process.
    idle: Arc<AtomicBool>,
}

impl Interrupt {
    fn new() -> Result<Self> {
        let (stop, idle) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(true)));
        signal_hook::flag::register_conditional_shutdown(SIGINT, INTERRUPTED, Arc::clone(&idle))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&stop))?;
        Ok(Self { stop, idle })
    }
}

struct Conversation<'a> {
    ui: Ui,
    /// `true` if a person types.
    interactive: bool,
    chat: ChatSession,
    predictor: &'a mut Predictor,
    params: GenerationParams,
    interrupt: Interrupt,
}

impl Conversation<'_> {
    /// Reads lines until the end of the input, or `/quit`.
    fn hold(&mut self, input: &mut dyn BufRead) -> Result<()> {
        loop {
            if self.interactive {
                self.print(PROMPT);
            }
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line)? == 0 {
                if self.interactive {
                    self.ui.line("");
                }
                return Ok(());
            }
            match Turn::of(&String::from_utf8_lossy(&line)) {
                Turn::Quit => return Ok(()),
                Turn::Empty => {}
                Turn::Reset => self.chat.reset(),
                Turn::System(text) => {
                    self.chat.set_system((!text.is_empty()).then(|| text.to_owned()));
                }
                Turn::Unknown(command) => {
                    let text = format!("unknown command `{command}`; expected /quit, /reset or /system TEXT");
                    Ui::warning(&text);
                }
                Turn::Message(text) => match self.answer(text) {
                    // A person may go on with another message; a pipe must not go on unnoticed.
                    Err(error) if self.interactive => self.ui.error(&error, ErrorCode::of(&error)),
                    answered => answered?,
                },
            }
        }
    }

    fn answer(&mut self, text: &str) -> Result<()> {
        let (ui, stop) = (self.ui, &self.interrupt.stop);
        stop.store(false, Ordering::Relaxed);
        self.interrupt.idle.store(false, Ordering::Relaxed);
        let answer = self.chat.answer(self.predictor, text, &self.params, &mut |piece| {
            print(ui, piece);
            if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        self.interrupt.idle.store(true, Ordering::Relaxed);
        let answer = answer?;
        ui.line("");
        if answer.forgotten > 0 {
            let forgotten = answer.forgotten;
            Ui::warning(&format!(
                "the context has no room for the whole chat; the {forgotten} oldest messages are left out"
            ));
        }
        Ok(())
    }

    fn print(&self, text: &str) {
        print(self.ui, text);
    }
}

/// Prints a piece of text at once; with `--json` nothing but the result is printed. A reader that has gone away is not
/// an error.
fn print(ui: Ui, text: &str) {
    if !ui.json && !text.is_empty() {
        let _ = write!(std::io::stdout(), "{text}");
        let _ = std::io::stdout().flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        let cases = [
            ("  hello /quit \n", Turn::Message("hello /quit")),
            ("\n", Turn::Empty),
            ("/quit\r\n", Turn::Quit),
            ("/reset", Turn::Reset),
            ("/system  Be brief. ", Turn::System("Be brief.")),
            ("/system", Turn::System("")),
            ("/rest", Turn::Unknown("/rest")),
            ("/quit now", Turn::Unknown("/quit now")),
        ];
        for (line, expected) in cases {
            assert_eq!(Turn::of(line), expected, "{line:?}");
        }
    }
}
