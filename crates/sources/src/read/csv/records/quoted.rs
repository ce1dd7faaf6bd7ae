//! Fields of text with quotes or comments, by `csv-core`.

use std::borrow::Cow;

use csv_core::{ReadRecordResult, ReaderBuilder};

use super::{Decoded, RaggedRow, Records, Undecodable, narrow};
use crate::read::chunks::is_blank;
use crate::read::csv::dialect::Dialect;

/// Splits text into fields, of which each record has `columns`. `records` is their expected number.
pub(super) fn split(
    bytes: &[u8],
    dialect: Dialect,
    columns: usize,
    records: usize,
    first_row: u64,
) -> Result<Decoded<'static>, Undecodable> {
    let mut decoder = Decoder::new(bytes, dialect, columns, records);
    let mut ragged = Vec::new();
    let mut row = first_row;
    while let Some(record) = decoder.next() {
        if record.found != columns {
            ragged.push(RaggedRow::new(row, record.found, columns, record.raw));
        }
        row += 1;
    }
    Ok(Decoded { records: decoder.finish()?, ragged })
}

/// State of splitting a chunk into fields.
struct Decoder<'a> {
    reader: csv_core::Reader,
    bytes: &'a [u8],
    dialect: Dialect,
    columns: usize,
    at: usize,
    data: Vec<u8>,
    used: usize,
    /// For each record its start, then the end of each field.
    bounds: Vec<u32>,
    /// Ends of the fields of one record, with one place more.
    record_ends: Vec<usize>,
}

/// Record as it was found.
struct RawRecord<'a> {
    found: usize,
    raw: &'a [u8],
}

impl<'a> Decoder<'a> {
    fn new(bytes: &'a [u8], dialect: Dialect, columns: usize, records: usize) -> Self {
        let mut reader = ReaderBuilder::new().delimiter(dialect.delimiter).comment(dialect.comment).build();
        // A reader that has not read anything takes the first bytes for a byte order mark.
        reader.read_record(b"\n", &mut [0], &mut [0]);
        Self {
            reader,
            bytes,
            dialect,
            columns,
            at: 0,
            // Fields are never longer than the text that they come from.
            data: vec![0; bytes.len() + 1],
            used: 0,
            bounds: Vec::with_capacity(records * (columns + 1)),
            record_ends: vec![0; columns + 1],
        }
    }

    /// Reads the next record, and keeps its fields if their number is the expected one.
    fn next(&mut self) -> Option<RawRecord<'a>> {
        let mut start = self.at;
        let (mut found, data_start) = (0, self.used);
        loop {
            let place = found.min(self.columns);
            let (result, read, written, ends) = self.reader.read_record(
                &self.bytes[self.at..],
                &mut self.data[self.used..],
                &mut self.record_ends[place..],
            );
            self.at += read;
            self.used += written;
            found += ends;
            match result {
                ReadRecordResult::InputEmpty | ReadRecordResult::OutputEndsFull => {}
                ReadRecordResult::OutputFull => self.data.resize(self.data.len() + 4096, 0),
                ReadRecordResult::End => return None,
                ReadRecordResult::Record => {
                    let raw = &self.bytes[start..self.at];
                    if found == 1 && self.is_no_record(raw, data_start) {
                        (start, found, self.used) = (self.at, 0, data_start);
                        continue;
                    }
                    if found == self.columns {
                        let ends = &self.record_ends[..found];
                        self.bounds.push(narrow(data_start));
                        self.bounds.extend(ends.iter().map(|end| narrow(data_start + end)));
                    } else {
                        self.used = data_start;
                    }
                    return Some(RawRecord { found, raw });
                }
            }
        }
    }

    /// `true` for a line of blanks, or a comment at the end of a file, which csv-core returns as an empty record.
    fn is_no_record(&self, raw: &[u8], data_start: usize) -> bool {
        let blank = |byte: &u8| is_blank(*byte, self.dialect.delimiter);
        let ends = raw.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let text = &raw[..raw.len() - ends];
        let line = text.rsplit(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        // Only a line feed ends a comment.
        let whole = text.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        let first = whole.iter().find(|byte| **byte != b'\r');
        let comment = self.dialect.comment.is_some() && first == self.dialect.comment.as_ref();
        self.data[data_start..self.used].iter().all(blank) && (comment || line.iter().all(blank))
    }

    fn finish(mut self) -> Result<Records<'static>, Undecodable> {
        self.data.truncate(self.used);
        let (bounds, columns) = (self.bounds, self.columns);
        match String::from_utf8(self.data) {
            Ok(text) => Ok(Records { text: Cow::Owned(text), bounds, columns, gap: 0 }),
            Err(error) => {
                let at = narrow(error.utf8_error().valid_up_to());
                let record =
                    bounds.chunks_exact(columns + 1).take_while(|fields| fields[columns] <= at).count();
                let fields = bounds.chunks_exact(columns + 1).nth(record).unwrap_or_default();
                let column = fields.iter().skip(1).take_while(|end| **end <= at).count();
                Err(Undecodable { record, column })
            }
        }
    }
}
