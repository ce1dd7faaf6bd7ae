//! Confusion matrix: whole for a few classes, else of the classes that are confused most.

use super::markup::{Cell, dim, table};
use crate::document::ClassificationDetail;
use crate::text::{count, escape, name, percent, several};

/// Classes that the matrix shows.
const SHOWN: usize = 12;

/// Pairs in the table of the most frequent errors.
const PAIRS: usize = 10;

/// Matrix, and the most frequent pairs of target and wrong prediction. Empty without counts.
pub(super) fn confusion(detail: &ClassificationDetail) -> String {
    let counts = &detail.confusion;
    let classes = counts.len();
    if classes == 0 || counts.iter().flatten().all(|count| *count == 0) {
        return String::new();
    }
    let label = |at: usize| detail.classes.get(at).cloned().unwrap_or_else(|| at.to_string());
    let frequent = most_frequent(counts);
    let (shown, note) = if classes <= SHOWN {
        ((0..classes).collect(), String::new())
    } else {
        let note = dim(&format!(
            "The {SHOWN} classes with the most errors, of {}; all others are one.",
            several(classes as u64, "class")
        ));
        (most_confused(counts), note)
    };
    let mut html = format!("{note}<div class=\"beside\"><div>{}</div>", matrix(counts, &shown, &label));
    if classes > 2 && !frequent.is_empty() {
        html += "<div><h4>Most frequent errors</h4>";
        let head = [
            ("target", Cell::Words),
            ("predicted", Cell::Words),
            ("rows", Cell::Number),
            ("share", Cell::Number),
        ];
        html += &table(
            &head,
            frequent.iter().map(|(target, predicted, rows)| {
                let all: u64 = counts[*target].iter().sum();
                vec![
                    name(&label(*target)),
                    name(&label(*predicted)),
                    count(*rows),
                    percent(*rows as f64 / all as f64),
                ]
            }),
        );
        let (all, rows) = pairs(counts).fold((0, 0), |(all, sum), pair| (all + 1, sum + pair.2));
        let left = all - frequent.len();
        if left > 0 {
            let shown: u64 = frequent.iter().map(|pair| pair.2).sum();
            let rows = several(rows - shown, "row");
            html += &dim(&format!("And {} with {rows} together.", several(left as u64, "further pair")));
        }
        html += "</div>";
    }
    html + "</div>"
}

/// Target, wrong prediction and rows of each pair that occurs.
fn pairs(counts: &[Vec<u64>]) -> impl Iterator<Item = (usize, usize, u64)> {
    counts
        .iter()
        .enumerate()
        .flat_map(|(target, row)| {
            row.iter().enumerate().map(move |(predicted, rows)| (target, predicted, *rows))
        })
        .filter(|(target, predicted, rows)| target != predicted && *rows > 0)
}

/// The most frequent pairs in descending order, without sorting the million pairs of 1,000 classes.
fn most_frequent(counts: &[Vec<u64>]) -> Vec<(usize, usize, u64)> {
    let rank = |pair: &(usize, usize, u64)| (std::cmp::Reverse(pair.2), pair.0, pair.1);
    let mut found: Vec<_> = pairs(counts).collect();
    if found.len() > PAIRS {
        found.select_nth_unstable_by_key(PAIRS, rank);
        found.truncate(PAIRS);
    }
    found.sort_unstable_by_key(rank);
    found
}

/// Classes with the most errors as target or prediction, in their order.
fn most_confused(counts: &[Vec<u64>]) -> Vec<usize> {
    let mut errors: Vec<(u64, usize)> = (0..counts.len()).map(|at| (0, at)).collect();
    for (target, predicted, rows) in pairs(counts) {
        errors[target].0 += rows;
        if let Some(error) = errors.get_mut(predicted) {
            error.0 += rows;
        }
    }
    errors.sort_by_key(|(rows, at)| (std::cmp::Reverse(*rows), *at));
    let mut shown: Vec<usize> = errors.into_iter().take(SHOWN).map(|(_, at)| at).collect();
    shown.sort_unstable();
    shown
}

