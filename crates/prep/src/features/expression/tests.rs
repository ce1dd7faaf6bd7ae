use super::*;

fn frame() -> Frame {
    Frame::default()
        .with("a", Column::numbers(vec![1.0, -2.5, f64::NAN, 4.0]))
        .with("b", Column::numbers(vec![2.0, 0.0, 3.0, f64::NAN]))
        .with("t", Column::texts([Some("Ab c"), None, Some("x_%"), Some("12")]))
}

fn numbers(sql: &str) -> Vec<Option<f64>> {
    let column = Expression::new("f", sql).unwrap().apply(&frame()).unwrap();
    (0..4).map(|row| column.number(row).unwrap()).collect()
}

fn texts(sql: &str) -> Vec<Option<String>> {
    let column = Expression::new("f", sql).unwrap().apply(&frame()).unwrap();
    assert!(matches!(column, Column::Text(_)), "{sql}");
    (0..4).map(|row| column.text(row).map(std::borrow::Cow::into_owned)).collect()
}

#[test]
fn numbers_are_computed_and_missing_values_propagate() {
    assert_eq!(numbers("a + b * 2"), [Some(5.0), Some(-2.5), None, None]);
    assert_eq!(numbers("a / b"), [Some(0.5), None, None, None]);
    assert_eq!(numbers("-a % 2"), [Some(-1.0), Some(0.5), None, Some(-0.0)]);
    assert_eq!(numbers("round(abs(a) / 3, 2)"), [Some(0.33), Some(0.83), None, Some(1.33)]);
    assert_eq!(numbers("coalesce(a, b)"), [Some(1.0), Some(-2.5), Some(3.0), Some(4.0)]);
    assert_eq!(numbers("greatest(a, b)"), [Some(2.0), Some(0.0), Some(3.0), Some(4.0)]);
    assert_eq!(numbers("power(a, 2) + ceil(b) - floor(0.5)"), [Some(3.0), Some(6.25), None, None]);
    assert_eq!(
        numbers("CASE WHEN a > 0 AND b IS NOT NULL THEN 1 WHEN a < 0 THEN -1 ELSE 0 END"),
        [Some(1.0), Some(-1.0), Some(0.0), Some(0.0)]
    );
    assert_eq!(numbers("a BETWEEN 0 AND 2"), [Some(1.0), Some(0.0), None, Some(0.0)]);
    assert_eq!(numbers("a IN (1, 4) OR b = 3"), [Some(1.0), Some(0.0), Some(1.0), Some(1.0)]);
    assert_eq!(numbers("length(t)"), [Some(4.0), None, Some(3.0), Some(2.0)]);
    assert_eq!(numbers("ln(b)"), [Some(2.0_f64.ln()), None, Some(3.0_f64.ln()), None]);
    assert_eq!(numbers("t LIKE '%b%' "), [Some(1.0), None, Some(0.0), Some(0.0)]);
    assert_eq!(numbers("t NOT LIKE 'x__'"), [Some(1.0), None, Some(0.0), Some(1.0)]);
    assert_eq!(numbers("NOT (a = 1)"), [Some(0.0), Some(1.0), None, Some(1.0)]);
}

#[test]
fn texts_are_computed() {
    let some = |values: [&str; 4]| values.map(|value| (!value.is_empty()).then(|| value.to_owned())).to_vec();
    assert_eq!(texts("lower(t)"), some(["ab c", "", "x_%", "12"]));
    assert_eq!(texts("t || '-' || b"), some(["Ab c-2", "", "x_%-3", ""]));
    assert_eq!(texts("substr(t, 2, 2)"), some(["b ", "", "_%", "2"]));
    assert_eq!(texts("CASE t WHEN '12' THEN 'twelve' ELSE NULL END"), some(["", "", "", "twelve"]));
    assert_eq!(texts("concat(t, '!')"), some(["Ab c!", "!", "x_%!", "12!"]));
}

#[test]
fn invalid_expressions_are_rejected() {
    let said = |sql: &str| Expression::new("f", sql).unwrap_err().to_string();
    assert!(said("a +").starts_with("feature `f`: "));
    assert!(said("sqr(a)").contains("unknown function `sqr`; did you mean `sqrt`?"), "{}", said("sqr(a)"));
    assert!(
        said("sum(a) OVER (ORDER BY b)").contains("several rows"),
        "{}",
        said("sum(a) OVER (ORDER BY b)")
    );
    assert!(said("a, b").contains("unexpected `,`"));
    assert!(said("(SELECT 1)").contains("is not supported"));
    assert!(said("abs(a, b)").contains("does not take 2 values"));
    let column = Expression::new("f", "t * 2").unwrap().apply(&frame()).unwrap_err().to_string();
    assert!(
        column.contains("row 1, column `t`: expected a number for the feature `f`, found `Ab c`"),
        "{column}"
    );
    let deep = format!("{}a{}", "(".repeat(10_000), ")".repeat(10_000));
    assert!(said(&deep).starts_with("feature"));
}
