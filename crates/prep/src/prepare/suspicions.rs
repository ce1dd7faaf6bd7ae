//! Warnings about the data: columns that leak the target, rows that are in two splits, constant columns.

use std::collections::{HashMap, HashSet};

use cupola_spec::{Target, TargetKind, other_spelling};
use foldhash::fast::RandomState;

use crate::features::{ResolvedInput, uniting_steps};
use crate::frame::{Column, Frame};
use crate::plan::Plan;
use crate::split::SplitPart;
use crate::target::FittedTarget;

/// Training rows that are examined.
const EXAMINED_ROWS: usize = 50_000;
/// Correlation, or share of correct classes, from which on a column leaks the target.
const LEAK: f64 = 0.999;
/// Share of test rows that may equal training rows without a warning.
const COPIES: f64 = 0.01;
/// Fewest rows that a leak is concluded from.
const MIN_ROWS: usize = 50;
/// Classes whose spellings are compared with each other.
const COMPARED_CLASSES: usize = 200;

/// Looks for problems, and describes each in one line.
pub(super) fn suspicions(
    inputs: &[ResolvedInput],
    targets: &[&Target],
    frame: &Frame,
    parts: [&[usize]; 3],
) -> Vec<String> {
    let train = parts[SplitPart::Train as usize];
    let examined = frame.take(&train[..train.len().min(EXAMINED_ROWS)]);
    // The past of a windowed series may determine the target.
    let plain = inputs.iter().filter(|input| input.input.window.is_none());
    let columns: Vec<&str> = plain.flat_map(|input| input.columns.iter().map(String::as_str)).collect();
    let mut found = leaks(&columns, targets, &examined);
    // Single columns only: an image may have constant pixels.
    for input in inputs.iter().filter(|input| input.columns.len() == 1) {
        let name = &input.columns[0];
        if examined.get(name).is_some_and(|column| examined.rows() > 1 && is_constant(column)) {
            found.push(format!("`{name}` has one value in all training rows; leave it out"));
        }
    }
    found.extend(copies(frame, &columns, parts));
    found
}

/// Classes that are one class in two spellings.
pub(super) fn spelling_twins(plan: &Plan) -> Vec<String> {
    let mut found = Vec::new();
    for target in &plan.targets {
        let FittedTarget::Category { name, classes, .. } = target else { continue };
        for (index, class) in classes.iter().enumerate().take(COMPARED_CLASSES) {
            let others = classes[..index].iter().map(String::as_str);
            let Some((other, how)) = other_spelling(class, others) else { continue };
            let steps = uniting_steps(class, other);
            let remedy = steps.map_or("write them alike in the source".to_owned(), |steps| {
                format!("write `text = [{steps}]` under `[clean]` to make them one class")
            });
            found.push(format!(
                "classes `{class}` and `{other}` of `{name}` differ in spelling only ({how}); {remedy}"
            ));
        }
    }
    found
}

fn leaks(columns: &[&str], targets: &[&Target], frame: &Frame) -> Vec<String> {
    let mut found = Vec::new();
    for name in columns {
        let Some(column) = frame.get(name) else { continue };
        for target in targets {
            let values = target.column().filter(|own| own != name).and_then(|own| frame.get(own));
            if values.is_some_and(|values| leaks_target(target.kind, column, values)) {
                found.push(format!(
                    "`{name}` predicts `{}` almost perfectly; leave it out unless it is known before the target",
                    target.name
                ));
            }
        }
    }
    found
}

/// `true` if a column alone determines the target.
fn leaks_target(kind: TargetKind, column: &Column, target: &Column) -> bool {
    match (kind, column, target) {
        (TargetKind::Number, Column::Number { values, .. }, Column::Number { values: target, .. }) => {
            let pairs = || values.iter().zip(target.iter()).filter(|(x, y)| !x.is_nan() && !y.is_nan());
            correlation(pairs().map(|(x, y)| (*x, *y)).collect()).abs() > LEAK
        }
        (TargetKind::Category, Column::Number { .. } | Column::Text(_), _) => leaks_class(column, target),
        _ => false,
    }
}

/// `true` if the most frequent class of each value is nearly always right, although values repeat and the most
/// frequent class of all is not.
fn leaks_class(column: &Column, target: &Column) -> bool {
    let mut by_value: HashMap<String, HashMap<String, usize>> = HashMap::new();
    let mut classes: HashMap<String, usize> = HashMap::new();
    for row in 0..column.len() {
        let Some(class) = target.text(row) else { continue };
        let value = column.text(row).unwrap_or_default();
        *by_value.entry(value.into_owned()).or_default().entry(class.to_string()).or_default() += 1;
        *classes.entry(class.into_owned()).or_default() += 1;
    }
    let rows = classes.values().sum::<usize>();
    if rows < MIN_ROWS || by_value.len() * 5 > rows {
        return false;
    }
    let most = |counts: &HashMap<String, usize>| counts.values().max().copied().unwrap_or(0);
    let right: usize = by_value.values().map(most).sum();
    right as f64 > LEAK * rows as f64 && (most(&classes) as f64) < 0.99 * rows as f64
}

/// Pearson correlation; 0 for few pairs or a constant.
fn correlation(pairs: Vec<(f64, f64)>) -> f64 {
    let n = pairs.len() as f64;
    if pairs.len() < MIN_ROWS {
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

fn is_constant(column: &Column) -> bool {
    match column {
        Column::Number { values, .. } => values.iter().all(|value| value.to_bits() == values[0].to_bits()),
        Column::Text(_) => (1..column.len()).all(|row| column.text(row) == column.text(0)),
        Column::Bytes(_) => false,
    }
}

/// Warns about test rows whose inputs equal those of a training row.
fn copies(frame: &Frame, columns: &[&str], parts: [&[usize]; 3]) -> Option<String> {
    let [train, _, test] = parts;
    if columns.is_empty() || test.is_empty() || frame.rows() > 40 * EXAMINED_ROWS {
        return None;
    }
    let inputs: Frame = columns
        .iter()
        .filter_map(|name| Some((*name, frame.get(name)?)))
        .fold(Frame::default(), |inputs, (name, column)| inputs.with(name, column.clone()));
    let keys = inputs.row_keys(0);
    let seen: HashSet<u64, RandomState> = train.iter().map(|row| keys[*row]).collect();
    let copies = test.iter().filter(|row| seen.contains(&keys[**row])).count();
    let share = copies as f64 / test.len() as f64;
    (share > COPIES).then(|| {
        format!(
            "{copies} of {} test rows have the inputs of a training row, so test metrics are too good; write `clean.duplicates = true`, or split by `group`",
            test.len()
        )
    })
}
