//! Axes, grid and series of a plot with two numeric axes.

use std::fmt::Write;

use super::ticks::{Ticks, drawable, range, width};
use super::{Axis, COLOURS, HEIGHT, POINTS, Plot, Series, Shape, WIDTH, open};
use crate::text::escape;

/// Space at the top, for half a tick label.
const TOP: f64 = 8.0;

/// Space at the right, for half a tick label.
const RIGHT: f64 = 16.0;

/// Space below, for tick labels and the name of the axis.
const BELOW: f64 = 40.0;

/// Points that can be drawn, at most [`POINTS`] of them. The last one is kept.
pub(super) fn drawn(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let all: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| drawable(*x) && drawable(*y)).collect();
    if all.len() <= POINTS {
        return all;
    }
    (0..POINTS).map(|at| all[at * (all.len() - 1) / (POINTS - 1)]).collect()
}

/// `true` if names fit beside each other below the axis of a plot whose vertical axis has short labels.
pub(super) fn names_fit(names: &[String]) -> bool {
    let room = (WIDTH - RIGHT - 60.0) / names.len().max(1) as f64;
    names.iter().all(|name| width(name) + 6.0 <= room)
}

/// Map from values to the drawing.
struct Frame {
    left: f64,
    x: (f64, f64),
    y: (f64, f64),
}

impl Frame {
    fn across(&self, value: f64) -> f64 {
        self.left + (WIDTH - RIGHT - self.left) * (value - self.x.0) / (self.x.1 - self.x.0)
    }

    fn down(&self, value: f64) -> f64 {
        (HEIGHT - BELOW) - (HEIGHT - BELOW - TOP) * (value - self.y.0) / (self.y.1 - self.y.0)
    }
}

/// Drawing of a plot.
pub(super) fn draw(plot: &Plot) -> String {
    let series: Vec<(&Series, Vec<(f64, f64)>)> =
        plot.series.iter().map(|series| (series, drawn(&series.points))).collect();
    let x = axis_range(&plot.x, series.iter().flat_map(|(_, points)| points.iter().map(|point| point.0)));
    let y = axis_range(&plot.y, series.iter().flat_map(|(_, points)| points.iter().map(|point| point.1)));
    let vertical = ticks(&plot.y, y, 5);
    let left = (vertical.width() + 30.0).min(130.0);
    // As many labels as have room beside each other.
    let (low, high) = (ticks(&plot.x, x, 5).width(), WIDTH - RIGHT - left);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few")]
    let horizontal = ticks(&plot.x, x, ((high / (low * 1.4 + 18.0)) as usize).clamp(1, 5));
    let frame = Frame { left, x, y };
    let mut svg = open(&plot.title, HEIGHT);
    axes(&mut svg, &frame, plot, &horizontal, &vertical);
    for (series, points) in &series {
        shape(&mut svg, &frame, series, points);
    }
    svg + "</svg>"
}

fn ticks(axis: &Axis, range: (f64, f64), most: usize) -> Ticks {
    if !axis.names.is_empty() {
        let marks = axis.names.iter().enumerate().map(|(at, name)| (at as f64, escape(name)));
        return Ticks { marks: marks.collect() };
    }
    if axis.log { Ticks::log(range, most) } else { Ticks::new(range, most, axis.whole) }
}

fn axis_range(axis: &Axis, values: impl Iterator<Item = f64>) -> (f64, f64) {
    if let Some(fixed) = axis.range.filter(|(low, high)| drawable(*low) && drawable(*high) && low < high) {
        return fixed;
    }
    let mut smallest = f64::INFINITY;
    let (low, high) = range(values.inspect(|value| smallest = smallest.min(*value)));
    if axis.from_zero && smallest >= 0.0 { (0.0, high.max(f64::MIN_POSITIVE * 1e9)) } else { (low, high) }
}

