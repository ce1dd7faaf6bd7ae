//! Calls of tools in generated text, found piece by piece.

use cupola_runtime::Grammar;
use serde_json::Value;
use uuid::Uuid;

/// Text before a call in the format of Hermes and Qwen.
const OPEN: &str = "<tool_call>";
/// Text after it.
const CLOSE: &str = "</tool_call>";

/// Format of calls in a generated text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum CallFormat {
    /// The text has no calls.
    #[default]
    Absent,
    /// The text is the arguments of this function.
    Arguments(String),
    /// The text is a call of one of these functions in the form of [`Grammar::FunctionCall`].
    Named(Vec<String>),
    /// The text may have calls of these functions: `<tool_call>{"name", "arguments"}</tool_call>`.
    Tagged(Vec<String>),
}

/// Part of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ResponsePart {
    /// Text for the user.
    Content(String),
    /// Beginning of a call.
    Call { id: String, name: String },
    /// Arguments of the last call.
    Arguments(String),
}

/// Reader of a generated text.
#[derive(Debug, Clone, Default)]
pub(super) struct CallReader {
    format: CallFormat,
    /// Text that was not decided on yet.
    held: String,
    calls: usize,
}

impl CallReader {
    pub fn new(format: CallFormat) -> Self {
        Self { format, ..Self::default() }
    }

    /// Number of calls so far.
    pub fn calls(&self) -> usize {
        self.calls
    }

    /// Parts of the response that more text decides on. `last` is `true` with the end of the text, and `complete` if the
    /// text was not cut off there.
    pub fn read(&mut self, text: &str, last: bool, complete: bool) -> Vec<ResponsePart> {
        let mut parts = Vec::new();
        let format = std::mem::take(&mut self.format);
        match &format {
            CallFormat::Absent => parts.push(ResponsePart::Content(text.to_owned())),
            CallFormat::Arguments(name) => {
                if self.calls == 0 {
                    self.begin_call(name.clone(), &mut parts);
                }
                parts.push(ResponsePart::Arguments(text.to_owned()));
            }
            CallFormat::Named(names) => {
                self.held.push_str(text);
                self.read_named(names, last && complete, last, &mut parts);
            }
            CallFormat::Tagged(names) => {
                self.held.push_str(text);
                self.read_tagged(names, last, &mut parts);
            }
        }
        self.format = format;
        let is_empty = |part: &ResponsePart| matches!(part, ResponsePart::Content(text) | ResponsePart::Arguments(text) if text.is_empty());
        parts.retain(|part| !is_empty(part));
        parts
    }

    fn begin_call(&mut self, name: String, parts: &mut Vec<ResponsePart>) {
        self.calls += 1;
        let id = format!("call_{}", Uuid::new_v4().simple());
        parts.push(ResponsePart::Call { id, name });
    }

    fn read_named(&mut self, names: &[String], complete: bool, last: bool, parts: &mut Vec<ResponsePart>) {
        if self.calls == 0 {
            let found = names.iter().find_map(|name| {
                let rest = self.held.strip_prefix(Grammar::call_prefix(name).as_str())?;
                Some((name.clone(), rest.to_owned()))
            });
            let Some((name, rest)) = found else { return };
            self.held = rest;
            self.begin_call(name, parts);
        }
        // The last brace of a complete text closes the call, not its arguments.
        let closes = self.held.ends_with('}') && (complete || !last);
        let arguments = self.held.len() - usize::from(closes);
        let rest = self.held.split_off(arguments);
        parts.push(ResponsePart::Arguments(std::mem::replace(&mut self.held, rest)));
    }

    fn read_tagged(&mut self, names: &[String], last: bool, parts: &mut Vec<ResponsePart>) {
        while let Some(open) = self.held.find(OPEN) {
            let inside = open + OPEN.len();
            let close = self.held[inside..].find(CLOSE).map(|at| inside + at);
            let end = match close {
                Some(close) => close,
                // Some models end the text instead of the call.
                None if last => self.held.len(),
                None => break,
            };
            let Some((name, arguments)) = call(&self.held[inside..end], names) else {
                // Anything else is text for the user.
                let rest = self.held.split_off(close.map_or(end, |close| close + CLOSE.len()));
                parts.push(ResponsePart::Content(std::mem::replace(&mut self.held, rest)));
                continue;
            };
            let rest = self.held.split_off(close.map_or(end, |close| close + CLOSE.len()));
            let before = std::mem::replace(&mut self.held, rest);
            push_content(before[..open].trim_end(), parts);
            self.begin_call(name, parts);
            parts.push(ResponsePart::Arguments(arguments));
        }
        let decided = if last {
            self.held.len()
        } else {
            // White space may turn out to be what stands before a call.
            let open = self.held.find(OPEN).unwrap_or_else(|| undecided(&self.held));
            self.held[..open].trim_end().len()
        };
        let rest = self.held.split_off(decided);
        let content = std::mem::replace(&mut self.held, rest);
        if self.calls == 0 {
            parts.push(ResponsePart::Content(content));
        } else {
            push_content(&content, parts);
        }
    }
}

/// Adds text beside calls, unless it is white space.
fn push_content(text: &str, parts: &mut Vec<ResponsePart>) {
    if !text.trim().is_empty() {
        parts.push(ResponsePart::Content(text.to_owned()));
    }
}

