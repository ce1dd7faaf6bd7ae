//! Places of rows in the files that they come from.

use std::fmt;
use std::sync::Arc;

use crate::read::LineFinder;

/// Place of a row in a file, as a person counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowLocation {
    /// Name of the file.
    pub file: String,
    /// Number of the row in that file, from 1; the header is not counted.
    pub row: u64,
    /// Line of that file on which the row begins, from 1; `None` for a file without lines.
    pub line: Option<u64>,
}

impl RowLocation {
    /// The row within its file, such as `row 3 (line 4)`.
    pub fn in_file(&self) -> String {
        let line = self.line.map_or(String::new(), |line| format!(" (line {line})"));
        format!("row {}{line}", self.row)
    }
}

impl fmt::Display for RowLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.in_file())
    }
}

/// Place of the rows of one batch in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchOrigin {
    /// Index of the file in the list of files.
    pub file: usize,
    /// Number of the first row of the batch in the file, from 1; rows that are left out are counted.
    pub first: u64,
    /// Numbers of the rows that are left out between those of the batch, in ascending order.
    pub skipped: Vec<u64>,
}

impl BatchOrigin {
    /// Place of the rows from `offset` on.
    pub(crate) fn after(&self, offset: usize) -> Self {
        let first = self.number(offset);
        let skipped = self.skipped.iter().copied().filter(|skipped| *skipped >= first).collect();
        Self { file: self.file, first, skipped }
    }

    /// Number in the file of the row at `offset` of the batch.
    pub fn number(&self, offset: usize) -> u64 {
        let mut number = self.first + offset as u64;
        for skipped in &self.skipped {
            if *skipped > number {
                break;
            }
            number += 1;
        }
        number
    }
}

/// Origin of every row of a table: runs of consecutive rows of a file.
#[derive(Debug, Clone, Default)]
pub struct RowOrigin {
    files: Vec<String>,
    runs: Vec<RowRun>,
    rows: u64,
    unknown: bool,
    lines: Option<Arc<LineFinder>>,
}

#[derive(Debug, Clone, Copy)]
struct RowRun {
    /// Index of the first row in the table.
    start: u64,
    file: usize,
    /// Number of the first row in the file.
    number: u64,
}

impl RowOrigin {
    /// Origin without rows; `files` are the names of the files in the order in which they are read.
    pub fn new(files: Vec<String>) -> Self {
        Self { files, ..Self::default() }
    }

    /// The origin with the files in which the lines of rows are counted.
    #[must_use]
    pub fn with_lines(self, lines: LineFinder) -> Self {
        Self { lines: Some(Arc::new(lines)), ..self }
    }

    /// Adds the rows of a batch but those at the offsets `dropped`, which are in ascending order. `origin` is `None` if
    /// the rows have no place in a file, such as those of a query.
    pub fn push(&mut self, origin: Option<&BatchOrigin>, rows: usize, dropped: &[usize]) {
        let Some(origin) = origin else {
            self.unknown = true;
            self.rows += (rows - dropped.len().min(rows)) as u64;
            return;
        };
        if origin.skipped.is_empty() && dropped.is_empty() {
            self.push_run(origin.file, origin.first, rows as u64);
            return;
        }
        let mut dropped = dropped.iter().copied().peekable();
        for offset in 0..rows {
            if dropped.next_if_eq(&offset).is_none() {
                self.push_run(origin.file, origin.number(offset), 1);
            }
        }
    }

    fn push_run(&mut self, file: usize, number: u64, rows: u64) {
        let follows = self
            .runs
            .last()
            .is_some_and(|run| run.file == file && run.number + (self.rows - run.start) == number);
        if !follows && rows > 0 {
            self.runs.push(RowRun { start: self.rows, file, number });
        }
        self.rows += rows;
    }

    /// Place of the row with the index `row` in the table; `None` if the rows have none in a file.
    pub fn locate(&self, row: usize) -> Option<RowLocation> {
        let row = row as u64;
        if self.unknown || row >= self.rows {
            return None;
        }
        let after = self.runs.partition_point(|run| run.start <= row);
        let run = self.runs.get(after.checked_sub(1)?)?;
        let file = self.files.get(run.file)?.clone();
        let number = run.number + (row - run.start);
        let line = self.lines.as_ref().and_then(|lines| lines.line(run.file, number));
        Some(RowLocation { file, row: number, line })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(origin: &RowOrigin, row: usize) -> Option<(String, u64)> {
        origin.locate(row).map(|found| (found.file, found.row))
    }

    #[test]
    fn rows_are_counted_in_their_file_with_those_that_are_left_out() {
        let mut origin = RowOrigin::new(vec!["a.csv".into(), "b.csv".into()]);
        // Rows 1 to 4 of the first file, of which 3 is ragged and the second offset is quarantined.
        origin.push(Some(&BatchOrigin { file: 0, first: 1, skipped: vec![3] }), 3, &[1]);
        origin.push(Some(&BatchOrigin { file: 0, first: 5, skipped: Vec::new() }), 2, &[]);
        origin.push(Some(&BatchOrigin { file: 1, first: 1, skipped: vec![1, 2] }), 2, &[]);
        let expected = [("a.csv", 1), ("a.csv", 4), ("a.csv", 5), ("a.csv", 6), ("b.csv", 3), ("b.csv", 4)];
        for (row, (file, number)) in expected.into_iter().enumerate() {
            assert_eq!(place(&origin, row), Some((file.to_owned(), number)), "{row}");
        }
        assert_eq!(place(&origin, 6), None);
    }

    #[test]
    fn rows_of_a_query_have_no_place() {
        let mut origin = RowOrigin::new(vec!["a.csv".into()]);
        origin.push(None, 2, &[]);
        assert_eq!(place(&origin, 0), None);
    }
}