fn axes(svg: &mut String, frame: &Frame, plot: &Plot, horizontal: &Ticks, vertical: &Ticks) {
    let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BELOW);
    let mut grid = String::new();
    for (value, label) in &vertical.marks {
        let at = frame.down(*value);
        let _ = write!(grid, "M{:.1} {at:.1}H{right}", frame.left);
        let _ = write!(
            svg,
            "<text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{label}</text>",
            frame.left - 6.0,
            at + 3.8
        );
    }
    for (value, label) in &horizontal.marks {
        let at = frame.across(*value);
        let _ = write!(grid, "M{at:.1} {TOP}V{bottom}");
        // A label never leaves the drawing.
        let half = width(label) / 2.0;
        let middle = at.clamp(half.min(WIDTH / 2.0), (WIDTH - half).max(WIDTH / 2.0));
        let _ =
            write!(svg, "<text class=\"mid\" x=\"{middle:.1}\" y=\"{:.1}\">{label}</text>", bottom + 15.0);
    }
    let _ = write!(svg, "<path class=\"grid\" d=\"{grid}\"/>");
    let _ = write!(svg, "<path class=\"axis\" d=\"M{:.1} {TOP}V{bottom}H{right}\"/>", frame.left);
    let _ = write!(
        svg,
        "<text class=\"mid name\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        f64::midpoint(frame.left, right),
        HEIGHT - 6.0,
        escape(&crate::text::cut(&plot.x.title, 60))
    );
    let (middle, title) = (f64::midpoint(TOP, bottom), escape(&crate::text::cut(&plot.y.title, 34)));
    let _ = write!(
        svg,
        "<text class=\"mid name\" x=\"12\" y=\"{middle:.1}\" transform=\"rotate(-90 12 {middle:.1})\">{title}</text>"
    );
}

fn shape(svg: &mut String, frame: &Frame, series: &Series, points: &[(f64, f64)]) {
    // A fixed range may leave points outside.
    let inside = |value: f64, (low, high): (f64, f64)| {
        let margin = (high - low) * 0.001;
        value >= low - margin && value <= high + margin
    };
    let colour = series.colour % COLOURS;
    let mut path = String::new();
    match series.shape {
        Shape::Line | Shape::Reference if points.len() == 1 => {
            shape(svg, frame, &Series { shape: Shape::Mark, ..series.clone() }, points);
        }
        Shape::Line | Shape::Reference => {
            for (at, (x, y)) in points.iter().enumerate() {
                let command = if at == 0 { 'M' } else { 'L' };
                let _ = write!(
                    path,
                    "{command}{:.1} {:.1}",
                    frame.across(x.clamp(frame.x.0, frame.x.1)),
                    frame.down(y.clamp(frame.y.0, frame.y.1))
                );
            }
            let class =
                if series.shape == Shape::Line { format!("line c{colour}") } else { "reference".to_owned() };
            let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
        }
        Shape::Dots => {
            for (x, y) in points.iter().filter(|(x, y)| inside(*x, frame.x) && inside(*y, frame.y)) {
                // A line of no length with round ends is a dot.
                let _ = write!(path, "M{:.1} {:.1}h0", frame.across(*x), frame.down(*y));
            }
            let _ = write!(svg, "<path class=\"dots c{colour}\" d=\"{path}\"/>");
        }
        Shape::Stairs => {
            let base = frame.down(frame.y.0.max(0.0).min(frame.y.1));
            for (at, (x, y)) in points.iter().enumerate() {
                let x = frame.across(*x);
                match (at, at + 1 == points.len()) {
                    (0, _) => drop(write!(path, "M{x:.1} {base:.1}V{:.1}", frame.down(*y))),
                    (_, false) => drop(write!(path, "H{x:.1}V{:.1}", frame.down(*y))),
                    (_, true) => drop(write!(path, "H{x:.1}V{base:.1}")),
                }
            }
            let _ = write!(svg, "<path class=\"stairs c{colour}\" d=\"{path}\"/>");
        }
        Shape::Band => {
            for (at, (x, y)) in points.iter().enumerate() {
                let command = if at == 0 { 'M' } else { 'L' };
                let (x, y) = (x.clamp(frame.x.0, frame.x.1), y.clamp(frame.y.0, frame.y.1));
                let _ = write!(path, "{command}{:.1} {:.1}", frame.across(x), frame.down(y));
            }
            let _ = write!(svg, "<path class=\"band c{colour}\" d=\"{path}Z\"/>");
        }
        Shape::Mark => {
            for (x, y) in points.iter().filter(|(x, y)| inside(*x, frame.x) && inside(*y, frame.y)) {
                let _ = write!(
                    svg,
                    "<circle class=\"mark c{colour}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4.5\"><title>{}</title></circle>",
                    frame.across(*x),
                    frame.down(*y),
                    escape(&crate::text::cut(&series.label, 60))
                );
            }
        }
    }
}
