//! Evaluation of the syntax tree in one row.

use std::cmp::Ordering;

use super::node::{Node, Operator};
use super::value::{ExpressionError, SqlValue};
use crate::frame::{Column, Frame};

impl Node {
    /// Value in a row.
    ///
    /// # Errors
    /// A text that is used as a number and is not one.
    pub fn eval(&self, frame: &Frame, row: usize) -> Result<SqlValue, ExpressionError> {
        Ok(match self {
            Self::Literal(value) => value.clone(),
            Self::Column(name) => match frame.get(name) {
                Some(Column::Number { values, .. }) => SqlValue::from(values[row]),
                Some(column) => SqlValue::from(column.text(row).map(std::borrow::Cow::into_owned)),
                None => SqlValue::Null,
            },
            Self::Minus(of) => SqlValue::from(of.eval(frame, row)?.number()?.map(|number| -number)),
            Self::Not(of) => SqlValue::from(of.eval(frame, row)?.truth()?.map(|truth| !truth)),
            Self::IsNull { of, negated } => {
                SqlValue::Bool((of.eval(frame, row)? == SqlValue::Null) != *negated)
            }
            Self::Binary { op, left, right } => {
                binary(*op, &left.eval(frame, row)?, &right.eval(frame, row)?)?
            }
            Self::In { of, list, negated } => {
                let value = of.eval(frame, row)?;
                let mut found = Some(false);
                for other in list {
                    match value.compare(&other.eval(frame, row)?)? {
                        Some(Ordering::Equal) => return Ok(SqlValue::Bool(!negated)),
                        None => found = None,
                        Some(_) => {}
                    }
                }
                SqlValue::from(found.map(|found| found != *negated))
            }
            Self::Like { of, pattern, negated } => {
                let value = of.eval(frame, row)?;
                let found = value.text().map(|text| like(&text, pattern));
                SqlValue::from(found.map(|found| found != *negated))
            }
            Self::Case { cases, otherwise } => {
                for (condition, value) in cases {
                    if condition.eval(frame, row)?.truth()? == Some(true) {
                        return value.eval(frame, row);
                    }
                }
                otherwise.as_ref().map_or(Ok(SqlValue::Null), |value| value.eval(frame, row))?
            }
            Self::Call { function, arguments } => {
                let values: Vec<SqlValue> =
                    arguments.iter().map(|node| node.eval(frame, row)).collect::<Result<_, _>>()?;
                function.call(&values)?
            }
        })
    }
}

fn binary(op: Operator, left: &SqlValue, right: &SqlValue) -> Result<SqlValue, ExpressionError> {
    let ordered = |fits: fn(Ordering) -> bool| Ok(SqlValue::from(left.compare(right)?.map(fits)));
    let arithmetic = |apply: fn(f64, f64) -> f64| {
        Ok(SqlValue::from(left.number()?.zip(right.number()?).map(|(a, b)| apply(a, b))))
    };
    match op {
        // Three-valued logic: a false operand decides `AND`, a true one decides `OR`, whatever the other is.
        Operator::And => {
            let (a, b) = (left.truth()?, right.truth()?);
            Ok(SqlValue::from(if a == Some(false) || b == Some(false) { Some(false) } else { a.and(b) }))
        }
        Operator::Or => {
            let (a, b) = (left.truth()?, right.truth()?);
            Ok(SqlValue::from(if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) }))
        }
        Operator::Concat => Ok(SqlValue::from(left.text().zip(right.text()).map(|(a, b)| format!("{a}{b}")))),
        Operator::Equal => ordered(Ordering::is_eq),
        Operator::NotEqual => ordered(Ordering::is_ne),
        Operator::Less => ordered(Ordering::is_lt),
        Operator::LessEqual => ordered(Ordering::is_le),
        Operator::Greater => ordered(Ordering::is_gt),
        Operator::GreaterEqual => ordered(Ordering::is_ge),
        Operator::Plus => arithmetic(|a, b| a + b),
        Operator::Minus => arithmetic(|a, b| a - b),
        Operator::Times => arithmetic(|a, b| a * b),
        // Division by 0 gives a missing value: `SqlValue` is never infinite.
        Operator::Divide => arithmetic(|a, b| a / b),
        Operator::Modulo => arithmetic(|a, b| a % b),
    }
}

/// SQL's `LIKE`: `%` matches any text, `_` any character.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // Positions in the pattern and the text at the last `%`, for backtracking.
    let (mut at, mut wanted, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(wanted) {
            Some('%') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(letter) if *letter == '_' || *letter == text[at] => (at, wanted) = (at + 1, wanted + 1),
            _ => match star {
                Some((position, from)) => {
                    star = Some((position, from + 1));
                    (at, wanted) = (from + 1, position + 1);
                }
                None => return false,
            },
        }
    }
    pattern[wanted..].iter().all(|letter| *letter == '%')
}
