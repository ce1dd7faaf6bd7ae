use cupola_spec::Run;
use indexmap::IndexMap;

use super::*;
use crate::{Column, PredictedValue, SplitPart, examples_with_targets, prepare};

const CONFIG: &str = r#"
name = "t"
[data]
source = "t.csv"
[split]
valid = 0.2
test = 0.3
[[inputs]]
name = "y"
kind = "series"
columns = ["x", "y"]
window = 3
[[targets]]
name = "y"
kind = "forecast"
horizon = 2
[model]
family = "dlinear"
kernel = 3
"#;

fn run() -> Run {
    cupola_spec::parse("t.toml", CONFIG, &[], &|_: &str| Err(String::new())).unwrap()
}

/// `y` counts up from 0 and `x` down; row `gap` of `y` is missing.
fn table(rows: u32, gap: Option<usize>) -> Frame {
    let numbers = |values: Vec<f64>| Column::numbers(values);
    let mut y: Vec<f64> = (0..rows).map(f64::from).collect();
    if let Some(gap) = gap {
        y[gap] = f64::NAN;
    }
    let x = (0..rows).map(|row| -f64::from(row)).collect();
    let columns = [("x".to_owned(), numbers(x)), ("y".to_owned(), numbers(y))];
    Frame::new(columns.into_iter().collect::<IndexMap<_, _>>())
}

/// Values of `y` in the window and in the target of each example, unscaled.
fn windows(plan: &Plan, part: &ExamplesWithTargets) -> Vec<(Vec<i64>, Vec<i64>)> {
    let Targets::Vector { values, .. } = part.targets.first() else { panic!("no vectors") };
    let units = |scaled: &[f32]| -> Vec<i64> {
        match plan.targets.first().decode(scaled, &[]).value {
            #[allow(clippy::cast_possible_truncation)]
            PredictedValue::Numbers(values) => values.iter().map(|v| v.round() as i64).collect(),
            _ => panic!("no forecast"),
        }
    };
    let window = |row: &[f32]| units(&row.iter().skip(1).step_by(2).copied().collect::<Vec<_>>());
    part.examples.dense.chunks(6).zip(values.chunks(2)).map(|(x, y)| (window(x), units(y))).collect()
}

fn sorted(mut windows: Vec<(Vec<i64>, Vec<i64>)>) -> Vec<(Vec<i64>, Vec<i64>)> {
    windows.sort();
    windows
}

#[test]
fn targets_of_a_window_lie_in_one_split_and_its_inputs_before_them() {
    // 20 rows: 10 for train, 4 for valid, 6 for test.
    let made = prepare(&run(), &table(20, None), None, None).unwrap();
    let of = |part| sorted(windows(&made.plan, &made.part(part).memory().unwrap()));
    let expected = |ends: std::ops::RangeInclusive<i64>| -> Vec<_> {
        ends.map(|end| (vec![end - 2, end - 1, end], vec![end + 1, end + 2])).collect()
    };
    assert_eq!(of(SplitPart::Train), expected(2..=7));
    assert_eq!(of(SplitPart::Valid), expected(9..=11));
    assert_eq!(of(SplitPart::Test), expected(13..=17));
    // The scaling is fitted to train, whose mean is 4.5.
    let FittedTarget::Forecast { shift, channel, naive, .. } = *made.plan.targets.first() else { panic!() };
    assert!((shift - 4.5).abs() < 1e-12 && channel == Some(1) && naive == Some(1.0));
}

#[test]
fn a_gap_is_filled_in_windows_and_never_learned_as_a_target() {
    let made = prepare(&run(), &table(20, Some(5)), None, None).unwrap();
    let train = sorted(windows(&made.plan, &made.part(SplitPart::Train).memory().unwrap()));
    assert!(train.iter().all(|(_, ahead)| !ahead.contains(&5)), "{train:?}");
    assert!(train.contains(&(vec![4, 4, 6], vec![7, 8])), "{train:?}");
}

#[test]
fn rows_without_a_future_have_windows_and_short_tables_are_rejected() {
    let made = prepare(&run(), &table(20, None), None, None).unwrap();
    assert_eq!(made.plan.apply(&table(5, None)).unwrap().rows, 3);
    assert_eq!(examples_with_targets(&made.plan, &table(5, None)).unwrap().examples.rows, 1);
    let short = made.plan.apply(&table(2, None)).unwrap_err().to_string();
    assert!(short.ends_with("a window requires 3 rows, found 2; send the latest rows, in order"), "{short}");
    let blind = examples_with_targets(&made.plan, &table(4, None)).unwrap_err().to_string();
    assert!(blind.ends_with("requires 5 rows, found 4; add rows"), "{blind}");
}
