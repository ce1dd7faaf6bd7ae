//! Where the errors are: conditions under which they are larger, and the rows with the largest.

use super::markup::{Cell, Room, dim, further, stacked_table};
use super::metrics::bounds;
use crate::document::{ErrorSlice, WorstContent, WorstError};
use crate::text::{Digits, count, cut, escape, label, name};

/// Conditions that are shown.
const SLICES: usize = 15;

/// Rows in the gallery.
const ROWS: usize = 24;

/// Columns of a row in the gallery.
const COLUMNS: usize = 12;

/// Characters of a quoted text.
const QUOTED: usize = 300;

/// Largest picture as text in Base64; a gallery full of them has half a megabyte.
const PICTURE: usize = 24_000;

/// Table of conditions, the worst first.
pub(super) fn slices(slices: &[ErrorSlice]) -> String {
    if slices.is_empty() {
        return String::new();
    }
    let digits = Digits::of(slices.iter().flat_map(|slice| [slice.error, slice.overall]));
    let intervals = slices.iter().take(SLICES).any(|slice| bounds(slice.interval).is_some());
    let mut head = vec![("condition", Cell::Words), ("rows", Cell::Number), ("mean error", Cell::Number)];
    if intervals {
        head.push(("95 % interval", Cell::Number));
    }
    head.extend([("of all rows", Cell::Number), ("times", Cell::Number)]);
    let rows = slices.iter().take(SLICES).map(|slice| {
        let mut row = vec![
            format!("<code class=\"wrap\"><bdi>{}</bdi></code>", escape(&cut(&slice.condition, 160))),
            count(slice.rows),
            digits.write(slice.error),
        ];
        if intervals {
            let range = bounds(slice.interval);
            row.push(
                range
                    .map(|(low, high)| format!("{} to {}", digits.write(low), digits.write(high)))
                    .unwrap_or_default(),
            );
        }
        row.extend([digits.write(slice.overall), Digits::After(1).write(slice.error / slice.overall)]);
        row
    });
    stacked_table(&head, rows) + &further(slices.len(), SLICES, "condition")
}

/// Gallery of the rows with the largest errors.
pub(super) fn worst(rows: &[WorstError], room: &mut Room) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let wide = rows.iter().any(|row| !matches!(row.content, WorstContent::Picture(_)));
    let cards: String = rows.iter().take(ROWS).map(|row| room.take(card(row))).collect();
    let class = if wide { "gallery wide" } else { "gallery" };
    format!("<div class=\"{class}\">{cards}</div>{}", further(rows.len(), ROWS, "row"))
}

fn card(row: &WorstError) -> String {
    let content = match &row.content {
        WorstContent::Picture(data) => picture(data, row),
        WorstContent::Text(text) => {
            format!("<blockquote dir=\"auto\">{}</blockquote>", escape(&cut(text, QUOTED)))
        }
        WorstContent::Columns(columns) => {
            let rows: String = columns
                .iter()
                .take(COLUMNS)
                .map(|(column, value)| {
                    format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", name(column), name(value))
                })
                .collect();
            format!("<table>{rows}</table>{}", further(columns.len(), COLUMNS, "column"))
        }
    };
    format!(
        "<figure class=\"error\">{content}<figcaption><span>target <b>{}</b></span> <span>predicted <b>{}</b></span> <span class=\"dim\">row {}, error {}</span></figcaption></figure>",
        name(&row.target),
        name(&row.predicted),
        count(row.row),
        label(row.error)
    )
}

/// Picture from Base64; anything else is not shown.
fn picture(data: &str, row: &WorstError) -> String {
    let encoded = !data.is_empty() && data.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    if !encoded {
        return dim("The picture is invalid.");
    }
    if data.len() > PICTURE {
        return dim("The picture is too large to be shown here.");
    }
    format!("<img src=\"data:image/png;base64,{data}\" alt=\"row {}\">", row.row)
}

#[cfg(test)]
mod tests {
    use super::{card, worst};
    use crate::document::{WorstContent, WorstError};
    use crate::page::markup::Room;

    fn row(content: WorstContent) -> WorstError {
        WorstError { row: 3, target: "<7>".into(), predicted: "\"1".into(), error: f64::NAN, content }
    }

    #[test]
    fn only_base64_becomes_a_picture() {
        assert!(
            card(&row(WorstContent::Picture("iVBORw0KGgo=".into())))
                .contains("data:image/png;base64,iVBORw0KGgo=")
        );
        for data in ["\" onerror=\"x", "", &"A".repeat(100_000)] {
            assert!(!card(&row(WorstContent::Picture(data.into()))).contains("<img"));
        }
    }

    #[test]
    fn rows_without_room_are_left_out() {
        let rows = vec![row(WorstContent::Text("x".repeat(1000))); 20];
        let mut room = Room::new(1500);
        assert!(worst(&rows, &mut room).len() < 5000 && room.full);
    }
}
