//! Message and remedy of an error.

use std::error::Error as StdError;

use super::causes;

/// Message of an error with its causes, and the remedy apart, if there is one.
///
/// Messages read `what is wrong: detail; remedy`. Parts that an outer message repeats are left out. A
/// message of several lines is a list, whose lines have remedies of their own, and stays whole.
pub fn message_and_hint(error: &(dyn StdError + 'static)) -> (String, Option<String>) {
    let mut message = String::new();
    for cause in causes(error) {
        let part = cause.to_string();
        if !message.contains(&part) {
            if !message.is_empty() {
                message.push_str(": ");
            }
            message.push_str(&part);
        }
    }
    match split(&message) {
        Some(at) => {
            let hint = message[at + 2..].to_owned();
            message.truncate(at);
            (message, Some(hint))
        }
        None => (message, None),
    }
}

/// Position of the last `; ` of a one-line message that is outside of quotes and brackets.
fn split(message: &str) -> Option<usize> {
    if message.contains('\n') {
        return None;
    }
    let (mut depth, mut quoted, mut found) = (0_usize, false, None);
    for (at, letter) in message.char_indices() {
        match letter {
            '`' | '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth = depth.saturating_sub(1),
            ';' if !quoted && depth == 0 && message[at..].starts_with("; ") => found = Some(at),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    #[test]
    fn a_message_is_split_before_its_remedy() {
        let remedy = "choose a smaller network: its weights alone do not fit".to_owned();
        let error = Error::Memory { needed_mib: 2.0, available_mib: 1.0, remedy };
        let error = Error::Run { run: "a-1".into(), source: Box::new(error) };
        let (message, hint) = message_and_hint(&error);
        assert_eq!(message, "run a-1 failed: training takes about 2 MiB, this machine has 1 MiB");
        assert_eq!(hint.as_deref(), Some("choose a smaller network: its weights alone do not fit"));
        assert!(error.is_user_error());
    }

    #[test]
    fn semicolons_in_quotes_brackets_and_lists_are_no_remedies() {
        assert_eq!(split("the query `SELECT 1; SELECT 2` failed"), None);
        assert_eq!(split("flex (a GPU; it differs)"), None);
        assert_eq!(split("a: b; c\nd: e; f"), None);
        assert_eq!(split("`a; b` is unknown; use `c; d`"), Some(17));
    }
}
