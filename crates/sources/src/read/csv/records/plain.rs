//! Fields of text without quotes and comments: every delimiter and line end is a border.
//!
//! Eight bytes are compared at once, by the exact form of the zero-byte test of "Hacker's Delight" (section 6-1).

use super::{RaggedRow, narrow};
use crate::read::chunks::is_blank;

/// Borders of the fields of a text.
pub(super) struct PlainFields {
    /// For each record its start, then the position behind the border that ends each field.
    pub bounds: Vec<u32>,
    pub ragged: Vec<RaggedRow>,
}

/// Finds the fields of a text, of which each record has `columns`. `records` is their expected number.
pub(super) fn split(
    bytes: &[u8],
    delimiter: u8,
    columns: usize,
    records: usize,
    first_row: u64,
) -> PlainFields {
    let mut lines = Lines {
        bytes,
        delimiter,
        columns,
        bounds: Vec::with_capacity((records + 1) * (columns + 1)),
        start: 0,
        complete: 0,
        row: first_row,
        ragged: Vec::new(),
    };
    lines.bounds.push(0);
    each_border(bytes, delimiter, |at| {
        if bytes[at] == delimiter {
            lines.bounds.push(narrow(at + 1));
        } else {
            lines.end(at);
        }
    });
    if lines.start < bytes.len() {
        lines.end(bytes.len());
    }
    lines.bounds.truncate(lines.complete);
    PlainFields { bounds: lines.bounds, ragged: lines.ragged }
}

/// State of splitting a text into records.
struct Lines<'a> {
    bytes: &'a [u8],
    delimiter: u8,
    columns: usize,
    bounds: Vec<u32>,
    /// Start of the line.
    start: usize,
    /// Number of bounds of complete records.
    complete: usize,
    /// Number of the record in the file.
    row: u64,
    ragged: Vec<RaggedRow>,
}

impl Lines<'_> {
    /// Ends the line at `at`. A line of blanks is no record.
    fn end(&mut self, at: usize) {
        let line = &self.bytes[self.start..at];
        // The start of the line stands for its first field.
        let found = self.bounds.len() - self.complete;
        if found > 1 || !line.iter().all(|byte| is_blank(*byte, self.delimiter)) {
            if found == self.columns {
                self.bounds.push(narrow(at + 1));
                self.complete = self.bounds.len();
            } else {
                self.ragged.push(RaggedRow::new(self.row, found, self.columns, line));
            }
            self.row += 1;
        }
        self.bounds.truncate(self.complete);
        self.start = at + 1;
        self.bounds.push(narrow(self.start));
    }
}

/// Calls `visit` with the position of each delimiter, line feed and carriage return.
#[inline]
fn each_border(bytes: &[u8], delimiter: u8, mut visit: impl FnMut(usize)) {
    let patterns = [delimiter, b'\n', b'\r'].map(|byte| u64::from_ne_bytes([byte; 8]));
    let (blocks, rest) = bytes.as_chunks::<8>();
    for (index, block) in blocks.iter().enumerate() {
        let word = u64::from_le_bytes(*block);
        let mut hits = patterns.iter().fold(0, |hits, pattern| hits | zero_bytes(word ^ pattern));
        while hits != 0 {
            visit(index * 8 + hits.trailing_zeros() as usize / 8);
            hits &= hits - 1;
        }
    }
    let before = bytes.len() - rest.len();
    for (index, byte) in rest.iter().enumerate() {
        if *byte == delimiter || matches!(byte, b'\n' | b'\r') {
            visit(before + index);
        }
    }
}

/// Highest bit of each byte that is zero.
const fn zero_bytes(word: u64) -> u64 {
    const LOW_BITS: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW_BITS) + LOW_BITS) | word | LOW_BITS)
}
