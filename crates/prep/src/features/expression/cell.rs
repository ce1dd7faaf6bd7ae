//! One value, and what operators and functions make of it.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::frame::{Column, Frame, number_text};

use super::parse::{Binary, Function, Node};

/// A value of one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Cell {
    /// Missing.
    Null,
    /// A number; never NaN.
    Number(f64),
    /// A text.
    Text(String),
    /// A truth value.
    Bool(bool),
}

impl From<f64> for Cell {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }
}

impl From<Option<bool>> for Cell {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Null, Self::Bool)
    }
}

impl Cell {
    /// The value as a number; a text has to read as one.
    pub fn number(&self) -> Result<Option<f64>, String> {
        match self {
            Self::Null => Ok(None),
            Self::Number(number) => Ok(Some(*number)),
            Self::Bool(truth) => Ok(Some(f64::from(u8::from(*truth)))),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(format!("`{text}` is no number")),
            },
        }
    }

    /// The value as a text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Number(number) => Some(number_text(*number).into()),
            Self::Text(text) => Some(text.as_str().into()),
            Self::Bool(truth) => Some(truth.to_string().into()),
        }
    }

    fn truth(&self) -> Result<Option<bool>, String> {
        match self {
            Self::Bool(truth) => Ok(Some(*truth)),
            Self::Text(text) if text == "true" || text == "false" => Ok(Some(text == "true")),
            other => Ok(other.number()?.map(|number| number != 0.0)),
        }
    }

    /// Texts as texts, anything else as numbers; `None` where one is missing.
    fn compare(&self, other: &Self) -> Result<Option<Ordering>, String> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => Ok(None),
            (Self::Text(a), Self::Text(b)) => Ok(Some(a.cmp(b))),
            (a, b) => Ok(a.number()?.zip(b.number()?).and_then(|(a, b)| a.partial_cmp(&b))),
        }
    }
}

impl Node {
    /// Its value in a row.
    pub fn eval(&self, frame: &Frame, row: usize) -> Result<Cell, String> {
        Ok(match self {
            Self::Literal(cell) => cell.clone(),
            Self::Column(name) => match frame.get(name) {
                Some(Column::Number { values, .. }) => Cell::from(values[row]),
                Some(column) => column.text(row).map_or(Cell::Null, |text| Cell::Text(text.into_owned())),
                None => Cell::Null,
            },
            Self::Minus(of) => {
                of.eval(frame, row)?.number()?.map_or(Cell::Null, |number| Cell::from(-number))
            }
            Self::Not(of) => Cell::from(of.eval(frame, row)?.truth()?.map(|truth| !truth)),
            Self::IsNull { of, negated } => Cell::Bool((of.eval(frame, row)? == Cell::Null) != *negated),
            Self::Binary { op, left, right } => {
                binary(*op, &left.eval(frame, row)?, &right.eval(frame, row)?)?
            }
            Self::In { of, list, negated } => {
                let value = of.eval(frame, row)?;
                let mut found = Some(false);
                for other in list {
                    match value.compare(&other.eval(frame, row)?)? {
                        Some(Ordering::Equal) => return Ok(Cell::Bool(!negated)),
                        None => found = None,
                        Some(_) => {}
                    }
                }
                Cell::from(found.map(|found| found != *negated))
            }
            Self::Like { of, pattern, negated } => {
                let value = of.eval(frame, row)?;
                let found = value.text().map(|text| like(&text, pattern));
                Cell::from(found.map(|found| found != *negated))
            }
            Self::Case { cases, otherwise } => {
                for (condition, value) in cases {
                    if condition.eval(frame, row)?.truth()? == Some(true) {
                        return value.eval(frame, row);
                    }
                }
                otherwise.as_ref().map_or(Ok(Cell::Null), |value| value.eval(frame, row))?
            }
            Self::Call { function, of } => {
                let values: Vec<Cell> = of.iter().map(|of| of.eval(frame, row)).collect::<Result<_, _>>()?;
                call(*function, &values)?
            }
        })
    }
}

