//! Size of the sheets of an `OpenDocument` workbook, in which one cell may stand for many: measured before the reader
//! repeats them in memory.

use std::io::{BufReader, Cursor, Read};

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::QName;
use zip::ZipArchive;

use super::{MAX_CELLS, MAX_COLUMNS, MAX_TEXT_BYTES, too_large, too_long};

/// Largest number of rows that the reader repeats.
const MAX_ROWS: u64 = 1 << 20;

/// Checks the area and the texts of all sheets. Files that are no `OpenDocument` workbooks pass.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    let Ok(mut archive) = ZipArchive::new(Cursor::new(bytes)) else { return Ok(()) };
    match archive.by_name("content.xml") {
        Ok(content) => measure(content),
        Err(_) => Ok(()),
    }
}

/// Extent of a sheet up to what has been read.
#[derive(Default)]
struct Extent {
    /// Cells of the sheets before this one, which are all held at once.
    before: u64,
    /// Rows up to the one that is read, and up to the last one with a value.
    rows: u64,
    height: u64,
    width: u64,
    text_bytes: u64,
    row: RowExtent,
    cell: Option<CellExtent>,
}

/// Row that is read.
#[derive(Default)]
struct RowExtent {
    repeats: u64,
    /// Columns up to the last value, and empty ones after it.
    columns: u64,
    empty: u64,
    /// Bytes of the texts, repeated along the row.
    text_bytes: u64,
}

/// Cell that is read.
struct CellExtent {
    repeats: u64,
    filled: bool,
    attribute_bytes: u64,
    text_bytes: u64,
}

fn measure(content: impl Read) -> Result<(), String> {
    let mut reader = Reader::from_reader(BufReader::new(content));
    // As calamine reads it, so that both see the same cells.
    let config = reader.config_mut();
    config.check_end_names = false;
    config.expand_empty_elements = true;
    let (mut extent, mut buffer) = (Extent::default(), Vec::new());
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(tag)) => extent.start(&tag)?,
            Ok(Event::Text(text)) => extent.text(text.len() as u64),
            Ok(Event::CData(text)) => extent.text(text.len() as u64),
            Ok(Event::GeneralRef(_)) => extent.text(4),
            Ok(Event::End(tag)) if tag.name() == QName("table:table-row") => extent.end_row()?,
            Ok(Event::End(tag)) if tag.name() == QName("table:table") => extent.end_sheet()?,
            // The reader stops there too, with an error of its own.
            Ok(Event::Eof) | Err(_) => return extent.end_row(),
            Ok(_) => {}
        }
    }
}

impl Extent {
    fn start(&mut self, tag: &BytesStart<'_>) -> Result<(), String> {
        match tag.name().0 {
            "table:table-row" => {
                self.end_row()?;
                self.row.repeats = number(tag, "table:number-rows-repeated").unwrap_or(1).min(MAX_ROWS);
            }
            "table:table-cell" | "table:covered-table-cell" => {
                self.end_cell();
                let most = u64::from(MAX_COLUMNS);
                let valued = |name| matches!(tag.try_get_attribute(name), Ok(Some(_)) | Err(_));
                self.cell = Some(CellExtent {
                    repeats: number(tag, "table:number-columns-repeated").unwrap_or(1).min(most),
                    filled: [
                        "office:value-type",
                        "office:value",
                        "office:string-value",
                        "calcext:value-type",
                        "table:formula",
                    ]
                    .into_iter()
                    .any(valued),
                    attribute_bytes: if ["table:formula", "office:string-value"].into_iter().any(valued) {
                        tag.len() as u64
                    } else {
                        0
                    },
                    text_bytes: 0,
                });
            }
            "text:s" => self.text(number(tag, "text:c").unwrap_or(1)),
            _ => {}
        }
        if self.pending() > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(()) }
    }

    fn text(&mut self, bytes: u64) {
        if let Some(cell) = &mut self.cell {
            cell.filled = true;
            cell.text_bytes = cell.text_bytes.saturating_add(bytes);
        }
    }

    /// Bytes of all texts, with those of the row that is read.
    fn pending(&self) -> u64 {
        let cell = self.cell.as_ref().map_or(0, |cell| cell.text_bytes);
        self.text_bytes.saturating_add(self.row.text_bytes).saturating_add(cell)
    }

    fn end_cell(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let row = &mut self.row;
        if !cell.filled {
            row.empty = row.empty.saturating_add(cell.repeats);
            return;
        }
        row.columns = row.columns.saturating_add(std::mem::take(&mut row.empty)).saturating_add(cell.repeats);
        // A formula or text in an attribute is repeated with its cell.
        let repeated = row.repeats > 1 || cell.repeats > 1;
        let bytes = if repeated { cell.text_bytes + cell.attribute_bytes } else { cell.text_bytes };
        row.text_bytes = row.text_bytes.saturating_add(bytes.saturating_mul(cell.repeats));
    }

    fn cells(&self) -> u64 {
        self.before.saturating_add(self.height.saturating_mul(self.width))
    }

    fn end_sheet(&mut self) -> Result<(), String> {
        self.end_row()?;
        *self = Self { before: self.cells(), text_bytes: self.text_bytes, ..Self::default() };
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.end_cell();
        let row = std::mem::take(&mut self.row);
        self.rows = self.rows.saturating_add(row.repeats);
        if row.columns == 0 {
            return Ok(());
        }
        self.height = self.rows;
        self.width = self.width.max(row.columns.min(u64::from(MAX_COLUMNS)));
        if self.cells() > MAX_CELLS {
            return Err(too_large(self.height, self.width));
        }
        self.text_bytes = self.text_bytes.saturating_add(row.text_bytes.saturating_mul(row.repeats));
        if self.text_bytes > MAX_TEXT_BYTES { Err(too_long()) } else { Ok(()) }
    }
}

