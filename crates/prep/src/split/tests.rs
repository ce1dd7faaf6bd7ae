use std::collections::HashMap;

use super::*;
use crate::frame::Column;

fn run(split: &str) -> Run {
    let text = format!(
        "name='t'\nseed=3\n[data]\nsource='x.csv'\n[split]\n{split}\n[[targets]]\nname='y'\nkind='number'\n[model]\nfamily='mlp'\nhidden=[4]\n"
    );
    cupola_spec::parse("t", &text, &[], &|_| Err(String::new()))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn frame(rows: usize) -> Frame {
    Frame::default()
        .with("x", Column::numbers((0..rows).map(|row| row as f64).collect()))
        .with("g", Column::texts((0..rows).map(|row| Some(format!("g{}", row % 97)))))
        .with("s", Column::texts((0..rows).map(|row| Some(["train", "train", "valid", "test"][row % 4]))))
        .with("y", Column::numbers(vec![0.0; rows]))
}

/// Split of each `x`.
fn parts(run: &Run, frame: &Frame) -> HashMap<u64, usize> {
    let mut found = HashMap::new();
    for (part, rows) in split_rows(run, frame).unwrap().into_iter().enumerate() {
        for row in rows {
            let x = frame.get("x").unwrap().number(row).unwrap().unwrap();
            assert_eq!(found.insert(x.to_bits(), part), None);
        }
    }
    assert_eq!(found.len(), frame.rows());
    found
}

#[test]
fn added_or_moved_rows_leave_the_split_of_others() {
    for split in [
        "by='random'",
        "by='group'\ncolumn='g'",
        "by='predefined'\ncolumn='s'",
        "by='k_fold'\nfolds=5\nfold=2",
    ] {
        let (run, whole) = (run(split), frame(4000));
        let before = parts(&run, &whole.slice(0, 3000));
        let turned: Vec<usize> = (1000..4000).chain(0..1000).collect();
        let after = parts(&run, &whole.take(&turned));
        assert!(before.iter().all(|(x, part)| after[x] == *part), "{split}");
    }
}

#[test]
fn a_group_stays_together() {
    let (run, frame) = (run("by='group'\ncolumn='g'"), frame(2000));
    let found = parts(&run, &frame);
    for row in 97..2000_u32 {
        assert_eq!(found[&f64::from(row).to_bits()], found[&f64::from(row % 97).to_bits()]);
    }
}

#[test]
fn each_row_is_in_the_test_split_of_one_fold() {
    let frame = frame(1000);
    let mut tested: HashMap<u64, usize> = HashMap::new();
    for fold in 0..4 {
        let found = parts(&run(&format!("by='k_fold'\nfolds=4\nfold={fold}\nvalid=0.2")), &frame);
        let sizes = [0, 1, 2].map(|part| found.values().filter(|p| **p == part).count());
        assert!(sizes.iter().zip([600, 150, 250]).all(|(n, about)| n.abs_diff(about) < 60), "{sizes:?}");
        for (x, _) in found.into_iter().filter(|(_, part)| *part == 2) {
            *tested.entry(x).or_default() += 1;
        }
    }
    assert!(tested.len() == 1000 && tested.values().all(|times| *times == 1));
}

#[test]
fn an_unknown_split_name_is_rejected_with_its_row() {
    let frame = Frame::default()
        .with("s", Column::texts([Some("train"), Some("tset")]))
        .with("y", Column::numbers(vec![1.0, 2.0]));
    let error = split_rows(&run("by='predefined'\ncolumn='s'"), &frame).unwrap_err().to_string();
    assert!(error.contains("row 2, column `s`: expected train, valid or test, found `tset`"), "{error}");
}

#[test]
fn calibration_rows_come_from_the_training_rows_alone() {
    for split in
        ["by='random'", "by='group'\ncolumn='g'", "by='k_fold'\nfolds=5", "by='predefined'\ncolumn='s'"]
    {
        let (plain, frame) = (run(split), frame(4000));
        let mut calibrated = plain.clone();
        let uncertainty = serde_json::json!({ "method": "split", "share": 0.2 });
        calibrated.uncertainty = serde_json::from_value(uncertainty).unwrap();
        let of = |run: &Run| divide(run, &frame, &ValueRules::default(), run.split.test, None).unwrap().parts;
        let (before, after) = (of(&plain), of(&calibrated));
        assert!(before[3].is_empty(), "{split}");
        assert_eq!((&after[1], &after[2]), (&before[1], &before[2]), "{split}");
        let mut train: Vec<usize> = after[0].iter().chain(&after[3]).copied().collect();
        let mut all = before[0].clone();
        train.sort_unstable();
        all.sort_unstable();
        assert_eq!(train, all, "{split}");
        assert!(after[3].len() > 250 && after[3].len() < 1100, "{split}: {}", after[3].len());
        if split.contains("group") {
            assert!(after[3].iter().all(|row| !after[0].iter().any(|own| own % 97 == row % 97)));
        }
    }
}
