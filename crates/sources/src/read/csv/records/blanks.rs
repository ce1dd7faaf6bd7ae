//! Removal of blanks around fields.

use memchr::memchr;

use crate::read::chunks::is_blank;

/// Leaves out blanks around fields, but not those within quotes. A comment stays as it is up to its line feed: a quote in it
/// opens no field.
pub(in crate::read::csv) fn trim_blanks(bytes: &[u8], delimiter: u8, comment: Option<u8>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let (mut at, mut is_start) = (0, true);
    while at < bytes.len() {
        while at < bytes.len() && is_blank(bytes[at], delimiter) {
            at += 1;
        }
        if is_start && comment.is_some() && bytes.get(at).copied() == comment {
            let end = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
            out.extend_from_slice(&bytes[at..end]);
            at = end;
            continue;
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
            is_start = *end != delimiter;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_of_comments_open_no_field() {
        let trimmed =
            |text: &str, comment| String::from_utf8(trim_blanks(text.as_bytes(), b',', comment)).unwrap();
        assert_eq!(trimmed("#,\"\n\t\"\na", Some(b'#')), "#,\"\n\"\na");
        assert_eq!(trimmed("#,\"\n\t\"\na", None), "#,\"\n\t\"\na");
        assert_eq!(trimmed(" a , # b\" c \n #  d ", Some(b'#')), "a,# b\" c\n#  d ");
    }
}
