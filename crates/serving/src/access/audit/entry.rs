//! Calls that the audit log records, as bounded lines.

use serde_json::json;

/// Longest parts of a call that are recorded, in characters: clients choose them.
const MAX_METHOD: usize = 16;
const MAX_KEY: usize = 96;
const MAX_PATH: usize = 256;
const MAX_MODEL: usize = 128;

/// Reason why a call is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditEvent {
    /// An admitted caller used an administrative call. Always recorded.
    Administration,
    /// The caller was refused. Recorded up to a rate, because anybody can cause it.
    Refusal,
}

/// Call that the audit log records.
#[derive(Debug, Clone, Copy)]
pub struct AuditedCall<'a> {
    /// Reason why it is recorded.
    pub event: AuditEvent,
    /// Id of the key; `-` for callers without one.
    pub key: &'a str,
    /// Method of HTTP.
    pub method: &'a str,
    /// Path.
    pub path: &'a str,
    /// Model of the call; `None` where the path names it.
    pub model: Option<&'a str>,
    /// Status code of HTTP, for gRPC the corresponding one.
    pub status: u16,
}

impl AuditedCall<'_> {
    /// Line of the call.
    pub(super) fn line(&self) -> Vec<u8> {
        let mut line = json!({
            "time": now(),
            "key": bounded(self.key, MAX_KEY),
            "method": bounded(self.method, MAX_METHOD),
            "path": bounded(self.path, MAX_PATH),
            "status": self.status,
        });
        if let Some(model) = self.model {
            line["model"] = bounded(model, MAX_MODEL).into();
        }
        format!("{line}\n").into_bytes()
    }
}

/// Line that stands for refused calls without a line of their own.
pub(super) fn left_out(status: u16, count: u64) -> Vec<u8> {
    let line = json!({ "time": now(), "status": status, "left_out": count });
    format!("{line}\n").into_bytes()
}

fn now() -> String {
    jiff::Timestamp::now().to_string()
}

/// Text of at most `limit` characters, with `...` in place of the rest. Characters that would change how a
/// terminal shows the line are escaped.
fn bounded(text: &str, limit: usize) -> String {
    let mut out = String::with_capacity(text.len().min(limit));
    for (index, letter) in text.chars().enumerate() {
        if index == limit {
            out.push_str("...");
            break;
        }
        if is_deceptive(letter) {
            out.extend(letter.escape_unicode());
        } else {
            out.push(letter);
        }
    }
    out
}

/// `true` for controls, line separators, and marks that reverse the direction of text or have no width.
fn is_deceptive(letter: char) -> bool {
    letter.is_control()
        || matches!(
            u32::from(letter),
            0x061c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfeff | 0xfff9..=0xfffb
        )
}
