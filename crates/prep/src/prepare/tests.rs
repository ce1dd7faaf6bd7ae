use cupola_spec::parse;

use super::*;
use crate::Column;

fn run() -> Run {
    let text = "name = 'x'\n[data]\nsource = 'x.csv'\n[[targets]]\nname = 'y'\nkind = 'category'\n\
                [model]\nfamily = 'mlp'\nhidden = [4]\n";
    parse("run.toml", text, &[], &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems}"))
}

#[test]
fn an_invalid_value_is_reported_with_its_row_in_any_split() {
    let rows = 40_u32;
    for row in 0..rows as usize {
        let mut x: Vec<f64> = (0..rows).map(f64::from).collect();
        x[row] = f64::INFINITY;
        let y = (0..rows as usize).map(|row| Some(["a", "b"][row % 2]));
        let frame = Frame::default().with("x", Column::numbers(x)).with("y", Column::texts(y));
        let error = prepare(&run(), &frame, None, None).unwrap_err().to_string();
        let expected = format!("row {}, column `x`: expected a finite number", row + 1);
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn classes_that_differ_in_spelling_only_are_reported() {
    let rows = 60_u32;
    let y = (0..rows as usize).map(|row| Some(["yes", "no", "Yes"][row % 3]));
    let frame = Frame::default()
        .with("x", Column::numbers((0..rows).map(f64::from).collect()))
        .with("y", Column::texts(y));
    let said = prepare(&run(), &frame, None, None).unwrap().suspicions.join("\n");
    let expected =
        "classes `yes` and `Yes` of `y` differ in spelling only (in other case); write `text = [\"lower\"]`";
    assert!(said.contains(expected), "{said}");
}