/// Number of an attribute; the largest one if it is written in a way that no program writes.
fn number(tag: &BytesStart<'_>, name: &str) -> Option<u64> {
    match tag.try_get_attribute(name) {
        Ok(attribute) => attribute.map(|attribute| attribute.value.parse().unwrap_or(u64::MAX)),
        Err(_) => Some(u64::MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(rows: &str) -> Result<(), String> {
        let text = format!("<office:body><table:table table:name=\"S\">{rows}</table:table></office:body>");
        measure(text.as_bytes())
    }

    fn row(repeats: u64, cells: &str) -> String {
        format!("<table:table-row table:number-rows-repeated=\"{repeats}\">{cells}</table:table-row>")
    }

    fn cell(repeats: u64, text: &str) -> String {
        format!(
            "<table:table-cell office:value-type=\"string\" table:number-columns-repeated=\"{repeats}\"><text:p>{text}</text:p></table:table-cell>"
        )
    }

    #[test]
    fn repeated_cells_are_counted_before_they_are_made() {
        let header = row(1, &cell(1, "a"));
        let long = "x".repeat(100_000);
        assert!(sheet(&(header.clone() + &row(1, &cell(16_384, &long)))).unwrap_err().contains("texts"));
        assert!(sheet(&(header.clone() + &row(1_000_000, &cell(1, &long)))).unwrap_err().contains("texts"));
        assert!(sheet(&row(1_048_576, &cell(16_384, "y"))).unwrap_err().contains("span"));
        assert!(sheet(&row(1, &cell(16_384, "y")).repeat(2_000)).unwrap_err().contains("span"));
        let spaces = "<text:s text:c=\"2000000000\"/>";
        assert!(sheet(&row(1, &cell(1, spaces))).unwrap_err().contains("texts"));
        let formula =
            format!("<table:table-cell table:formula=\"{long}\" table:number-columns-repeated=\"9000\"/>");
        assert!(sheet(&row(1, &formula)).unwrap_err().contains("texts"));
        // A gap before a value is part of the area.
        let empty = "<table:table-cell table:number-columns-repeated=\"16000\"/>";
        assert!(sheet(&row(1_000_000, &(empty.to_owned() + &cell(1, "z")))).unwrap_err().contains("span"));
        assert!(
            sheet(
                &(header
                    + &row(1, &(empty.to_owned() + &cell(1, "z")))
                    + &row(1_000_000, empty)
                    + &row(1, &cell(1, "end")))
            )
            .unwrap_err()
            .contains("span")
        );
        let sheets = "<table:table>".to_owned() + &row(1_000_000, &cell(9, "y")) + "</table:table>";
        assert!(
            measure(sheets.repeat(2).as_bytes()).is_ok() && measure(sheets.repeat(3).as_bytes()).is_err()
        );
        let encoded = row(1, &cell(100, "y")).replace("rows-repeated=\"1\"", "rows-repeated=\"&#49;000000\"");
        assert!(sheet(&encoded).is_err());
        // One that ends within a row is judged by what there is.
        assert!(
            measure(format!("<table:table><table:table-row>{}", cell(16_384, &long)).as_bytes()).is_err()
        );
    }

    #[test]
    fn ordinary_sheets_pass() {
        let empty = "<table:table-cell table:number-columns-repeated=\"16384\"/>";
        let table = row(1, &cell(2, "a")) + &row(50_000, &cell(20, "1.5")) + &row(1_048_000, empty);
        sheet(&table).unwrap();
        assert!(check(b"no archive").is_ok());
    }
}
