//! CSV of Airbyte: a column of JSON objects is the rows.

use std::io::{BufWriter, Write};
use std::path::Path;

use arrow::array::AsArray;
use cupola_store::StagedFile;

use crate::error::{Error, io_error};
use crate::file::DataFile;
use crate::read::encoding::{TextInput, encoding_of};
use crate::read::{Scan, TextColumns, TextFormat};

/// Column with the record as it came from its source.
const PAYLOAD: &str = "_airbyte_data";

/// `true` if the header has the column of payloads.
pub(super) fn has_payload(file: &DataFile) -> Result<bool, Error> {
    let start = TextInput::open(file, encoding_of(file, None, false)?)?.sample;
    let header = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let is_payload = |name: &[u8]| {
        let name = name.trim_ascii();
        let quoted = name.strip_prefix(b"\"").and_then(|name| name.strip_suffix(b"\""));
        quoted.unwrap_or(name) == PAYLOAD.as_bytes()
    };
    Ok(header.split(|byte| *byte == b',').any(is_payload))
}

/// Writes the payloads, one a line.
pub(super) fn to_lines(file: &DataFile, path: &Path) -> Result<(), Error> {
    let scan = Scan {
        files: std::slice::from_ref(file),
        query: None,
        nulls: &[],
        texts: TextColumns::All,
        format: TextFormat::default(),
        label: &file.name,
        infer_from_all: false,
        keep_text_types: false,
    };
    let mut staged = StagedFile::new(path)?;
    {
        let mut out = BufWriter::new(staged.file_mut());
        for batch in scan.text_rows()?.batches {
            let batch = batch?.rows;
            let payloads = batch.column_by_name(PAYLOAD).and_then(|column| column.as_string_opt::<i32>());
            for payload in payloads.into_iter().flatten().flatten() {
                let line = payload.replace(['\n', '\r'], " ");
                writeln!(out, "{line}").map_err(io_error(path))?;
            }
        }
        out.flush().map_err(io_error(path))?;
    }
    Ok(staged.commit()?)
}