/// Table with a shade for each share of the target's rows. Classes that are not shown are the last row and column.
fn matrix(counts: &[Vec<u64>], shown: &[usize], label: &dyn Fn(usize) -> String) -> String {
    let rest = shown.len() < counts.len();
    let size = shown.len() + usize::from(rest);
    let place = |class: usize| shown.binary_search(&class).unwrap_or(shown.len());
    let mut cells = vec![vec![0_u64; size]; size];
    for (target, row) in counts.iter().enumerate() {
        for (predicted, rows) in row.iter().enumerate() {
            if let Some(cell) = cells[place(target)].get_mut(place(predicted)) {
                *cell += rows;
            }
        }
    }
    let title =
        |at: usize| shown.get(at).map_or_else(|| "<i>others</i>".to_owned(), |class| name(&label(*class)));
    let plain = |at: usize| shown.get(at).map_or_else(|| "others".to_owned(), |class| label(*class));
    let mut html = String::from(
        "<div class=\"scroll\" tabindex=\"0\"><table class=\"confusion\"><thead><tr><th class=\"corner\" scope=\"col\">target ↓<br>predicted →</th>",
    );
    for at in 0..size {
        html += &format!("<th scope=\"col\"><span>{}</span></th>", title(at));
    }
    html += "</tr></thead><tbody>";
    for (at, row) in cells.iter().enumerate() {
        let all: u64 = row.iter().sum();
        html += &format!("<tr><th scope=\"row\">{}</th>", title(at));
        for (other, rows) in row.iter().enumerate() {
            let share = if all == 0 { 0.0 } else { *rows as f64 / all as f64 };
            let class = if at == other { "right" } else { "wrong" };
            // Text on the dark shades is light.
            let strong = if share > 0.55 { " strong" } else { "" };
            let words = format!(
                "{} of {} predicted as {}: {}",
                escape(&crate::text::cut(&plain(at), 60)),
                several(all, "row"),
                escape(&crate::text::cut(&plain(other), 60)),
                percent(share)
            );
            let shown = if *rows == 0 { "<span class=\"dim\">0</span>".to_owned() } else { count(*rows) };
            html += &format!(
                "<td class=\"{class}{strong}\" style=\"--v:{:.0}%\" title=\"{words}\">{shown}</td>",
                (share.sqrt() * 100.0).round()
            );
        }
        html += "</tr>";
    }
    html + "</tbody></table></div>" + &dim("Shades are shares of the target's rows.")
}

#[cfg(test)]
mod tests {
    use super::{confusion, most_confused};
    use crate::document::ClassificationDetail;

    #[test]
    fn many_classes_become_few_and_lose_no_row() {
        let classes = 300;
        let mut counts = vec![vec![0; classes]; classes];
        for (at, row) in counts.iter_mut().enumerate() {
            row[at] = 10;
        }
        counts[250][7] = 1234;
        counts[7][9] = 5;
        assert!(most_confused(&counts).contains(&250));
        let names = (0..classes).map(|at| format!("class {at}")).collect();
        let html =
            confusion(&ClassificationDetail { classes: names, confusion: counts, ..Default::default() });
        assert!(html.contains("1,234") && html.contains("class 250") && html.contains("of 300 classes"));
        // All rows of classes that are not shown stand in the corner.
        assert!(html.contains(&format!(">{}<", crate::text::count((classes as u64 - 12) * 10))), "{html}");
        assert!(html.len() < 60_000, "{}", html.len());
    }

    #[test]
    fn ragged_counts_are_no_danger() {
        let detail = ClassificationDetail { confusion: vec![vec![1, 2, 3], vec![4]], ..Default::default() };
        assert!(confusion(&detail).contains("confusion"));
    }
}
