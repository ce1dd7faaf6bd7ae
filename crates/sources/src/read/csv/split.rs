//! Splitting of CSV bytes at the borders of records.
//!
//! Follows the state machine of `csv-core` (the parser of arrow-csv) as far as borders depend on it: a quote opens a
//! quoted field only at the start of a field, two quotes in a quoted field are one, `\r`, `\n` and `\r\n` end a record
//! outside of quotes, and empty lines are no records.

use std::io::{self, Read};

use memchr::{memchr, memchr3};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Whole records, with the empty lines between them.
#[derive(Debug)]
pub(super) struct Chunk {
    pub bytes: Vec<u8>,
    pub records: usize,
}

/// Reader that returns whole records.
pub(super) struct Splitter<R> {
    input: R,
    delimiter: u8,
    /// Bytes that are read from the input at once.
    read_bytes: usize,
    /// Bytes that have been read and not returned.
    buffer: Vec<u8>,
    at_start: bool,
    ended: bool,
}

impl<R: Read> Splitter<R> {
    pub fn new(input: R, delimiter: u8, read_bytes: usize) -> Self {
        Self { input, delimiter, read_bytes, buffer: Vec::new(), at_start: true, ended: false }
    }

    /// Returns the next `records` records, or those that are left; `None` at the end.
    pub fn take(&mut self, records: usize) -> io::Result<Option<Chunk>> {
        let mut scanner = RecordScanner { delimiter: self.delimiter, at: 0, start: 0, quoted: false };
        if self.at_start {
            while self.buffer.len() < BYTE_ORDER_MARK.len() && self.fill()? {}
            if self.buffer.starts_with(BYTE_ORDER_MARK) {
                (scanner.at, scanner.start) = (BYTE_ORDER_MARK.len(), BYTE_ORDER_MARK.len());
            }
            self.at_start = false;
        }
        let mut count = 0;
        while count < records {
            if let Some(end) = scanner.next_end(&self.buffer) {
                count += 1;
                if count == records {
                    let rest = self.buffer.split_off(end);
                    return Ok(Some(Chunk { bytes: std::mem::replace(&mut self.buffer, rest), records }));
                }
            } else if !self.fill()? {
                break;
            }
        }
        // The last record may have no line end.
        count += usize::from(scanner.start < self.buffer.len());
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
    delimiter: u8,
    at: usize,
    /// Start of the record at `at`.
    start: usize,
    quoted: bool,
}

impl RecordScanner {
    /// Moves to the end of the record, its line end included; `None` if the buffer ends before.
    fn next_end(&mut self, bytes: &[u8]) -> Option<usize> {
        loop {
            if self.quoted {
                let Some(found) = memchr(b'"', &bytes[self.at..]) else {
                    self.at = bytes.len();
                    return None;
                };
                let quote = self.at + found;
                match bytes.get(quote + 1) {
                    Some(b'"') => self.at = quote + 2,
                    Some(_) => (self.at, self.quoted) = (quote + 1, false),
                    // The next byte decides.
                    None => {
                        self.at = quote;
                        return None;
                    }
                }
                continue;
            }
            let Some(found) = memchr3(b'"', b'\n', b'\r', &bytes[self.at..]) else {
                self.at = bytes.len();
                return None;
            };
            let found = self.at + found;
            self.at = found + 1;
            if bytes[found] == b'"' {
                self.quoted = found == self.start || bytes[found - 1] == self.delimiter;
                continue;
            }
            let empty = found == self.start;
            self.start = found + 1;
            if !empty {
                return Some(found + 1);
            }
        }
    }
}
