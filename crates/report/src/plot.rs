//! Plots as SVG that takes its colours from the style sheet of the page, so that they follow light and dark mode.
//!
//! The drawing is 400 units wide and scales with its box. Coordinates have one digit after the point, series are one path
//! each, and legends are HTML; a plot has about 2 kB.

mod frame;
mod rows;
mod ticks;

pub(crate) use rows::{LABEL, Row, Rows};

use crate::text::escape;

/// Width of a drawing.
const WIDTH: f64 = 400.0;

/// Height of a drawing with two numeric axes.
const HEIGHT: f64 = 250.0;

/// Points that one series draws; more are thinned evenly.
const POINTS: usize = 500;

/// Number of colours; series beyond begin again.
const COLOURS: usize = 6;

/// Axis of numbers.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Axis {
    /// Name with unit.
    pub title: String,
    /// Fixed range; `None` for that of the data.
    pub range: Option<(f64, f64)>,
    /// `true` for an axis that begins at 0 if no value is below.
    pub from_zero: bool,
    /// `true` for ticks at whole numbers only.
    pub whole: bool,
    /// `true` if the coordinates are decimal logarithms of the numbers, which are those beside the ticks.
    pub log: bool,
    /// Names at 0, 1, 2 and so on, in place of numbers; empty for none.
    pub names: Vec<String>,
}

impl Axis {
    /// Axis with the range of the data.
    pub(crate) fn new(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Axis of categories, each with room for bars around its tick: named where the names fit beside each other, else
    /// numbered from 1.
    pub(crate) fn categories(title: impl Into<String>, names: &[String]) -> Self {
        let count = names.len().max(1) as f64;
        let fit = frame::names_fit(names);
        let number = |(at, name): (usize, &String)| if fit { name.clone() } else { (at + 1).to_string() };
        Self {
            range: Some((-0.5, count - 0.5)),
            names: names.iter().enumerate().map(number).collect(),
            ..Self::new(title)
        }
    }

    /// Axis of shares, from 0 to 1.
    pub(crate) fn share(title: impl Into<String>) -> Self {
        Self { range: Some((0.0, 1.0)), ..Self::new(title) }
    }

    /// Axis of counts, from 0.
    pub(crate) fn counts(title: impl Into<String>) -> Self {
        Self { from_zero: true, whole: true, ..Self::new(title) }
    }
}

/// Shape of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Points connected by a line.
    Line,
    /// A dot at each point.
    Dots,
    /// Filled stairs: `x` is the left border of a step, and the last point only ends it.
    Stairs,
    /// Dashed line of reference without an entry in the legend.
    Reference,
    /// One large dot, such as the threshold in use.
    Mark,
    /// Filled area around which the points go.
    Band,
}

/// Points of one colour.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Series {
    /// Entry in the legend; empty for none.
    pub label: String,
    /// Coordinates. Those that are infinite or NaN are left out.
    pub points: Vec<(f64, f64)>,
    /// Shape.
    pub shape: Shape,
    /// Number of the colour.
    pub colour: usize,
}

impl Series {
    /// Series of a shape and colour.
    pub(crate) fn new(
        label: impl Into<String>,
        points: Vec<(f64, f64)>,
        shape: Shape,
        colour: usize,
    ) -> Self {
        Self { label: label.into(), points, shape, colour }
    }
}

/// Plot with two numeric axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Plot {
    /// Title, for readers of the screen.
    pub title: String,
    /// Horizontal axis.
    pub x: Axis,
    /// Vertical axis.
    pub y: Axis,
    /// Series, the last on top.
    pub series: Vec<Series>,
}

impl Plot {
    /// Legend, if more than one series has a label, and drawing as HTML. Empty without a point.
    pub(crate) fn html(&self) -> String {
        let shown =
            |series: &Series| series.shape != Shape::Reference && !frame::drawn(&series.points).is_empty();
        if !self.series.iter().any(shown) {
            return String::new();
        }
        let labelled: Vec<_> = self.series.iter().filter(|s| !s.label.is_empty()).collect();
        let mut legend = String::new();
        if labelled.len() > 1 || labelled.iter().any(|series| series.shape == Shape::Mark) {
            legend += "<p class=\"legend\">";
            for series in labelled {
                legend += &format!("<span>{}{}</span>", key(series), crate::text::name(&series.label));
            }
            legend += "</p>";
        }
        legend + &frame::draw(self)
    }
}

/// Small sample of a series for the legend.
fn key(series: &Series) -> String {
    let class = series.colour % COLOURS;
    let shape = match series.shape {
        Shape::Line | Shape::Reference => format!("<path class=\"line c{class}\" d=\"M1 6H25\"/>"),
        Shape::Dots => format!("<circle class=\"mark c{class}\" cx=\"13\" cy=\"6\" r=\"3\"/>"),
        Shape::Stairs => format!("<path class=\"stairs c{class}\" d=\"M5 1H21V11H5Z\"/>"),
        Shape::Mark => format!("<circle class=\"mark c{class}\" cx=\"13\" cy=\"6\" r=\"4.5\"/>"),
        Shape::Band => format!("<path class=\"band c{class}\" d=\"M1 1H25V11H1Z\"/>"),
    };
    format!("<svg class=\"key\" viewBox=\"0 0 26 12\" aria-hidden=\"true\">{shape}</svg>")
}

/// Opening tag of a drawing with its label.
fn open(title: &str, height: f64) -> String {
    let title = escape(title);
    format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" aria-label=\"{title}\"><title>{title}</title>"
    )
}

#[cfg(test)]
mod tests {
    use super::{Axis, Plot, Series, Shape};

    fn plot(points: Vec<(f64, f64)>, shape: Shape) -> Plot {
        Plot {
            title: "a \"plot\" <b>".into(),
            x: Axis::new("x"),
            y: Axis::new("y & z"),
            series: vec![Series::new("s", points, shape, 7)],
        }
    }

    #[test]
    fn nothing_infinite_reaches_the_drawing() {
        let odd = [f64::NAN, f64::INFINITY, -1e308, 1e308, 0.0, 1e-320, 1.0];
        let points: Vec<(f64, f64)> = odd.iter().flat_map(|x| odd.iter().map(|y| (*x, *y))).collect();
        for shape in [Shape::Line, Shape::Dots, Shape::Stairs, Shape::Mark, Shape::Band] {
            let html = plot(points.clone(), shape).html();
            assert!(html.contains("<svg class=\"plot\""), "{html}");
            for word in ["NaN", "inf", "<b>", "a \"plot"] {
                assert!(!html.contains(word), "{word} in {html}");
            }
        }
    }

    #[test]
    fn a_plot_without_points_is_nothing() {
        assert_eq!(plot(vec![(f64::NAN, 1.0)], Shape::Line).html(), "");
        assert_eq!(plot(vec![(0.0, 0.0), (1.0, 1.0)], Shape::Reference).html(), "");
    }

    #[test]
    fn many_points_are_thinned() {
        let points = (0..100_000).map(|at| (f64::from(at), f64::from(at % 97))).collect();
        assert!(plot(points, Shape::Dots).html().len() < 12_000);
    }
}
