//! Syntax tree of an expression.

use std::collections::BTreeSet;

use super::functions::Function;
use super::value::SqlValue;
use crate::frame::{Column, Frame};

/// Node of the syntax tree.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Literal(SqlValue),
    Column(String),
    Minus(Box<Self>),
    Not(Box<Self>),
    IsNull { of: Box<Self>, negated: bool },
    Binary { op: Operator, left: Box<Self>, right: Box<Self> },
    In { of: Box<Self>, list: Vec<Self>, negated: bool },
    Like { of: Box<Self>, pattern: String, negated: bool },
    Case { cases: Vec<(Self, Self)>, otherwise: Option<Box<Self>> },
    Call { function: Function, arguments: Vec<Self> },
}

/// Binary operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Concat,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
}

impl Node {
    /// Adds the columns that the node reads to `found`.
    pub fn columns(&self, found: &mut BTreeSet<String>) {
        match self {
            Self::Literal(_) => {}
            Self::Column(name) => {
                found.insert(name.clone());
            }
            Self::Minus(of) | Self::Not(of) | Self::IsNull { of, .. } | Self::Like { of, .. } => {
                of.columns(found);
            }
            Self::Binary { left, right, .. } => {
                left.columns(found);
                right.columns(found);
            }
            Self::In { of, list, .. } => {
                of.columns(found);
                for node in list {
                    node.columns(found);
                }
            }
            Self::Case { cases, otherwise } => {
                for (condition, value) in cases {
                    condition.columns(found);
                    value.columns(found);
                }
                if let Some(node) = otherwise {
                    node.columns(found);
                }
            }
            Self::Call { arguments, .. } => arguments.iter().for_each(|node| node.columns(found)),
        }
    }

    /// `true` if the values are texts. The type follows from the columns alone, so a batch of missing values has
    /// the type of all others.
    pub fn is_text(&self, frame: &Frame) -> bool {
        match self {
            Self::Literal(value) => matches!(value, SqlValue::Text(_)),
            Self::Column(name) => matches!(frame.get(name), Some(Column::Text(_))),
            Self::Binary { op, .. } => *op == Operator::Concat,
            Self::Case { cases, otherwise } => {
                let mut values = cases.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                values.any(|value| value.is_text(frame))
            }
            Self::Call { function, arguments } => match function {
                Function::Lower | Function::Upper | Function::Trim | Function::Concat | Function::Substr => {
                    true
                }
                Function::Coalesce | Function::NullIf => arguments.iter().any(|node| node.is_text(frame)),
                _ => false,
            },
            Self::Minus(_) | Self::Not(_) | Self::IsNull { .. } | Self::In { .. } | Self::Like { .. } => {
                false
            }
        }
    }
}
