//! Spreadsheets: the first sheet, with the column names in its first row.

mod archive;
mod repeats;

use std::io::{Cursor, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use calamine::{
    Cell, CellErrorType, Data, DataRef, DataType as _, Range, Reader, Sheets, open_workbook_auto_from_rs,
};

use crate::error::Error;
use crate::file::DataFile;
use crate::table::TableWriter;

/// Writes the rows of the first sheet to a Parquet file.
pub(super) fn to_parquet(file: &DataFile, path: &Path) -> Result<(), Error> {
    let wrong = |why: String| Error::Engine { path: file.name.clone(), why };
    let bytes = cupola_store::read_limited(&file.path, MAX_BYTES)?;
    archive::check(&bytes, file.max_ratio).and_then(|()| repeats::check(&bytes)).map_err(wrong)?;
    // The reader of a damaged workbook may count beyond its numbers.
    let read = catch_unwind(AssertUnwindSafe(|| first_sheet(bytes).and_then(|sheet| rows(&sheet))));
    let batch = read.unwrap_or_else(|_| Err("the workbook is damaged".to_owned())).map_err(wrong)?;
    let mut writer = TableWriter::new(path, &batch.schema())?;
    writer.push(&batch)?;
    writer.finish()
}

/// Largest size of a workbook: 1 GiB.
const MAX_BYTES: u64 = 1 << 30;
/// Largest number of columns, as in Excel.
const MAX_COLUMNS: u32 = 16_384;
/// Largest number of cells between the first and the last used one.
const MAX_CELLS: u64 = 25_000_000;
/// Largest size of the texts of all cells, each counted as often as it occurs: 512 MiB.
const MAX_TEXT_BYTES: u64 = 512 << 20;

/// Cells of the first sheet. The range that they span is measured before it is allocated.
fn first_sheet(bytes: Vec<u8>) -> Result<Range<Data>, String> {
    let mut book = open_workbook_auto_from_rs(Cursor::new(bytes)).map_err(|error| error.to_string())?;
    let name = book.sheet_names().first().cloned().ok_or_else(|| "the workbook has no sheet".to_owned())?;
    match &mut book {
        Sheets::Xlsx(book) => {
            let mut reader = book.worksheet_cells_reader(&name).map_err(|error| error.to_string())?;
            spanned(|| reader.next_cell().map_err(|error| error.to_string()))
        }
        Sheets::Xlsb(book) => {
            let mut reader = book.worksheet_cells_reader(&name).map_err(|error| error.to_string())?;
            spanned(|| reader.next_cell().map_err(|error| error.to_string()))
        }
        other => whole_sheet(other, &name),
    }
}

fn whole_sheet<R: Read + Seek>(book: &mut Sheets<R>, name: &str) -> Result<Range<Data>, String> {
    book.worksheet_range(name).map_err(|error| error.to_string())
}

/// Range of the cells that `next` returns.
fn spanned<'a>(
    mut next: impl FnMut() -> Result<Option<Cell<DataRef<'a>>>, String>,
) -> Result<Range<Data>, String> {
    let (mut cells, mut text_bytes) = (Vec::new(), 0);
    let (mut first, mut last) = ((u32::MAX, u32::MAX), (0, 0));
    while let Some(cell) = next()? {
        if matches!(cell.get_value(), DataRef::Empty) {
            continue;
        }
        let (row, column) = cell.get_position();
        if column >= MAX_COLUMNS {
            return Err(format!("the sheet has more than {MAX_COLUMNS} columns; save it as CSV"));
        }
        first = (row.min(first.0), column.min(first.1));
        last = (row.max(last.0), column.max(last.1));
        let area = (u64::from(last.0 - first.0) + 1) * (u64::from(last.1 - first.1) + 1);
        if area > MAX_CELLS {
            let (height, width) = (last.0 - first.0 + 1, last.1 - first.1 + 1);
            return Err(too_large(height.into(), width.into()));
        }
        // A few bytes refer to a long shared text, and a place may be filled again and again.
        if let DataRef::String(_) | DataRef::SharedString(_) = cell.get_value() {
            text_bytes += cell.get_value().get_string().map_or(0, str::len) as u64;
        }
        if text_bytes > MAX_TEXT_BYTES || cells.len() as u64 >= MAX_CELLS {
            return Err(too_long());
        }
        cells.push(Cell::new((row, column), Data::from(cell.get_value().clone())));
    }
    Ok(Range::from_sparse(cells))
}

fn too_large(height: u64, width: u64) -> String {
    format!(
        "the used cells span {height} rows and {width} columns, more than {MAX_CELLS} cells; delete cells far from the table, or save it as CSV"
    )
}

fn too_long() -> String {
    format!("the texts of the cells have more than {} MiB; save it as CSV", MAX_TEXT_BYTES >> 20)
}

