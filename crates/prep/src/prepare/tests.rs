use cupola_spec::parse;

use super::*;
use crate::Column;

fn run() -> Run {
    run_of("", "category")
}

fn run_of(features: &str, kind: &str) -> Run {
    let text = format!(
        "name = 'x'\n[data]\nsource = 'x.csv'\n{features}\n[[targets]]\nname = 'y'\nkind = '{kind}'\n\
         [model]\nfamily = 'mlp'\nhidden = [4]\n"
    );
    parse("run.toml", &text, &[], &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems}"))
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
fn a_target_that_is_no_number_is_reported_with_its_row_in_the_data() {
    let run = run_of("", "number");
    let rows = 40_u32;
    for row in 0..rows as usize {
        let mut y: Vec<f64> = (0..rows).map(f64::from).collect();
        let x = Column::numbers(y.clone());
        y[row] = f64::INFINITY;
        let frame = Frame::default().with("x", x).with("y", Column::numbers(y));
        let error = prepare(&run, &frame, None, None).unwrap_err().to_string();
        let expected = format!("row {}, column `y`: expected a finite number", row + 1);
        assert!(error.starts_with(&expected), "{row}: {error}");
    }
}

#[test]
fn money_in_an_expression_is_named_with_its_row_and_the_setting_that_reads_it() {
    let run = run_of("[[features]]\nname = 'half'\nsql = 'price / 2'", "category");
    let price = (0..40).map(|row| Some(if row < 20 { "free" } else { "$898.20" }));
    let frame = Frame::default()
        .with("price", Column::texts(price.rev()))
        .with("y", Column::texts((0..40).map(|row| Some(["a", "b"][row % 2]))));
    let error = prepare(&run, &frame, None, None)
        .unwrap_err()
        .in_file(|row| Some(("x.csv".to_owned(), format!("row {} (line {})", row + 1, row + 2))));
    let said = error.to_string();
    let expected =
        "x.csv: row 1 (line 2), column `price`: expected a number for the feature `half`, found `$898.20`";
    assert!(said.starts_with(expected) && said.contains("`numbers = [\"price\"]` under `[clean]`"), "{said}");
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
