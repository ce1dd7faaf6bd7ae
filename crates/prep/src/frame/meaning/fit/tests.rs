use cupola_spec::parse;
use cupola_values::{CategoryForm, DecimalMark};

use super::*;
use crate::frame::Column;
use crate::frame::meaning::ValueRule;

fn run(data: &str, inputs: &str) -> Run {
    let text = format!(
        "name = 'x'\n[data]\nsource = 'x.csv'\n{data}\n{inputs}\n[[targets]]\nname = 'y'\nkind = 'category'\n\
         [model]\nfamily = 'mlp'\nhidden = [4]\n"
    );
    parse("run.toml", &text, &[], &|_| Err(String::new())).unwrap_or_else(|problems| panic!("{problems}"))
}

fn texts(values: &[&str]) -> Column {
    Column::texts(values.iter().map(|value| Some(*value)))
}

fn fitted(run: &Run, frame: &Frame) -> Result<(ValueRules, Vec<String>), String> {
    let mut fit = ValueRulesFit::new(run, &[]);
    fit.observe(frame);
    fit.finish().map_err(|error| error.to_string())
}

fn rule(texts_of_x: &[&str]) -> Result<ValueRule, String> {
    let frame = Frame::default().with("x", texts(texts_of_x)).with("y", texts(&vec!["a"; texts_of_x.len()]));
    fitted(&run("", ""), &frame).map(|(rules, _)| rules.get("x").unwrap().clone())
}

#[test]
fn columns_without_an_input_get_the_kind_of_their_texts() {
    let number = |decimal| Ok(ValueRule::Number { decimal });
    let category = |form| Ok(ValueRule::Category { form });
    assert_eq!(rule(&["1,5", "2,25", "N/A"]), number(DecimalMark::Comma));
    assert_eq!(rule(&["$1,250.50", "3"]), number(DecimalMark::Point));
    assert_eq!(rule(&["01001", "1001"]), category(CategoryForm::Exact));
    assert_eq!(rule(&["red", "blue"]), category(CategoryForm::Number));
    assert_eq!(rule(&["true", "false"]), category(CategoryForm::Boolean));
    assert_eq!(rule(&["2024-03-05T09:00:00-05:00"]), Ok(ValueRule::Date { format: None }));
    assert_eq!(rule(&["31/12/2024"]), Ok(ValueRule::Date { format: Some("%d/%m/%Y".into()) }));
}

#[test]
fn two_possible_readings_are_both_named() {
    let said = rule(&["1,234", "12"]).unwrap_err();
    assert!(said.contains("may be 1234 (comma between thousands) or 1.234 (decimal comma)"), "{said}");
    let said = rule(&["05/03/2024"]).unwrap_err();
    assert!(said.contains("`%d/%m/%Y` or `%m/%d/%Y`"), "{said}");
    let run = run("decimal = ','", "");
    let frame = Frame::default().with("x", texts(&["1,234"])).with("y", texts(&["a"]));
    let (rules, _) = fitted(&run, &frame).unwrap();
    let Column::Number { values, .. } = rules.apply(&frame, &[]).unwrap().get("x").unwrap().clone() else {
        panic!("not a number")
    };
    assert_eq!(values.to_vec(), [1.234]);
}

#[test]
fn a_few_texts_among_numbers_are_named_with_the_setting_that_helps() {
    let mut values: Vec<String> = (0..98).map(|i| i.to_string()).collect();
    values.insert(40, "lots".into());
    values.push("unknown".into());
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let said = rule(&values).unwrap_err();
    assert!(
        said.starts_with("row 41, column `x`: expected a number, as in 98 of 100 rows, found `lots`"),
        "{said}"
    );
    assert!(said.contains("data.null = [\"\", \"lots\", \"unknown\"]"), "{said}");
}

#[test]
fn common_markers_are_missing_in_numbers_and_said() {
    let frame = Frame::default().with("x", texts(&["1", "N/A", "?", "N/A"])).with("y", texts(&["N/A"; 4]));
    let (rules, notes) = fitted(&run("", ""), &frame).unwrap();
    assert_eq!(notes, ["column `x`: read as missing: `?` in 1 rows, `N/A` in 2 rows"]);
    let frame = rules.apply(&frame, &[]).unwrap();
    assert_eq!(
        (0..4).map(|row| frame.get("x").unwrap().is_missing(row)).collect::<Vec<_>>(),
        [false, true, true, true]
    );
    // A class may be called so.
    assert!(!frame.get("y").unwrap().is_missing(0));
}

#[test]
fn declared_kinds_win_over_what_the_texts_look_like() {
    let run = run("", "[[inputs]]\nname = 'x'\nkind = 'category'\n[[inputs]]\nname = 'n'\nkind = 'number'");
    let frame = Frame::default()
        .with("x", texts(&["1.0", "2"]))
        .with("n", texts(&["007", "8"]))
        .with("unused", texts(&["1,234", "1,234"]))
        .with("y", texts(&["a", "b"]));
    let (rules, _) = fitted(&run, &frame).unwrap();
    let frame = rules.apply(&frame, &[]).unwrap();
    assert_eq!(frame.get("x").unwrap().text(0).as_deref(), Some("1"));
    assert_eq!(frame.get("n").unwrap().number(0), Ok(Some(7.0)));
    assert_eq!(rules.get("unused"), None);
    let twice = rules.apply(&frame, &[]).unwrap();
    assert_eq!(twice, frame, "canonical rows stay as they are");
}

#[test]
fn numbers_with_both_decimal_marks_are_refused() {
    let error = rule(&["1.25", "12", "3,5"]).unwrap_err();
    assert!(error.contains("`x`") && error.contains("`1.25`") && error.contains("`3,5`"), "{error}");
    let category = ValueRule::Category { form: CategoryForm::Number };
    assert_eq!(rule(&["1.25", "3,5", "many"]).unwrap(), category);
}

#[test]
fn a_few_texts_among_dates_are_named_and_markers_are_missing() {
    let days: Vec<String> = (1..=28).map(|day| format!("2024-01-{day:02}")).collect();
    let mut texts: Vec<&str> = days.iter().map(String::as_str).collect();
    texts.insert(3, "N/A");
    assert_eq!(rule(&texts).unwrap(), ValueRule::Date { format: None });
    texts.insert(7, "0000-00-00");
    let error = rule(&texts).unwrap_err();
    let named = ["row 8", "`x`", "as in 28 of 29 rows", "`0000-00-00`", "data.null"];
    assert!(named.iter().all(|part| error.contains(part)), "{error}");
}

#[test]
fn integers_that_floats_do_not_hold_are_codes() {
    let codes = ["12345678901234567890", "12345678901234567891", "7"];
    assert!(matches!(rule(&codes).unwrap(), ValueRule::Category { .. }));
}

#[test]
fn a_column_without_the_declared_decimal_mark_is_refused() {
    let frame = Frame::default().with("x", texts(&["1.5", "2.25"])).with("y", texts(&["a", "b"]));
    let error = fitted(&run("decimal = ','", ""), &frame).unwrap_err();
    assert!(error.contains("`x`") && error.contains("`1.5`") && error.contains("decimal"), "{error}");
}
