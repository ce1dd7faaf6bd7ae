//! Ranges of axes and the numbers beside them.

use crate::text::{Digits, label};

/// Largest magnitude that is drawn; beyond it differences could overflow.
const LARGEST: f64 = 1e150;

/// `true` for a number that a plot can show.
pub(super) fn drawable(value: f64) -> bool {
    value.is_finite() && value.abs() < LARGEST
}

/// Range from the smallest to the largest of the values with a margin, or around a single value.
pub(super) fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values
        .filter(|value| drawable(*value))
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    if low > high {
        return (0.0, 1.0);
    }
    // Values that differ by rounding only would have the same labels everywhere.
    let width = high - low;
    if width <= low.abs().max(high.abs()) * 1e-9 {
        let around = if high == 0.0 { 1.0 } else { high.abs() * 0.1 };
        return (low - around, high + around);
    }
    (low - width * 0.04, high + width * 0.04)
}

/// Numbers of an axis at multiples of 1, 2 or 5 times a power of ten, and their labels.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Ticks {
    /// Values and labels, ascending.
    pub marks: Vec<(f64, String)>,
}

impl Ticks {
    /// About `most` ticks inside the range, at most a third more; whole numbers only if `whole`.
    pub(super) fn new((low, high): (f64, f64), most: usize, whole: bool) -> Self {
        let rough = (high - low) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let factor =
            [1.0, 2.0, 5.0].into_iter().find(|factor| factor * power >= rough * 0.75).unwrap_or(10.0);
        let step = if whole { (factor * power).max(1.0) } else { factor * power };
        if !(step.is_finite() && step > 0.0) {
            return Self { marks: Vec::new() };
        }
        let first = (low / step - 1e-9).ceil();
        let last = (high / step + 1e-9).floor();
        let largest = low.abs().max(high.abs());
        let marks = (0..=most * 2)
            .map(|at| first + at as f64)
            .take_while(|index| *index <= last)
            // Adding 0 turns -0 into 0.
            .map(|index| index * step + 0.0)
            .map(|value| (value, if value == 0.0 { "0".to_owned() } else { written(value, largest, step) }))
            .collect();
        Self { marks }
    }

    /// About `most` ticks of an axis of decimal logarithms: powers of ten, those and their multiples by 2 and 5 where the range
    /// is short, or evenly spaced numbers where it is shorter.
    #[allow(clippy::cast_possible_truncation, reason = "powers of ten from -300 to 300")]
    pub(super) fn log((low, high): (f64, f64), most: usize) -> Self {
        let numbers = |factors: &[f64]| -> Vec<f64> {
            // A range of 300 powers and more has none that a plot can show.
            let powers = (low.max(-300.0).floor() as i32)..=(high.min(300.0).floor() as i32);
            let all = powers.flat_map(|power| factors.iter().map(move |factor| factor * 10_f64.powi(power)));
            all.filter(|number| (low - 1e-9..=high + 1e-9).contains(&number.log10())).collect()
        };
        let mut found = numbers(&[1.0, 2.0, 5.0]);
        if found.len() < 2 {
            let even = Self::new((10_f64.powf(low), 10_f64.powf(high)), most, false).marks.into_iter();
            let marks = even.map(|(value, label)| (value.log10(), label));
            return Self { marks: marks.filter(|(at, _)| at.is_finite()).collect() };
        }
        if found.len() > most {
            let powers = numbers(&[1.0]);
            let every = powers.len().div_ceil(most.max(1)).max(1);
            if powers.len() > 1 {
                found = powers.into_iter().step_by(every).collect();
            }
        }
        Self { marks: found.into_iter().map(|number| (number.log10(), label(number))).collect() }
    }

    /// Width of the widest label in the units of the drawing, at the size of the tick labels.
    pub(super) fn width(&self) -> f64 {
        self.marks.iter().map(|(_, label)| width(label)).fold(0.0, f64::max)
    }
}

/// Number with those digits in which ticks a step apart differ.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 15")]
fn written(value: f64, largest: f64, step: f64) -> String {
    if largest >= 1e8 || step < 1e-5 {
        let digits = (value.abs().log10() + 1e-9).floor() - (step.log10() + 1e-9).floor();
        return format!("{value:.*e}", digits.clamp(0.0, 15.0) as usize);
    }
    Digits::After((-step.log10() - 1e-9).ceil().max(0.0) as usize).write(value)
}

/// Estimated width of a text at the size of the tick labels.
pub(super) fn width(text: &str) -> f64 {
    text.chars().map(|c| if c.is_ascii() { 6.2 } else { 8.5 }).sum()
}

#[cfg(test)]
mod tests {
    use super::{Ticks, range};

    fn labels(low: f64, high: f64, most: usize) -> Vec<String> {
        Ticks::new((low, high), most, false).marks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_numbers_inside_the_range() {
        assert_eq!(labels(0.0, 1.0, 5), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(-30.0, 30.0, 4), ["-20", "0", "20"]);
        assert_eq!(labels(0.0, 19_000.0, 4), ["0", "5,000", "10,000", "15,000"]);
        assert_eq!(labels(0.0, 3e9, 3), ["0", "1e9", "2e9", "3e9"]);
        assert_eq!(labels(1.7e9, 1.7e9 + 40.0, 2), ["1.70000000e9", "1.70000002e9", "1.70000004e9"]);
        assert_eq!(labels(0.0, 2e7, 2), ["0", "10,000,000", "20,000,000"]);
        assert_eq!(Ticks::new((0.0, 1.0), 5, true).marks.len(), 2);
    }

    #[test]
    fn logarithmic_axes_show_the_numbers() {
        let labels = |low: f64, high: f64, most: usize| -> Vec<String> {
            let marks = Ticks::log((low.log10(), high.log10()), most).marks;
            marks.into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(9e-4, 0.11, 5), ["0.001", "0.01", "0.1"]);
        assert_eq!(labels(1.5, 60.0, 5), ["2", "5", "10", "20", "50"]);
        assert_eq!(labels(1e-6, 1e4, 5), ["1e-6", "0.001", "1", "1,000"]);
        assert_eq!(labels(20.0, 24.0, 5), ["20", "21", "22", "23", "24"]);
        assert!(Ticks::log((-4.0, f64::NAN), 5).marks.len() <= 11);
        assert!(Ticks::log((-1e149, 1e149), 5).marks.len() <= 11);
    }

    #[test]
    fn any_range_has_few_ticks() {
        for (low, high) in
            [(1e15, 1e15 + 2.0), (-1e149, 1e149), (0.0, 1e-300), (1.0, 1.0), (f64::NAN, 1.0), (2.0, 1.0)]
        {
            assert!(Ticks::new((low, high), 5, false).marks.len() <= 11, "{low} to {high}");
        }
    }

    #[test]
    fn ranges_leave_out_what_cannot_be_drawn() {
        assert_eq!(range([].into_iter()), (0.0, 1.0));
        assert_eq!(range([5.0, f64::NAN].into_iter()), (4.5, 5.5));
        assert_eq!(range([0.0, f64::INFINITY, 1e200, 100.0].into_iter()), (-4.0, 104.0));
        assert_eq!(range([0.0].into_iter()), (-1.0, 1.0));
    }
}