fn binary(op: Binary, left: &Cell, right: &Cell) -> Result<Cell, String> {
    match op {
        // False or true whatever the other is (SQL's three values).
        Binary::And => {
            let (a, b) = (left.truth()?, right.truth()?);
            return Ok(Cell::from(if a == Some(false) || b == Some(false) { Some(false) } else { a.and(b) }));
        }
        Binary::Or => {
            let (a, b) = (left.truth()?, right.truth()?);
            return Ok(Cell::from(if a == Some(true) || b == Some(true) { Some(true) } else { a.and(b) }));
        }
        Binary::Join => {
            let joined = left.text().zip(right.text()).map(|(a, b)| format!("{a}{b}"));
            return Ok(joined.map_or(Cell::Null, Cell::Text));
        }
        _ => {}
    }
    let ordered = |fits: fn(Ordering) -> bool| Ok(Cell::from(left.compare(right)?.map(fits)));
    match op {
        Binary::Equal => return ordered(Ordering::is_eq),
        Binary::NotEqual => return ordered(Ordering::is_ne),
        Binary::Less => return ordered(Ordering::is_lt),
        Binary::LessEqual => return ordered(Ordering::is_le),
        Binary::Greater => return ordered(Ordering::is_gt),
        Binary::GreaterEqual => return ordered(Ordering::is_ge),
        _ => {}
    }
    let Some((a, b)) = left.number()?.zip(right.number()?) else { return Ok(Cell::Null) };
    // What is divided by 0 is missing.
    Ok(Cell::from(match op {
        Binary::Plus => a + b,
        Binary::Minus => a - b,
        Binary::Times => a * b,
        Binary::Divide => a / b,
        _ => a % b,
    }))
}

fn call(function: Function, of: &[Cell]) -> Result<Cell, String> {
    let text = |change: fn(&str) -> String| of[0].text().map_or(Cell::Null, |text| Cell::Text(change(&text)));
    let one =
        |change: fn(f64) -> f64| Ok(of[0].number()?.map_or(Cell::Null, |number| Cell::from(change(number))));
    match function {
        Function::Abs => one(f64::abs),
        Function::Ceil => one(f64::ceil),
        Function::Floor => one(f64::floor),
        Function::Sqrt => one(f64::sqrt),
        Function::Exp => one(f64::exp),
        Function::Ln => one(f64::ln),
        Function::Log10 => one(f64::log10),
        Function::Round => {
            let digits = of.get(1).map_or(Ok(Some(0.0)), Cell::number)?;
            let rounded = of[0].number()?.zip(digits).map(|(number, digits)| {
                let scale = 10_f64.powf(digits.trunc());
                (number * scale).round() / scale
            });
            Ok(rounded.map_or(Cell::Null, Cell::from))
        }
        Function::Power => {
            Ok(of[0].number()?.zip(of[1].number()?).map_or(Cell::Null, |(a, b)| Cell::from(a.powf(b))))
        }
        Function::Least | Function::Greatest => {
            let mut best: Option<f64> = None;
            for cell in of {
                if let Some(number) = cell.number()? {
                    let pick = if function == Function::Least { f64::min } else { f64::max };
                    best = Some(best.map_or(number, |best| pick(best, number)));
                }
            }
            Ok(best.map_or(Cell::Null, Cell::Number))
        }
        Function::Coalesce => Ok(of.iter().find(|cell| **cell != Cell::Null).cloned().unwrap_or(Cell::Null)),
        Function::NullIf => {
            Ok(if of[0].compare(&of[1])? == Some(Ordering::Equal) { Cell::Null } else { of[0].clone() })
        }
        Function::Lower => Ok(text(str::to_lowercase)),
        Function::Upper => Ok(text(str::to_uppercase)),
        Function::Trim => Ok(text(|text| text.trim_matches(' ').to_owned())),
        Function::Length => {
            Ok(of[0].text().map_or(Cell::Null, |text| Cell::Number(text.chars().count() as f64)))
        }
        // A missing part is no part, as in Postgres.
        Function::Concat => Ok(Cell::Text(of.iter().filter_map(Cell::text).collect())),
        Function::Substr => {
            let Some((text, start)) = of[0].text().zip(of[1].number()?) else { return Ok(Cell::Null) };
            let length = of.get(2).map_or(Ok(Some(f64::INFINITY)), Cell::number)?;
            let Some(length) = length else { return Ok(Cell::Null) };
            let kept = text.chars().zip(1_u32..).filter(|(_, place)| {
                let place = f64::from(*place);
                place >= start && place < start + length
            });
            Ok(Cell::Text(kept.map(|(letter, _)| letter).collect()))
        }
    }
}

/// SQL's pattern: `%` is any text, `_` any letter.
fn like(text: &str, pattern: &str) -> bool {
    let (text, pattern): (Vec<char>, Vec<char>) = (text.chars().collect(), pattern.chars().collect());
    // Where the last `%` was, and how far the text was then.
    let (mut at, mut wanted, mut star) = (0, 0, None);
    while at < text.len() {
        match pattern.get(wanted) {
            Some('%') => {
                star = Some((wanted, at));
                wanted += 1;
            }
            Some(letter) if *letter == '_' || *letter == text[at] => (at, wanted) = (at + 1, wanted + 1),
            _ => match star {
                Some((place, from)) => {
                    star = Some((place, from + 1));
                    (at, wanted) = (from + 1, place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[wanted..].iter().all(|letter| *letter == '%')
}
