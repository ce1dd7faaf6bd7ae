//! Values of an expression.

use std::borrow::Cow;
use std::cmp::Ordering;

use cupola_values::number_text;

/// Cause for which an expression is invalid or cannot be computed, with the remedy if there is one.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct ExpressionError(pub String);

/// Value of an expression in one row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum SqlValue {
    /// Missing value.
    Null,
    /// Finite number.
    Number(f64),
    /// Text.
    Text(String),
    /// Truth value.
    Bool(bool),
}

impl From<f64> for SqlValue {
    fn from(number: f64) -> Self {
        if number.is_finite() { Self::Number(number) } else { Self::Null }
    }
}

impl From<Option<f64>> for SqlValue {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Null, Self::from)
    }
}

impl From<Option<bool>> for SqlValue {
    fn from(truth: Option<bool>) -> Self {
        truth.map_or(Self::Null, Self::Bool)
    }
}

impl From<Option<String>> for SqlValue {
    fn from(text: Option<String>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl SqlValue {
    /// The value as a number; texts are parsed.
    ///
    /// # Errors
    /// A text that is not a finite number.
    pub fn number(&self) -> Result<Option<f64>, ExpressionError> {
        match self {
            Self::Null => Ok(None),
            Self::Number(number) => Ok(Some(*number)),
            Self::Bool(truth) => Ok(Some(f64::from(u8::from(*truth)))),
            Self::Text(text) => match text.trim().parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Some(number)),
                _ => Err(ExpressionError(format!("expected a number, found `{text}`"))),
            },
        }
    }

    /// The value as text.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Number(number) => Some(number_text(*number).into()),
            Self::Text(text) => Some(text.as_str().into()),
            Self::Bool(truth) => Some(truth.to_string().into()),
        }
    }

    /// The value as a truth value; a number is true unless it is 0.
    ///
    /// # Errors
    /// A text that is neither a truth value nor a number.
    pub fn truth(&self) -> Result<Option<bool>, ExpressionError> {
        match self {
            Self::Bool(truth) => Ok(Some(*truth)),
            Self::Text(text) if text == "true" || text == "false" => Ok(Some(text == "true")),
            other => Ok(other.number()?.map(|number| number != 0.0)),
        }
    }

    /// Compares two texts as texts, and other pairs as numbers; `None` if a value is missing.
    ///
    /// # Errors
    /// A text that is compared with a number and is not a number.
    pub fn compare(&self, other: &Self) -> Result<Option<Ordering>, ExpressionError> {
        match (self, other) {
            (Self::Null, _) | (_, Self::Null) => Ok(None),
            (Self::Text(a), Self::Text(b)) => Ok(Some(a.cmp(b))),
            (a, b) => Ok(a.number()?.zip(b.number()?).and_then(|(a, b)| a.partial_cmp(&b))),
        }
    }
}
