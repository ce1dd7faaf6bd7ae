//! Spreadsheets: the first sheet, with the column names in its first row.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use calamine::{Data, DataType as _, Range, Reader, open_workbook_auto_from_rs};

use crate::error::Error;
use crate::file::DataFile;
use crate::table::TableWriter;

/// Writes the rows of the first sheet to a Parquet file.
pub(super) fn to_parquet(file: &DataFile, path: &Path) -> Result<(), Error> {
    let wrong = |why: String| Error::Engine { path: file.name.clone(), why };
    let bytes = std::fs::read(&file.path).map_err(|source| Error::Io { path: file.path.clone(), source })?;
    let mut book =
        open_workbook_auto_from_rs(std::io::Cursor::new(bytes)).map_err(|error| wrong(error.to_string()))?;
    let sheet = book.worksheet_range_at(0).ok_or_else(|| wrong("the workbook has no sheet".to_owned()))?;
    let sheet = sheet.map_err(|error| wrong(error.to_string()))?;
    let batch = rows(&sheet).map_err(wrong)?;
    let mut writer = TableWriter::new(path, &batch.schema())?;
    writer.push(&batch)?;
    writer.finish()
}

fn rows(sheet: &Range<Data>) -> Result<RecordBatch, String> {
    let mut lines = sheet.rows();
    let header = lines.next().ok_or_else(|| "the first sheet is empty".to_owned())?;
    let lines: Vec<&[Data]> = lines.collect();
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, name) in header.iter().enumerate() {
        let cells: Vec<&Data> = lines.iter().map(|line| &line[index]).collect();
        if name.is_empty() && cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        let name = name
            .as_string()
            .ok_or_else(|| format!("column {} has no name in the first row; give it one", index + 1))?;
        if fields.iter().any(|field| field.name() == &name) {
            return Err(format!("two columns are called `{name}`; rename one"));
        }
        let error = cells.iter().position(|cell| cell.is_error());
        if let Some(row) = error {
            return Err(format!("row {}, column `{name}`: {}; correct the cell", row + 1, cells[row]));
        }
        let column = column(&cells);
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| error.to_string())
}

/// Converts cells to the narrowest type that holds them all.
fn column(cells: &[&Data]) -> ArrayRef {
    let all = |fits: &dyn Fn(&Data) -> bool| cells.iter().all(|cell| cell.is_empty() || fits(cell));
    let whole = |cell: &Data| match cell {
        Data::Int(_) => true,
        Data::Float(value) => value.fract() == 0.0 && value.abs() < 9e15,
        _ => false,
    };
    if all(&whole) && !all(&|_| false) {
        return Arc::new(cells.iter().map(|cell| cell.as_i64()).collect::<Int64Array>());
    }
    if all(&|cell| cell.is_float() || cell.is_int()) {
        return Arc::new(cells.iter().map(|cell| cell.as_f64()).collect::<Float64Array>());
    }
    if all(&|cell| cell.is_bool()) {
        return Arc::new(cells.iter().map(|cell| cell.get_bool()).collect::<BooleanArray>());
    }
    let texts: StringArray = cells.iter().map(|cell| text(cell)).collect();
    let is_date = |cell: &Data| matches!(cell, Data::DateTime(_) | Data::DateTimeIso(_));
    if all(&is_date) {
        let kind = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
        if let Ok(times) = arrow::compute::cast(&texts, &kind) {
            return times;
        }
    }
    Arc::new(texts)
}

fn text(cell: &Data) -> Option<String> {
    match cell {
        Data::Empty => None,
        Data::DateTime(date) if date.is_datetime() => {
            let (year, month, day, hour, minute, second, milli) = date.to_ymd_hms_milli();
            Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}"))
        }
        other => Some(other.to_string()),
    }
}
