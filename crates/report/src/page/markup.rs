//! Building blocks of the page. Cells and bodies are HTML; names from the data pass through [`crate::text`] before.

use crate::text::escape;

/// Content of a table's column, which decides how it is aligned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// Text, to the left.
    Words,
    /// Numbers, to the right.
    Number,
    /// A small plot.
    Plot,
}

/// Bytes that are left for the page.
#[derive(Debug)]
pub(crate) struct Room {
    left: usize,
    /// `true` once something did not fit.
    pub full: bool,
}

impl Room {
    /// Room of `bytes`.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { left: bytes, full: false }
    }

    /// The HTML if it fits, else a sentence in its place.
    pub(crate) fn take(&mut self, html: String) -> String {
        let html = if html.len() <= self.left {
            html
        } else {
            self.full = true;
            dim("Left out: the page would be larger than 2 MB. <code>metrics.json</code> has the numbers.")
        };
        self.left = self.left.saturating_sub(html.len());
        html
    }
}

/// Table that scrolls inside its box. The script sorts it by a click on its head.
pub(crate) fn table(head: &[(&str, Cell)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    classed("", head, rows)
}

/// Table of metrics and their intervals, which fits the width of a phone.
pub(crate) fn metric_table(head: &[(&str, Cell)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    classed(" class=\"metrics\"", head, rows)
}

/// Table of many columns, whose names may take two lines.
pub(crate) fn tight_table(head: &[(&str, Cell)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    classed(" class=\"tight\"", head, rows)
}

/// Table whose first column is a line of its own on a phone, above the others.
pub(crate) fn stacked_table(head: &[(&str, Cell)], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let below = head.len().saturating_sub(1);
    classed(&format!(" class=\"stack\" style=\"--n:{below}\""), head, rows)
}

fn classed(
    class_of_table: &str,
    head: &[(&str, Cell)],
    rows: impl IntoIterator<Item = Vec<String>>,
) -> String {
    let class = |cell: Cell| match cell {
        Cell::Words => "",
        Cell::Number => " class=\"n\"",
        Cell::Plot => " class=\"p\"",
    };
    let mut html = format!("<div class=\"scroll\" tabindex=\"0\"><table{class_of_table}><thead><tr>");
    for (title, cell) in head {
        html += &format!("<th scope=\"col\"{}>{title}</th>", class(*cell));
    }
    html += "</tr></thead><tbody>";
    for row in rows {
        html += "<tr>";
        for (at, (text, (_, cell))) in row.iter().zip(head).enumerate() {
            html += &match at {
                0 => format!("<th scope=\"row\"{}>{text}</th>", class(*cell)),
                _ => format!("<td{}>{text}</td>", class(*cell)),
            };
        }
        html += "</tr>";
    }
    html + "</tbody></table></div>"
}

/// Plot with its title and an optional sentence below.
pub(crate) fn figure(title: &str, plot: &str, note: &str) -> String {
    let note = if note.is_empty() { String::new() } else { dim(note) };
    format!("<figure><figcaption>{}</figcaption>{plot}{note}</figure>", escape(title))
}

/// Figures side by side; nothing without any.
pub(crate) fn grid(figures: &[String]) -> String {
    let all = figures.concat();
    if all.is_empty() { all } else { format!("<div class=\"grid\">{all}</div>") }
}

/// Heading and body; nothing without a body.
pub(crate) fn part(title: &str, body: &str) -> String {
    if body.is_empty() { String::new() } else { format!("<h3>{}</h3>{body}", escape(title)) }
}

/// Quiet sentence.
pub(crate) fn dim(html: &str) -> String {
    format!("<p class=\"dim\">{html}</p>")
}

/// Definitions, such as facts about the model.
pub(crate) fn facts(pairs: &[(String, String)]) -> String {
    let rows: String = pairs.iter().map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>")).collect();
    if rows.is_empty() { rows } else { format!("<dl>{rows}</dl>") }
}

/// Number of things to show of `all`: at most `most`, and one more rather than a sentence about a single one.
pub(crate) fn fitting(all: usize, most: usize) -> usize {
    if all == most + 1 { all } else { all.min(most) }
}

/// Sentence about things that are not shown; empty if all are.
pub(crate) fn further(all: usize, shown: usize, what: &str) -> String {
    match all.saturating_sub(shown) {
        0 => String::new(),
        left => dim(&format!("And {}.", crate::text::several(left as u64, &format!("further {what}")))),
    }
}
