//! Named values one below the other, as bars or as dots, with whiskers.

use std::fmt::Write;

use super::ticks::{Ticks, drawable, range, width};
use super::{Axis, WIDTH, open};
use crate::text::{cut, escape, number};

/// Height of one row.
const ROW: f64 = 20.0;

/// Space at the right, for half a tick label.
const RIGHT: f64 = 16.0;

/// Room for the larger letters on a narrow screen.
const WIDER: f64 = 1.14;

/// Longest label in characters.
pub(crate) const LABEL: usize = 25;

/// Value with a name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Row {
    /// Name, cut where it is long.
    pub label: String,
    /// Value; a row without a finite one has only its name.
    pub value: f64,
    /// Bounds of the interval.
    pub interval: Option<(f64, f64)>,
}

/// Plot of named values.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Rows {
    /// Title, for readers of the screen.
    pub title: String,
    /// Axis of the values.
    pub axis: Axis,
    /// Values from top to bottom.
    pub values: Vec<Row>,
    /// `true` for bars from 0, else dots.
    pub bars: bool,
    /// Value of all rows together, drawn as a dashed line.
    pub reference: Option<f64>,
}

impl Rows {
    /// The drawing. Empty without a finite value.
    pub(crate) fn html(&self) -> String {
        if !self.values.iter().any(|row| drawable(row.value)) {
            return String::new();
        }
        let reference = self.reference.filter(|value| drawable(*value));
        let bounds =
            |row: &Row| row.interval.filter(|(low, high)| drawable(*low) && drawable(*high) && low <= high);
        let zero = self.bars.then_some(0.0);
        let (low, high) = range(
            self.values
                .iter()
                .flat_map(|row| {
                    let (low, high) = bounds(row).unzip();
                    [Some(row.value), low, high]
                })
                .chain([reference, zero])
                .flatten(),
        );
        // Bars stand on the axis if none goes to the left.
        let low = if self.bars && low > -(high - low) * 0.05 { 0.0 } else { low };
        let labels: Vec<String> = self.values.iter().map(|row| cut(&row.label, LABEL)).collect();
        let left = labels.iter().map(|label| width(label) * WIDER).fold(30.0, f64::max).min(180.0) + 10.0;
        let right = WIDTH - RIGHT;
        let (top, bottom) = (4.0, 4.0 + ROW * self.values.len() as f64);
        let across = |value: f64| left + (right - left) * (value - low) / (high - low);
        let room = (right - left) / (Ticks::new((low, high), 4, false).width() * 1.4 + 18.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
        let ticks = Ticks::new((low, high), (room as usize).clamp(1, 4), false);

        let mut svg = open(&self.title, bottom + 40.0);
        let mut grid = String::new();
        for (value, label) in &ticks.marks {
            let at = across(*value);
            let _ = write!(grid, "M{at:.1} {top}V{bottom}");
            let _ =
                write!(svg, "<text class=\"mid\" x=\"{at:.1}\" y=\"{:.1}\">{label}</text>", bottom + 15.0);
        }
        let _ = write!(
            svg,
            "<path class=\"grid\" d=\"{grid}\"/><path class=\"axis\" d=\"M{left:.1} {bottom}H{right}\"/>"
        );
        if let Some(value) = reference {
            let at = across(value);
            let _ = write!(svg, "<path class=\"reference\" d=\"M{at:.1} {top}V{bottom}\"/>");
        }
        for ((at, row), label) in self.values.iter().enumerate().zip(&labels) {
            let y = top + ROW * (at as f64 + 0.5);
            let whole = escape(&cut(&row.label, 200));
            let _ = write!(
                svg,
                "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}<title>{whole}</title></text>",
                left - 8.0,
                y + 3.8,
                escape(label)
            );
            if !drawable(row.value) {
                continue;
            }
            let (x, words) = (across(row.value), format!("<title>{whole}: {}</title>", number(row.value)));
            if self.bars {
                let zero = across(0.0_f64.clamp(low, high));
                let _ = write!(
                    svg,
                    "<rect class=\"bar\" x=\"{:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"12\">{words}</rect>",
                    x.min(zero),
                    y - 6.0,
                    (x - zero).abs()
                );
            }
            if let Some((low, high)) = bounds(row) {
                let _ = write!(
                    svg,
                    "<path class=\"span\" d=\"M{:.1} {y:.1}H{:.1}\"/>",
                    across(low),
                    across(high)
                );
            }
            if !self.bars {
                let _ =
                    write!(svg, "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\">{words}</circle>");
            }
        }
        let _ = write!(
            svg,
            "<text class=\"mid name\" x=\"{:.1}\" y=\"{:.1}\">{}</text></svg>",
            f64::midpoint(left, right),
            bottom + 34.0,
            escape(&cut(&self.axis.title, 60))
        );
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, Rows};
    use crate::plot::Axis;

    #[test]
    fn rows_of_any_values_are_finite() {
        let values = [f64::NAN, -1.0, 0.0, 3.0, 1e300];
        let row = |value: f64| Row { label: "<a>".into(), value, interval: Some((value, f64::INFINITY)) };
        for bars in [true, false] {
            let plot =
                Rows { axis: Axis::new("x"), values: values.map(row).to_vec(), bars, ..Rows::default() };
            let html = plot.html();
            assert!(html.contains("&lt;a&gt;") && !html.contains("NaN") && !html.contains("inf"), "{html}");
            let one = Rows { values: vec![row(f64::NAN)], bars, ..Rows::default() };
            assert_eq!(one.html(), "");
        }
    }
}