fn rows(sheet: &Range<Data>) -> Result<RecordBatch, String> {
    let mut lines = sheet.rows();
    let header = lines.next().ok_or_else(|| "the first sheet is empty".to_owned())?;
    let lines: Vec<&[Data]> = lines.collect();
    let (mut fields, mut columns): (Vec<Field>, Vec<ArrayRef>) = (Vec::new(), Vec::new());
    for (index, name) in header.iter().enumerate() {
        let cells: Vec<&Data> = lines.iter().map(|line| value(&line[index])).collect();
        if name.is_empty() && cells.iter().all(|cell| cell.is_empty()) {
            continue;
        }
        let column = column(&cells);
        let name = match name.as_string().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()) {
            Some(name) => name,
            // pandas writes its index as a nameless first column.
            None if index == 0 && column.data_type() == &DataType::Int64 && header.len() > 1 => continue,
            None => return Err(format!("column {} has no name in the first row; give it one", index + 1)),
        };
        if fields.iter().any(|field| field.name() == &name) {
            return Err(format!("two columns are called `{name}`; rename one"));
        }
        if let Some(row) = cells.iter().position(|cell| cell.is_error()) {
            return Err(format!("row {}, column `{name}`: {}; correct the cell", row + 1, cells[row]));
        }
        fields.push(Field::new(name, column.data_type().clone(), true));
        columns.push(column);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| error.to_string())
}

/// The cell, or an empty one for `#N/A`, which means a missing value.
fn value(cell: &Data) -> &Data {
    if matches!(cell, Data::Error(CellErrorType::NA)) { &Data::Empty } else { cell }
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
    // A duration is a number of days.
    let is_duration = |cell: &Data| matches!(cell, Data::DateTime(time) if !time.is_datetime());
    if all(&is_duration) {
        let days = |cell: &&Data| cell.get_datetime().map(|time| time.as_f64());
        return Arc::new(cells.iter().map(days).collect::<Float64Array>());
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

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::{Float64Type, Int64Type};
    use calamine::{Cell, ExcelDateTime, ExcelDateTimeType};

    use super::*;

    fn sheet(lines: &[&[Data]]) -> Range<Data> {
        let cells = (0_u32..).zip(lines).flat_map(|(row, line)| {
            (0_u32..).zip(*line).map(move |(column, cell)| Cell::new((row, column), cell.clone()))
        });
        Range::from_sparse(cells.collect())
    }

    fn text(text: &str) -> Data {
        Data::String(text.to_owned())
    }

    #[test]
    fn the_nameless_index_of_pandas_is_left_out_and_names_are_trimmed() {
        let found = rows(&sheet(&[
            &[Data::Empty, text(" a "), text("b")],
            &[Data::Int(0), Data::Float(1.5), text("x")],
            &[Data::Int(1), Data::Error(CellErrorType::NA), text("y")],
        ]))
        .unwrap();
        let schema = found.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        let numbers = found.column(0).as_primitive::<Float64Type>();
        assert_eq!((numbers.value(0), numbers.is_null(1)), (1.5, true));
        let nameless = rows(&sheet(&[&[Data::Empty, text("b")], &[text("k"), Data::Int(1)]]));
        assert!(nameless.unwrap_err().contains("column 1 has no name"));
    }

    #[test]
    fn a_range_is_measured_before_it_is_allocated() {
        let span = |places: &[(u32, u32)]| {
            let mut cells = places.iter().map(|place| Cell::new(*place, DataRef::Int(1)));
            spanned(|| Ok(cells.next())).map(|range| range.get_size())
        };
        assert_eq!(span(&[(0, 0), (2, 3)]).unwrap(), (3, 4));
        assert_eq!(span(&[(1_048_575, 0), (1_048_575, 16_383)]).unwrap(), (1, 16_384));
        assert!(span(&[(0, 0), (1_048_575, 16_383)]).unwrap_err().contains("span 1048576 rows"));
        assert!(span(&[(0, 199_999)]).unwrap_err().contains("16384 columns"));
    }

    #[test]
    fn a_shared_text_counts_as_often_as_it_occurs() {
        let shared = "x".repeat(1 << 20);
        let read = |count: u32| {
            let mut cells = (0..count).map(|row| Cell::new((row, 0), DataRef::SharedString(&shared)));
            spanned(|| Ok(cells.next())).map(|range| range.height())
        };
        assert_eq!(read(8).unwrap(), 8);
        assert!(read(2_000).unwrap_err().contains("512 MiB"));
    }

    #[test]
    fn durations_are_days_and_other_errors_name_the_cell() {
        let days = |days| Data::DateTime(ExcelDateTime::new(days, ExcelDateTimeType::TimeDelta, false));
        let found = rows(&sheet(&[&[text("t"), text("n")], &[days(0.5), Data::Int(7)]])).unwrap();
        assert_eq!(found.column(0).as_primitive::<Float64Type>().values(), &[0.5]);
        assert_eq!(found.column(1).as_primitive::<Int64Type>().values(), &[7]);
        let error = rows(&sheet(&[&[text("n")], &[Data::Int(1)], &[Data::Error(CellErrorType::Div0)]]));
        assert_eq!(error.unwrap_err(), "row 2, column `n`: #DIV/0!; correct the cell");
    }
}
