//! Functions of an expression.

use std::cmp::Ordering;

use super::value::{ExpressionError, SqlValue};

/// Functions by name, with the least and the largest number of arguments.
const FUNCTIONS: [(&str, Function, usize, usize); 23] = [
    ("abs", Function::Abs, 1, 1),
    ("ceil", Function::Ceil, 1, 1),
    ("floor", Function::Floor, 1, 1),
    ("round", Function::Round, 1, 2),
    ("sqrt", Function::Sqrt, 1, 1),
    ("exp", Function::Exp, 1, 1),
    ("ln", Function::Ln, 1, 1),
    ("log10", Function::Log10, 1, 1),
    ("power", Function::Power, 2, 2),
    ("pow", Function::Power, 2, 2),
    ("least", Function::Least, 1, usize::MAX),
    ("greatest", Function::Greatest, 1, usize::MAX),
    ("coalesce", Function::Coalesce, 1, usize::MAX),
    ("nullif", Function::NullIf, 2, 2),
    ("lower", Function::Lower, 1, 1),
    ("upper", Function::Upper, 1, 1),
    ("trim", Function::Trim, 1, 1),
    ("btrim", Function::Trim, 1, 1),
    ("length", Function::Length, 1, 1),
    ("char_length", Function::Length, 1, 1),
    ("concat", Function::Concat, 1, usize::MAX),
    ("substr", Function::Substr, 2, 3),
    ("substring", Function::Substr, 2, 3),
];

/// Function of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Abs,
    Ceil,
    Floor,
    Round,
    Sqrt,
    Exp,
    Ln,
    Log10,
    Power,
    Least,
    Greatest,
    Coalesce,
    NullIf,
    Lower,
    Upper,
    Trim,
    Length,
    Concat,
    Substr,
}

impl Function {
    /// Finds a function by its name and checks the number of arguments.
    ///
    /// # Errors
    /// An unknown name or a wrong number of arguments.
    pub fn find(name: &str, arguments: usize) -> Result<Self, ExpressionError> {
        let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
            let near = cupola_spec::nearest(name, FUNCTIONS.iter().map(|(known, ..)| *known));
            let hint = near.map_or_else(
                || "use a function of one row".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            return Err(ExpressionError(format!("unknown function `{name}`; {hint}")));
        };
        if arguments < *least || arguments > *most {
            return Err(ExpressionError(format!("`{name}` does not take {arguments} values; check the SQL")));
        }
        Ok(*function)
    }

    /// Applies the function. The number of values was checked by [`Self::find`].
    ///
    /// # Errors
    /// A text that is used as a number and is not one.
    pub fn call(self, values: &[SqlValue]) -> Result<SqlValue, ExpressionError> {
        let text =
            |change: fn(&str) -> String| Ok(SqlValue::from(values[0].text().map(|text| change(&text))));
        let number = |change: fn(f64) -> f64| Ok(SqlValue::from(values[0].number()?.map(change)));
        match self {
            Self::Abs => number(f64::abs),
            Self::Ceil => number(f64::ceil),
            Self::Floor => number(f64::floor),
            Self::Sqrt => number(f64::sqrt),
            Self::Exp => number(f64::exp),
            Self::Ln => number(f64::ln),
            Self::Log10 => number(f64::log10),
            Self::Round => round(values),
            Self::Power => {
                let pair = values[0].number()?.zip(values[1].number()?);
                Ok(SqlValue::from(pair.map(|(base, exponent)| base.powf(exponent))))
            }
            Self::Least => fold(values, f64::min),
            Self::Greatest => fold(values, f64::max),
            Self::Coalesce => {
                let present = values.iter().find(|value| **value != SqlValue::Null);
                Ok(present.cloned().unwrap_or(SqlValue::Null))
            }
            Self::NullIf => Ok(match values[0].compare(&values[1])? {
                Some(Ordering::Equal) => SqlValue::Null,
                _ => values[0].clone(),
            }),
            Self::Lower => text(str::to_lowercase),
            Self::Upper => text(str::to_uppercase),
            Self::Trim => text(|text| text.trim_matches(' ').to_owned()),
            Self::Length => Ok(SqlValue::from(values[0].text().map(|text| text.chars().count() as f64))),
            // Missing values are skipped, as in Postgres.
            Self::Concat => Ok(SqlValue::Text(values.iter().filter_map(SqlValue::text).collect())),
            Self::Substr => substr(values),
        }
    }
}

fn round(values: &[SqlValue]) -> Result<SqlValue, ExpressionError> {
    let digits = values.get(1).map_or(Ok(Some(0.0)), SqlValue::number)?;
    let rounded = values[0].number()?.zip(digits).map(|(number, digits)| {
        let scale = 10_f64.powf(digits.trunc());
        (number * scale).round() / scale
    });
    Ok(SqlValue::from(rounded))
}

/// Combines the values that are present.
fn fold(values: &[SqlValue], pick: fn(f64, f64) -> f64) -> Result<SqlValue, ExpressionError> {
    let mut best: Option<f64> = None;
    for value in values {
        if let Some(number) = value.number()? {
            best = Some(best.map_or(number, |best| pick(best, number)));
        }
    }
    Ok(best.map_or(SqlValue::Null, SqlValue::Number))
}

fn substr(values: &[SqlValue]) -> Result<SqlValue, ExpressionError> {
    let Some((text, start)) = values[0].text().zip(values[1].number()?) else { return Ok(SqlValue::Null) };
    let length = values.get(2).map_or(Ok(Some(f64::INFINITY)), SqlValue::number)?;
    let Some(length) = length else { return Ok(SqlValue::Null) };
    let inside = text.chars().zip(1_u32..).filter(|(_, position)| {
        let position = f64::from(*position);
        position >= start && position < start + length
    });
    Ok(SqlValue::Text(inside.map(|(letter, _)| letter).collect()))
}
