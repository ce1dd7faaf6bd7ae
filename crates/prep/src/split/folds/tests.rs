use cupola_spec::Run;

use crate::frame::meaning::ValueRules;
use crate::frame::{Column, Frame};
use crate::split::{Division, SplitPart, divide};

const ROWS: usize = 240;

fn run(split: &str, target: &str, fold: usize) -> Run {
    let text = format!(
        "name='t'\nseed=3\n[data]\nsource='x.csv'\n[split]\n{split}\nfold={fold}\n[[targets]]\nname='y'\nkind='{target}'\n[model]\nfamily='mlp'\nhidden=[4]\n"
    );
    cupola_spec::parse("t", &text, &[], &|_| Err(String::new()))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn frame() -> Frame {
    let numbers = |of: fn(usize) -> f64| Column::numbers((0..ROWS).map(of).collect());
    let texts = |of: fn(usize) -> String| Column::texts((0..ROWS).map(of).map(Some));
    Frame::default()
        .with("t", numbers(|row| (row / 2) as f64 * 86_400.0))
        .with("x", numbers(|row| row as f64))
        .with("g", texts(|row| format!("g{}", row * row % 31)))
        .with("y", texts(|row| if row % 9 == 0 { "rare" } else { "common" }.to_owned()))
}

fn folds(split: &str, target: &str, count: usize) -> Vec<Division> {
    let divided = |fold| {
        let run = run(split, target, fold);
        divide(&run, &frame(), &ValueRules::default(), run.split.test, None).unwrap()
    };
    (0..count).map(divided).collect()
}

fn part(division: &Division, part: SplitPart) -> &[usize] {
    &division.parts[part as usize]
}

fn text(column: &str, row: usize) -> String {
    frame().get(column).unwrap().text(row).unwrap().into_owned()
}

/// Each row is tested once, and no row is in two parts of a fold.
#[allow(clippy::needless_for_each, reason = "it ends a chain of iterators")]
fn check_partition(divisions: &[Division], tested: usize) {
    let mut times = vec![0; ROWS];
    for division in divisions {
        let mut seen = vec![false; ROWS];
        for row in division.parts.iter().flatten() {
            assert!(!std::mem::replace(&mut seen[*row], true), "row {row} is in two parts");
        }
        part(division, SplitPart::Test).iter().for_each(|row| times[*row] += 1);
        assert!(division.parts[..3].iter().all(|rows| !rows.is_empty()));
    }
    assert!(times.iter().all(|times| *times <= 1));
    assert_eq!(times.iter().sum::<usize>(), tested);
}

#[test]
fn stratified_folds_test_each_row_once_and_keep_the_shares_of_the_classes() {
    let all = folds("by='stratified'\nfolds=5\nvalid=0.25", "category", 5);
    check_partition(&all, ROWS);
    let rare = |rows: &[usize]| rows.iter().filter(|row| text("y", **row) == "rare").count();
    for division in &all {
        let [train, valid, test, _] = &division.parts;
        assert_eq!(test.len(), 48);
        // Each class has its share of the valid rows, which is rounded.
        assert!(valid.len().abs_diff(48) <= 1 && train.len() + valid.len() == 192, "{}", valid.len());
        // 27 of 240 rows are rare.
        assert!((5..=6).contains(&rare(test)) && (5..=6).contains(&rare(valid)), "{}", rare(test));
    }
    // Folds of a number have even sizes.
    check_partition(&folds("by='stratified'\nfolds=7\nvalid=0.1", "number", 7), ROWS);
}

#[test]
fn group_folds_keep_groups_together() {
    let all = folds("by='group'\ncolumn='g'\nfolds=4\nvalid=0.2", "category", 4);
    check_partition(&all, ROWS);
    for division in &all {
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            let names =
                |part: usize| division.parts[part].iter().map(|row| text("g", *row)).collect::<Vec<_>>();
            let other = names(b);
            assert!(names(a).iter().all(|name| !other.contains(name)));
        }
        assert!((40..=80).contains(&division.parts[2].len()), "{}", division.parts[2].len());
    }
}

#[test]
fn time_folds_train_on_the_past_alone() {
    for (split, sliding, gap) in [
        ("by='time'\ncolumn='t'\nfolds=4\nvalid=0.2", false, 0),
        ("by='time'\ncolumn='t'\nfolds=4\nvalid=0.2\nsliding=true", true, 0),
        ("by='time'\ncolumn='t'\nfolds=4\nvalid=0.2\ngap='3 days'", false, 3),
        ("by='time'\nfolds=4\nvalid=0.2", false, 0),
    ] {
        let all = folds(split, "category", 4);
        // Without a column of times each row has a time of its own.
        let day = |row: &usize| if split.contains("column") { row / 2 } else { *row };
        check_partition(&all, 4 * 48);
        let mut end = 48;
        for division in &all {
            let [train, valid, test, _] = &division.parts;
            let range =
                |rows: &[usize]| [rows.iter().min().copied().unwrap(), rows.iter().max().copied().unwrap()];
            assert_eq!(range(test), [end, end + 47], "{split}");
            assert!(day(&range(valid)[1]) + gap < day(&range(test)[0]), "{split}");
            assert!(day(&range(train)[1]) + gap < day(&range(valid)[0]), "{split}");
            assert_eq!(range(train)[0], if sliding { end - 48 } else { 0 }, "{split}");
            end += 48;
        }
    }
}
