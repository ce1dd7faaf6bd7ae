//! Lines of rows in text files, counted when an error names a row.

use cupola_spec::Data;

use super::{TextColumns, TextFormat};
use crate::file::{DataFile, FileFormat};
use crate::read::chunks::{RecordRules, Splitter};
use crate::read::encoding::{TextInput, encoding_of};
use crate::read::{BATCH_ROWS, READ_BYTES, Scan, csv};

/// Files of a source with the settings by which their rows were read.
#[derive(Debug, Clone)]
pub struct LineFinder {
    files: Vec<DataFile>,
    data: Data,
    infer_from_all: bool,
}

impl LineFinder {
    /// Finder for files that are read with the settings of `data`, without its query.
    pub fn new(files: &[DataFile], data: &Data, infer_from_all: bool) -> Self {
        Self { files: files.to_vec(), data: data.clone(), infer_from_all }
    }

    /// Line of a file, from 1, on which its row number `row` begins; `None` for a format without lines, and for a file that
    /// this program has converted or that cannot be read any more.
    pub fn line(&self, file: usize, row: u64) -> Option<u64> {
        let file = self.files.get(file).filter(|file| file.original.is_none())?;
        let scan = Scan {
            files: std::slice::from_ref(file),
            query: None,
            nulls: &self.data.null,
            texts: TextColumns::All,
            format: TextFormat::of(&self.data),
            label: &file.name,
            infer_from_all: self.infer_from_all,
            keep_text_types: false,
        };
        let (encoding, rules, header) = match file.format {
            FileFormat::Csv { delimiter } => {
                let layout = csv::source(&scan, delimiter).ok()?.layouts.into_iter().next()??;
                (layout.encoding, layout.rules(), layout.header)
            }
            FileFormat::Json => {
                let encoding = encoding_of(file, scan.format.encoding, self.infer_from_all).ok()?;
                (encoding, RecordRules::Lines, false)
            }
            _ => return None,
        };
        let input = TextInput::open(file, encoding).ok()?;
        let mut splitter = Splitter::new(input.into_reader(), rules, READ_BYTES);
        let mut lines = LineCounter::default();
        let mut before = row.checked_sub(1)? + u64::from(header);
        while before > 0 {
            let records = usize::try_from(before).unwrap_or(BATCH_ROWS).min(BATCH_ROWS);
            let chunk = splitter.take(records).ok()??;
            lines.add(&chunk.bytes);
            before = before.saturating_sub(chunk.records as u64);
        }
        let chunk = splitter.take(1).ok()??;
        lines.add(&chunk.bytes[..rules.start_of_record(&chunk.bytes)]);
        Some(lines.ends + 1)
    }
}

/// Counter of line ends: `\n`, `\r` and `\r\n`.
#[derive(Default)]
struct LineCounter {
    ends: u64,
    /// `true` if the last byte was `\r`, with which a `\n` is one line end.
    after_return: bool,
}

impl LineCounter {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            let ends = *byte == b'\r' || *byte == b'\n' && !self.after_return;
            self.ends += u64::from(ends);
            self.after_return = *byte == b'\r';
        }
    }
}

#[cfg(test)]
mod tests {
    use cupola_spec::{Source, parse_data};

    use super::*;

    #[test]
    fn rows_are_found_on_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let quoted = "\n# a comment\r\nx,y\r\n1,a\r\n\r\n2,\"two\nlines\"\r\n# another\r\n3,c";
        for (name, settings, text, expected) in [
            ("a.csv", "", "x,y\n1,a\n2,b\n3,c\n".to_owned(), [2, 3, 4]),
            ("b.csv", "comment = '#'\n", quoted.to_owned(), [4, 6, 9]),
            ("c.csv", "columns = ['x', 'y']\n", "1,a\r2,b\r3,c\r".to_owned(), [1, 2, 3]),
            ("d.jsonl", "", "{\"x\": 1}\n\n{\"x\": 2}\n{\"x\": 3}".to_owned(), [1, 3, 4]),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let (data, _) = parse_data("test", &format!("[data]\nsource = '{name}'\n{settings}")).unwrap();
            assert_eq!(data.source, Source::One(name.to_owned()));
            let finder = LineFinder::new(&[DataFile::new(path).unwrap()], &data, false);
            let found = [1, 2, 3].map(|row| finder.line(0, row));
            assert_eq!(found, expected.map(Some), "{name}");
            assert_eq!(
                (finder.line(0, 4), finder.line(0, 0), finder.line(1, 1)),
                (None, None, None),
                "{name}"
            );
        }
    }
}
