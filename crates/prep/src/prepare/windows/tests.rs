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

/// Two series of 20 days, in which `y` counts from 0 and from 1000. Row `i` of each is day `i`.
fn panel() -> Frame {
    let (mut key, mut time, mut y) = (Vec::new(), Vec::new(), Vec::new());
    for (series, start) in [("b", 0_u32), ("a", 1000)] {
        for day in 0..20_u32 {
            key.push(Some(series));
            time.push(Some(format!("2024-01-{:02}", day + 1)));
            y.push(f64::from(start + day));
        }
    }
    Frame::default()
        .with("store", Column::texts(key))
        .with("day", Column::texts(time))
        .with("x", Column::numbers(y.iter().map(|y| -y).collect()))
        .with("y", Column::numbers(y))
}

fn panel_run(more: &str) -> Run {
    let config = format!("{CONFIG}\n[series]\ntime = \"day\"\nkey = \"store\"\n");
    let config = config.replace("test = 0.3", &format!("test = 0.3\n{more}"));
    cupola_spec::parse("t.toml", &config, &[], &|_: &str| Err(String::new()))
        .unwrap_or_else(|e| panic!("{e}"))
}

/// Rows in another order, the same at each call.
fn shuffled(frame: &Frame) -> Frame {
    let order = crate::permutation(frame.rows(), 5, "test", 0);
    frame.take(&order)
}

#[test]
fn no_window_crosses_a_series_and_all_series_are_split_at_one_time() {
    let made = prepare(&panel_run(""), &panel(), None, None).unwrap();
    let of = |part| sorted(windows(&made.plan, &made.part(part).memory().unwrap()));
    let expected = |ends: std::ops::RangeInclusive<i64>| -> Vec<_> {
        let window = |end: i64| (vec![end - 2, end - 1, end], vec![end + 1, end + 2]);
        ends.clone().map(window).chain(ends.map(|end| window(1000 + end))).collect()
    };
    assert_eq!(of(SplitPart::Train), expected(2..=7));
    assert_eq!(of(SplitPart::Valid), expected(9..=11));
    assert_eq!(of(SplitPart::Test), expected(13..=17));
    // Between the series `y` jumps by 981, which no naive forecast sees.
    let FittedTarget::Forecast { naive, .. } = *made.plan.targets.first() else { panic!() };
    assert_eq!(naive, Some(1.0));
    assert_eq!(made.suspicions, Vec::<String>::new());
    let names: Vec<String> = crate::Signature::of(&made.plan).inputs.into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["x", "y", "store", "day"]);
}

#[test]
fn missing_targets_are_said() {
    let (table, mut y) = (panel(), Vec::new());
    for row in 0..table.rows() {
        y.push(if row == 5 { f64::NAN } else { row as f64 });
    }
    let made = prepare(&panel_run(""), &table.with("y", Column::numbers(y)), None, None).unwrap();
    let said = "`y` is missing in 1 of 40 rows; windows that would predict such a row are left out";
    assert!(made.suspicions.iter().any(|one| one == said), "{:?}", made.suspicions);
}

#[test]
fn shuffled_rows_train_on_the_same_examples_and_get_the_predictions_of_their_rows() {
    let (table, mixed) = (panel(), shuffled(&panel()));
    let (a, b) = (panel_run(""), panel_run("gap = 1"));
    for run in [a, b] {
        let (first, second) =
            (prepare(&run, &table, None, None).unwrap(), prepare(&run, &mixed, None, None).unwrap());
        assert_eq!(first.plan, second.plan);
        for part in [SplitPart::Train, SplitPart::Valid, SplitPart::Test] {
            assert_eq!(first.part(part).memory(), second.part(part).memory());
        }
        // Each example ends at the row that `window_ends` names, whatever the order of the rows.
        let by_end = |frame: &Frame| {
            let (examples, ends) =
                (first.plan.apply(frame).unwrap(), first.plan.window_ends(frame).unwrap().unwrap());
            assert_eq!(examples.rows, ends.len());
            let cell = |name: &str, row: usize| frame.get(name).unwrap().text(row).unwrap().into_owned();
            let mut found: Vec<_> = ends
                .iter()
                .zip(examples.dense.chunks(6))
                .map(|(&row, values)| (cell("store", row), cell("day", row), values.to_vec()))
                .collect();
            found.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
            found
        };
        assert_eq!(by_end(&table), by_end(&mixed));
        assert_eq!(by_end(&table).len(), 36);
    }
}

#[test]
fn a_short_series_is_reported_in_training_and_refused_by_name_later() {
    let mut table = panel();
    table.append(
        &Frame::default()
            .with("store", Column::texts([Some("new"), Some("new")]))
            .with("day", Column::texts([Some("2024-01-02"), Some("2024-01-01")]))
            .with("x", Column::numbers(vec![0.0, 0.0]))
            .with("y", Column::numbers(vec![0.0, 0.0])),
    );
    let made = prepare(&panel_run(""), &table, None, None).unwrap();
    assert!(made.suspicions[0].starts_with("1 of 3 series have fewer than 5 rows"), "{:?}", made.suspicions);
    let error = made.plan.apply(&table).unwrap_err().to_string();
    assert!(error.contains("series `new`: a window requires 3 rows, found 2"), "{error}");
    let error = examples_with_targets(&made.plan, &table).unwrap_err().to_string();
    assert!(error.contains("series `new`: a window"), "{error}");
    // A time that occurs twice in a series is named with its rows.
    let twice = panel().take(&[0, 1, 2, 3, 2]);
    let error = made.plan.apply(&twice).unwrap_err().to_string();
    assert!(error.contains("row 5, column `day`: expected each time once for one `store`"), "{error}");
}

#[test]
fn a_gap_and_missing_days_are_said() {
    let rows: Vec<usize> = (0..40).filter(|row| row % 20 != 4).collect();
    let made = prepare(&panel_run("gap = \"1 day\""), &panel().take(&rows), None, None).unwrap();
    let said = made.suspicions.join("\n");
    assert!(said.contains("`day` has 2 irregular steps of 36 (most are 1 day), first from row 23"), "{said}");
    assert!(said.contains("are left out, as `split.gap` says"), "{said}");
}
