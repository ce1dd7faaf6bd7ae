//! Splitting of text at the borders of records.
//!
//! For delimited text, follows the state machine of `csv-core` as far as borders depend on it: a quote opens a quoted
//! field only at the start of a field, two quotes in a quoted field are one, `\r`, `\n` and `\r\n` end a record outside
//! of quotes, and a comment ends with `\n`. Lines of blanks are no records.

use std::io::{self, Read};

use memchr::{memchr, memchr2, memchr3};

/// Bytes of a chunk after which it ends with fewer records: 64 MiB.
const MAX_CHUNK_BYTES: usize = 64 << 20;

/// Whole records, with the empty lines and comments between them.
#[derive(Debug)]
pub(in crate::read) struct Chunk {
    pub bytes: Vec<u8>,
    pub records: usize,
}

/// Borders of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum RecordRules {
    /// Lines, whatever they hold.
    Lines,
    /// Delimited text with quotes.
    Delimited {
        delimiter: u8,
        comment: Option<u8>,
        /// `true` if blanks may stand before a quote that opens a field.
        blanks: bool,
    },
}

impl RecordRules {
    /// `true` if a line of these bytes is no record.
    pub fn is_blank(self, line: &[u8]) -> bool {
        match self {
            Self::Lines => line.iter().all(u8::is_ascii_whitespace),
            Self::Delimited { delimiter, .. } => line.iter().all(|byte| is_blank(*byte, delimiter)),
        }
    }

    /// Index of the first byte of a record behind the blank lines and comments before it.
    pub fn start_of_record(self, bytes: &[u8]) -> usize {
        let mut start = 0;
        while start < bytes.len() {
            let rest = &bytes[start..];
            let end = match self {
                Self::Delimited { .. } if !self.is_comment(rest) => memchr2(b'\r', b'\n', rest),
                _ => memchr(b'\n', rest),
            };
            let Some(end) = end.filter(|end| self.is_comment(rest) || self.is_blank(&rest[..*end])) else {
                break;
            };
            start += end + 1;
        }
        start
    }

    /// `true` if a line that begins with these bytes is a comment.
    fn is_comment(self, line: &[u8]) -> bool {
        let Self::Delimited { delimiter, comment: Some(mark), blanks } = self else { return false };
        let first = line.iter().find(|byte| !blanks || !is_blank(**byte, delimiter));
        first == Some(&mark)
    }
}

/// `true` for a space or tab that does not separate fields.
pub(in crate::read) fn is_blank(byte: u8, delimiter: u8) -> bool {
    matches!(byte, b' ' | b'\t') && byte != delimiter
}

/// Reader that returns whole records.
pub(in crate::read) struct Splitter<R> {
    input: R,
    rules: RecordRules,
    /// Bytes that are read from the input at once.
    read_bytes: usize,
    /// Bytes that have been read and not returned.
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: Read> Splitter<R> {
    /// Splitter of text without a byte order mark.
    pub fn new(input: R, rules: RecordRules, read_bytes: usize) -> Self {
        Self { input, rules, read_bytes, buffer: Vec::new(), ended: false }
    }

    /// Returns the next `records` records, or those that are left or fit in a chunk; `None` at the end.
    pub fn take(&mut self, records: usize) -> io::Result<Option<Chunk>> {
        let mut scanner = RecordScanner { rules: self.rules, at: 0, start: 0, quoted: false };
        let mut count = 0;
        while count < records {
            if let Some(end) = scanner.next_end(&self.buffer) {
                count += 1;
                if count == records || end >= MAX_CHUNK_BYTES {
                    let rest = self.buffer.split_off(end);
                    let bytes = std::mem::replace(&mut self.buffer, rest);
                    return Ok(Some(Chunk { bytes, records: count }));
                }
            } else if !self.fill()? {
                break;
            }
        }
        // The last record may have no line end.
        let last = &self.buffer[scanner.start.min(self.buffer.len())..];
        count += usize::from(!self.rules.is_blank(last) && !self.rules.is_comment(last));
        let bytes = std::mem::take(&mut self.buffer);
        Ok((count > 0).then_some(Chunk { bytes, records: count }))
    }

    /// Reads more bytes; `false` at the end of the input.
    fn fill(&mut self) -> io::Result<bool> {
        if !self.ended {
            let limit = u64::try_from(self.read_bytes).unwrap_or(u64::MAX);
            self.ended = self.input.by_ref().take(limit).read_to_end(&mut self.buffer)? == 0;
        }
        Ok(!self.ended)
    }
}

/// Position in a buffer that may still grow at its end.
struct RecordScanner {
    rules: RecordRules,
    at: usize,
    /// Start of the record at `at`.
    start: usize,
    quoted: bool,
}

impl RecordScanner {
    /// Moves to the end of the record, its line end included; `None` if the buffer ends before.
    fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        let RecordRules::Delimited { delimiter, blanks, .. } = self.rules else {
            return self.next_line_end(bytes);
        };
        loop {
            if self.quoted {
                if !self.leave_quotes(bytes) {
                    return None;
                }
                continue;
            }
            if self.at == self.start && self.rules.is_comment(&bytes[self.start..]) {
                let end = memchr(b'\n', &bytes[self.start..])?;
                self.start += end + 1;
                self.at = self.start;
                continue;
            }
            let Some(found) = memchr3(b'"', b'\n', b'\r', &bytes[self.at..]) else {
                // A comment may follow blanks.
                let undecided = self.rules.is_blank(&bytes[self.start..]);
                self.at = if undecided { self.start } else { bytes.len() };
                return None;
            };
            let found = self.at + found;
            self.at = found + 1;
            if bytes[found] == b'"' {
                let mut before = found;
                while blanks && before > self.start && is_blank(bytes[before - 1], delimiter) {
                    before -= 1;
                }
                self.quoted = before == self.start || bytes[before - 1] == delimiter;
                continue;
            }
            let line = &bytes[self.start..found];
            self.start = found + 1;
            if !self.rules.is_blank(line) {
                return Some(found + 1);
            }
        }
    }

    /// Moves behind the quote that closes a field; `false` if the buffer ends before that is known.
    fn leave_quotes(&mut self, bytes: &[u8]) -> bool {
        let Some(found) = memchr(b'"', &bytes[self.at..]) else {
            self.at = bytes.len();
            return false;
        };
        let quote = self.at + found;
        match bytes.get(quote + 1) {
            Some(b'"') => self.at = quote + 2,
            Some(_) => (self.at, self.quoted) = (quote + 1, false),
            // The next byte decides.
            None => {
                self.at = quote;
                return false;
            }
        }
        true
    }

    fn next_line_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            let Some(found) = memchr(b'\n', &bytes[self.at..]) else {
                self.at = bytes.len();
                return None;
            };
            let end = self.at + found + 1;
            let line = &bytes[self.start..end];
            (self.at, self.start) = (end, end);
            if !self.rules.is_blank(line) {
                return Some(end);
            }
        }
    }
}