/// Index from which on the text may be the beginning of [`OPEN`].
fn undecided(text: &str) -> usize {
    let longest = OPEN.len().min(text.len());
    let begins = |count: &usize| text.ends_with(&OPEN[..*count]);
    text.len() - (1..=longest).rev().find(begins).unwrap_or(0)
}

/// Name and arguments of a call of a known function.
fn call(text: &str, names: &[String]) -> Option<(String, String)> {
    let call: Value = serde_json::from_str(text.trim()).ok()?;
    let name = call["name"].as_str().filter(|name| names.iter().any(|known| known == name))?;
    let arguments = match call.get("arguments").or_else(|| call.get("parameters")) {
        None => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(arguments) => arguments.to_string(),
    };
    Some((name.to_owned(), arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Content, and name and arguments of each call, of a text that arrives in pieces of `size` bytes.
    fn read(format: &CallFormat, text: &str, size: usize, complete: bool) -> (String, Vec<(String, String)>) {
        let mut reader = CallReader::new(format.clone());
        let pieces: Vec<&str> =
            text.as_bytes().chunks(size).map(|piece| std::str::from_utf8(piece).unwrap()).collect();
        let (mut content, mut calls) = (String::new(), Vec::new());
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            for part in reader.read(piece, last, complete) {
                match part {
                    ResponsePart::Content(text) => content += &text,
                    ResponsePart::Call { id, name } => {
                        assert!(id.len() > 20, "{id}");
                        calls.push((name, String::new()));
                    }
                    ResponsePart::Arguments(text) => calls.last_mut().unwrap().1 += &text,
                }
            }
        }
        assert_eq!(reader.calls(), calls.len());
        (content, calls)
    }

    fn owned(calls: &[(&str, &str)]) -> Vec<(String, String)> {
        calls.iter().map(|(name, arguments)| ((*name).to_owned(), (*arguments).to_owned())).collect()
    }

    #[test]
    fn tagged_calls_are_found_in_pieces_of_any_size() {
        let format = CallFormat::Tagged(vec!["f".to_owned(), "g".to_owned()]);
        let one = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>";
        let two = "<tool_call>{\"name\": \"g\", \"parameters\": {}}</tool_call>";
        let unknown = "<tool_call>{\"name\": \"h\"}</tool_call>";
        let cases = [
            ("no call < here <tool".to_owned(), "no call < here <tool", vec![]),
            (one.to_owned(), "", vec![("f", "{\"a\":1}")]),
            (format!("Let me see.\n{one}\n{two}\n"), "Let me see.", vec![("f", "{\"a\":1}"), ("g", "{}")]),
            (
                format!("{unknown} and {two}"),
                "<tool_call>{\"name\": \"h\"}</tool_call> and",
                vec![("g", "{}")],
            ),
            ("a <tool_call>{\"name\": \"g\", \"arguments\": {}}".to_owned(), "a", vec![("g", "{}")]),
            (
                "a <tool_call>{\"name\": \"g\", \"argum".to_owned(),
                "a <tool_call>{\"name\": \"g\", \"argum",
                vec![],
            ),
            ("<tool_call>[[</tool_call>".to_owned(), "<tool_call>[[</tool_call>", vec![]),
            (" \n".to_owned(), " \n", vec![]),
        ];
        for (text, content, calls) in cases {
            for size in [1, 2, 3, 7, 1_000] {
                let found = read(&format, &text, size, true);
                assert_eq!(found, (content.to_owned(), owned(&calls)), "{text:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn constrained_calls_stream_their_arguments() {
        let named = CallFormat::Named(vec!["f".to_owned(), "fg".to_owned()]);
        let whole = "{\"name\": \"fg\", \"arguments\": {\"a\": {}}}";
        for size in [1, 2, 5, 1_000] {
            let found = read(&named, whole, size, true);
            assert_eq!(found, (String::new(), owned(&[("fg", "{\"a\": {}}")])), "{size}");
            // A text that was cut off has the arguments as far as they go.
            let found = read(&named, &whole[..whole.len() - 1], size, false);
            assert_eq!(found.1, owned(&[("fg", "{\"a\": {}}")]), "{size}");
            let found = read(&named, &whole[..12], size, false);
            assert_eq!(found, (String::new(), vec![]));
            let plain = read(&CallFormat::Arguments("f".to_owned()), "{\"a\": 1}", size, true);
            assert_eq!(plain, (String::new(), owned(&[("f", "{\"a\": 1}")])));
            let absent = read(&CallFormat::Absent, whole, size, true);
            assert_eq!(absent, (whole.to_owned(), vec![]));
        }
    }
    #[test]
    fn texts_of_any_kind_break_no_reader() {
        let names = || vec!["f".to_owned(), "g".to_owned()];
        let seeds: [&[u8]; 2] = [
            "Käse <tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call> b".as_bytes(),
            br#"{"name": "g", "arguments": {"a": {}}}"#,
        ];
        cupola_testkit::fuzz(&seeds, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            for format in [CallFormat::Tagged(names()), CallFormat::Named(names())] {
                let mut reader = CallReader::new(format);
                for piece in text.split_inclusive(['<', '"', '}', ' ']) {
                    reader.read(piece, false, true);
                }
                reader.read("", true, bytes.len() % 2 == 0);
            }
        });
    }
}
