use super::DecimalMark::{Comma, Point};
use super::*;

/// Each spelling with its value, for a decimal point and for a decimal comma. `docs/values.md` shows this table.
pub(super) const SPELLINGS: [(&str, Option<f64>, Option<f64>); 46] = [
    ("12", Some(12.0), Some(12.0)),
    ("+12", Some(12.0), Some(12.0)),
    ("-12", Some(-12.0), Some(-12.0)),
    ("\u{2212}12", Some(-12.0), Some(-12.0)),
    ("(12)", Some(-12.0), Some(-12.0)),
    ("($12)", Some(-12.0), Some(-12.0)),
    ("$(12)", Some(-12.0), Some(-12.0)),
    ("3.5", Some(3.5), None),
    ("3,5", None, Some(3.5)),
    (".5", Some(0.5), None),
    (",5", None, Some(0.5)),
    ("1.234", Some(1.234), Some(1234.0)),
    ("1,234", Some(1234.0), Some(1.234)),
    ("0,500", None, Some(0.5)),
    ("1,234.5", Some(1234.5), None),
    ("1.234,5", None, Some(1234.5)),
    ("1,234,567", Some(1_234_567.0), None),
    ("1.234.567", None, Some(1_234_567.0)),
    ("12,34,567", None, None),
    ("1,23", None, Some(1.23)),
    ("1,2345", None, Some(1.2345)),
    ("1 234,5", None, Some(1234.5)),
    ("1\u{a0}234.5", Some(1234.5), None),
    ("1'234.5", Some(1234.5), None),
    ("1 23", None, None),
    ("$5", Some(5.0), Some(5.0)),
    ("-$5", Some(-5.0), Some(-5.0)),
    ("$-5", Some(-5.0), Some(-5.0)),
    ("5 €", Some(5.0), Some(5.0)),
    ("1,234円", Some(1234.0), Some(1.234)),
    ("￥5", Some(5.0), Some(5.0)),
    ("EUR 5", Some(5.0), Some(5.0)),
    ("5 USD", Some(5.0), Some(5.0)),
    ("12%", Some(0.12), Some(0.12)),
    ("12.5 %", Some(0.125), None),
    ("-7%", Some(-0.07), Some(-0.07)),
    ("1e3", Some(1000.0), Some(1000.0)),
    ("1.5E-3", Some(0.0015), None),
    ("inf", Some(f64::INFINITY), Some(f64::INFINITY)),
    ("-Infinity", Some(f64::NEG_INFINITY), Some(f64::NEG_INFINITY)),
    ("--5", None, None),
    ("5-", None, None),
    ("1.2.3", None, None),
    ("12 apples", None, None),
    ("0x1F", None, None),
    ("", None, None),
];

#[test]
fn spellings_mean_what_the_table_says() {
    for (text, point, comma) in SPELLINGS {
        assert_eq!(parse_number(text, Point), point, "{text:?} with a point");
        assert_eq!(parse_number(text, Comma), comma, "{text:?} with a comma");
        assert_eq!(parse_number(&format!("  {text}\t"), Point), point, "{text:?} with blanks around");
    }
}

#[test]
fn per_cent_rounds_once() {
    for i in 0..10_000u32 {
        let percent = f64::from(i) / 1000.0;
        let expected: f64 = format!("{percent}e-2").parse().unwrap();
        assert_eq!(parse_number(&format!("{percent}%"), Point), Some(expected));
    }
}

#[test]
fn the_documentation_shows_this_table() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/values.md");
    let page = std::fs::read_to_string(page).unwrap();
    let cell = |value: Option<f64>| value.map_or("not a number".to_owned(), |value| value.to_string());
    for (text, point, comma) in SPELLINGS.iter().filter(|(text, ..)| !text.is_empty()) {
        let line = format!("| `{text}` | {} | {} |", cell(*point), cell(*comma));
        assert!(page.contains(&line), "docs/values.md lacks the line\n{line}");
    }
}
