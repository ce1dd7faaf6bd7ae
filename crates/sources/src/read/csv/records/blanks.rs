//! Removal of blanks around fields.

use crate::read::chunks::is_blank;

/// Leaves out blanks around fields, but not those within quotes.
pub(in crate::read::csv) fn trim_blanks(bytes: &[u8], delimiter: u8) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        while at < bytes.len() && is_blank(bytes[at], delimiter) {
            at += 1;
        }
        let start = out.len();
        if bytes.get(at) == Some(&b'"') {
            at = copy_quoted(bytes, at, &mut out);
        }
        let quoted = out.len();
        while at < bytes.len() && bytes[at] != delimiter && !matches!(bytes[at], b'\r' | b'\n') {
            out.push(bytes[at]);
            at += 1;
        }
        while out.len() > quoted.max(start) && out.last().is_some_and(|byte| is_blank(*byte, delimiter)) {
            out.pop();
        }
        if let Some(end) = bytes.get(at) {
            out.push(*end);
            at += 1;
        }
    }
    out
}

/// Copies a quoted field; returns the place behind it.
fn copy_quoted(bytes: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    out.push(bytes[start]);
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        out.push(*byte);
        at += 1;
        if *byte == b'"' {
            if bytes.get(at) != Some(&b'"') {
                break;
            }
            out.push(b'"');
            at += 1;
        }
    }
    at
}
