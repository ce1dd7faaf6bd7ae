//! What is suspicious in the data: a column that tells the target, rows that are in two splits, columns
//! that say nothing.

use std::collections::{HashMap, HashSet};

use cupola_spec::{Target, TargetKind};
use foldhash::fast::RandomState;

use crate::features::Resolved;
use crate::frame::{Column, Frame};
use crate::split::Part;

/// Training rows that are looked at.
const LOOKED_AT: usize = 50_000;
/// A column that tells this share of the classes, or has this correlation, knows too much.
const TELLING: f64 = 0.999;
/// Share of the test rows that may be copies of training rows without a word.
const COPIES: f64 = 0.01;

/// One line for each suspicion.
pub(crate) fn suspicions(
    inputs: &[Resolved],
    targets: &[&Target],
    frame: &Frame,
    parts: [&[usize]; 3],
) -> Vec<String> {
    let train = parts[Part::Train as usize];
    let looked = frame.take(&train[..train.len().min(LOOKED_AT)]);
    let mut found = Vec::new();
    let columns: Vec<&str> = inputs
        .iter()
        .filter(|input| input.input.window.is_none())
        .flat_map(|input| input.columns.iter().map(String::as_str))
        .collect();
    for name in &columns {
        let Some(column) = looked.get(name) else { continue };
        for target in targets {
            let values = target.column().filter(|own| own != name).and_then(|own| looked.get(own));
            if values.is_some_and(|values| tells(target.kind, column, values)) {
                found.push(format!(
                    "`{name}` tells `{}` nearly always: is it known before the target is?",
                    target.name
                ));
            }
        }
    }
    // A picture has dark corners; a column of its own should say something.
    for input in inputs.iter().filter(|input| input.columns.len() == 1) {
        let name = &input.columns[0];
        if looked.get(name).is_some_and(|column| looked.rows() > 1 && constant(column)) {
            found.push(format!("`{name}` has one value in all training rows; leave it out"));
        }
    }
    found.extend(copies(frame, &columns, parts));
    found
}

/// Whether a column alone says what the target is.
fn tells(kind: TargetKind, column: &Column, target: &Column) -> bool {
    match (kind, column, target) {
        (TargetKind::Number, Column::Number { values, .. }, Column::Number { values: target, .. }) => {
            let pairs = || values.iter().zip(target.iter()).filter(|(x, y)| !x.is_nan() && !y.is_nan());
            correlation(pairs().map(|(x, y)| (*x, *y)).collect()).abs() > TELLING
        }
        (TargetKind::Category, Column::Number { .. } | Column::Text(_), _) => tells_class(column, target),
        _ => false,
    }
}

/// Whether the most frequent class of each value is right nearly always, though values repeat and the most
/// frequent class of all is not.
fn tells_class(column: &Column, target: &Column) -> bool {
    let mut by_value: HashMap<String, HashMap<String, usize>> = HashMap::new();
    let mut classes: HashMap<String, usize> = HashMap::new();
    for row in 0..column.len() {
        let Some(class) = target.text(row) else { continue };
        let value = column.text(row).unwrap_or_default();
        *by_value.entry(value.into_owned()).or_default().entry(class.to_string()).or_default() += 1;
        *classes.entry(class.into_owned()).or_default() += 1;
    }
    let rows = classes.values().sum::<usize>();
    if rows < 50 || by_value.len() * 5 > rows {
        return false;
    }
    let most = |counts: &HashMap<String, usize>| counts.values().max().copied().unwrap_or(0);
    let right: usize = by_value.values().map(most).sum();
    right as f64 > TELLING * rows as f64 && (most(&classes) as f64) < 0.99 * rows as f64
}

fn correlation(pairs: Vec<(f64, f64)>) -> f64 {
    let n = pairs.len() as f64;
    if pairs.len() < 50 {
        return 0.0;
    }
    let (mx, my) = pairs.iter().fold((0.0, 0.0), |(x, y), pair| (x + pair.0 / n, y + pair.1 / n));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (x, y) in pairs {
        xx += (x - mx) * (x - mx);
        yy += (y - my) * (y - my);
        xy += (x - mx) * (y - my);
    }
    if xx > 0.0 && yy > 0.0 { xy / (xx * yy).sqrt() } else { 0.0 }
}

fn constant(column: &Column) -> bool {
    match column {
        Column::Number { values, .. } => values.iter().all(|value| value.to_bits() == values[0].to_bits()),
        Column::Text(_) => (1..column.len()).all(|row| column.text(row) == column.text(0)),
        Column::Bytes(_) => false,
    }
}

/// Test rows whose inputs are those of a training row.
fn copies(frame: &Frame, columns: &[&str], parts: [&[usize]; 3]) -> Option<String> {
    let [train, _, test] = parts;
    if columns.is_empty() || test.is_empty() || frame.rows() > 40 * LOOKED_AT {
        return None;
    }
    let own: Frame = columns
        .iter()
        .filter_map(|name| Some((*name, frame.get(name)?)))
        .fold(Frame::default(), |own, (name, column)| own.with(name, column.clone()));
    let keys = own.row_keys(0);
    let seen: HashSet<u64, RandomState> = train.iter().map(|row| keys[*row]).collect();
    let again = test.iter().filter(|row| seen.contains(&keys[**row])).count();
    let share = again as f64 / test.len() as f64;
    (share > COPIES).then(|| {
        format!(
            "{again} of {} test rows have the inputs of a training row: the test is easier than life; write `clean.duplicates = true`, or split by `group`",
            test.len()
        )
    })
}
