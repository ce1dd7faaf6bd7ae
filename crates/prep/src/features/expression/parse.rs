//! From the text of an expression to what is computed.

use std::collections::BTreeSet;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, UnaryOperator, Value,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use super::cell::Cell;
use crate::frame::{Column, Frame};

/// Functions by their names, with the least and the largest number of arguments.
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

/// What is computed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Node {
    Literal(Cell),
    Column(String),
    Minus(Box<Self>),
    Not(Box<Self>),
    IsNull { of: Box<Self>, negated: bool },
    Binary { op: Binary, left: Box<Self>, right: Box<Self> },
    In { of: Box<Self>, list: Vec<Self>, negated: bool },
    Like { of: Box<Self>, pattern: String, negated: bool },
    Case { cases: Vec<(Self, Self)>, otherwise: Option<Box<Self>> },
    Call { function: Function, of: Vec<Self> },
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binary {
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Join,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
}

/// A function.
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

/// Understands a whole text.
pub(super) fn parse(sql: &str) -> Result<Node, String> {
    let said = |error: sqlparser::parser::ParserError| format!("{error}; check the SQL");
    let mut parser =
        Parser::new(&GenericDialect {}).with_recursion_limit(100).try_with_sql(sql).map_err(said)?;
    let expression = parser.parse_expr().map_err(said)?;
    let rest = parser.peek_token();
    if rest.token != sqlparser::tokenizer::Token::EOF {
        return Err(format!("`{rest}` is left over; write one expression of a row"));
    }
    node(&expression)
}

fn node(expression: &Expr) -> Result<Node, String> {
    let boxed = |expression: &Expr| node(expression).map(Box::new);
    Ok(match expression {
        Expr::Identifier(name) => Node::Column(name.value.clone()),
        Expr::Nested(inner) => node(inner)?,
        Expr::Value(value) => Node::Literal(literal(&value.value)?),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Node::Minus(boxed(expr)?),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => node(expr)?,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Node::Not(boxed(expr)?),
        Expr::BinaryOp { left, op, right } => {
            Node::Binary { op: operator(op)?, left: boxed(left)?, right: boxed(right)? }
        }
        Expr::IsNull(of) => Node::IsNull { of: boxed(of)?, negated: false },
        Expr::IsNotNull(of) => Node::IsNull { of: boxed(of)?, negated: true },
        Expr::InList { expr, list, negated } => Node::In {
            of: boxed(expr)?,
            list: list.iter().map(node).collect::<Result<_, _>>()?,
            negated: *negated,
        },
        Expr::Between { expr, negated, low, high } => {
            let at = |op, bound: &Expr| {
                Ok::<_, String>(Box::new(Node::Binary { op, left: boxed(expr)?, right: boxed(bound)? }))
            };
            let (left, right) = (at(Binary::GreaterEqual, low)?, at(Binary::LessEqual, high)?);
            let between = Node::Binary { op: Binary::And, left, right };
            if *negated { Node::Not(Box::new(between)) } else { between }
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => match node(pattern)? {
            Node::Literal(Cell::Text(pattern)) => Node::Like { of: boxed(expr)?, pattern, negated: *negated },
            _ => return Err("LIKE takes a text in quotes".to_owned()),
        },
        Expr::Case { operand, conditions, else_result, .. } => {
            let mut cases = Vec::new();
            for case in conditions {
                let condition = match operand {
                    None => node(&case.condition)?,
                    Some(of) => {
                        Node::Binary { op: Binary::Equal, left: boxed(of)?, right: boxed(&case.condition)? }
                    }
                };
                cases.push((condition, node(&case.result)?));
            }
            Node::Case { cases, otherwise: else_result.as_ref().map(|value| boxed(value)).transpose()? }
        }
        Expr::Floor { expr, .. } => called("floor", vec![node(expr)?])?,
        Expr::Ceil { expr, .. } => called("ceil", vec![node(expr)?])?,
        Expr::Trim { expr, trim_where: None, trim_what: None, .. } => called("trim", vec![node(expr)?])?,
        Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let mut of = vec![node(expr)?, node(from)?];
            if let Some(length) = substring_for {
                of.push(node(length)?);
            }
            called("substr", of)?
        }
        Expr::Function(function) => {
            let FunctionArguments::List(list) = &function.args else {
                return Err(format!("`{function}` takes no rows; use `data.query` for what needs several"));
            };
            if function.over.is_some() {
                return Err("a window goes over several rows; use `data.query` for it".to_owned());
            }
            let each = list.args.iter().map(|argument| match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => node(expression),
                other => Err(format!("`{other}` is no value")),
            });
            called(&function.name.to_string().to_lowercase(), each.collect::<Result<_, _>>()?)?
        }
        other => {
            return Err(format!("`{other}` cannot be computed of one row; see `cupola schema` for what can"));
        }
    })
}

fn called(name: &str, of: Vec<Node>) -> Result<Node, String> {
    let Some((_, function, least, most)) = FUNCTIONS.iter().find(|(known, ..)| *known == name) else {
        let near = cupola_spec::nearest(name, FUNCTIONS.iter().map(|(known, ..)| *known));
        let near = near.map_or(String::new(), |near| format!(" (near it: {near})"));
        return Err(format!("there is no function `{name}`{near}; use one of a row"));
    };
    if of.len() < *least || of.len() > *most {
        return Err(format!("`{name}` does not take {} values; check the SQL", of.len()));
    }
    Ok(Node::Call { function: *function, of })
}

fn literal(value: &Value) -> Result<Cell, String> {
    match value {
        Value::Null => Ok(Cell::Null),
        Value::Boolean(truth) => Ok(Cell::Bool(*truth)),
        Value::SingleQuotedString(text) => Ok(Cell::Text(text.clone())),
        Value::Number(text, _) => {
            text.parse().map(Cell::Number).map_err(|_| format!("`{text}` is no number"))
        }
        other => Err(format!("`{other}` is no value of a row; write a number or a text in single quotes")),
    }
}

fn operator(op: &BinaryOperator) -> Result<Binary, String> {
    Ok(match op {
        BinaryOperator::Plus => Binary::Plus,
        BinaryOperator::Minus => Binary::Minus,
        BinaryOperator::Multiply => Binary::Times,
        BinaryOperator::Divide => Binary::Divide,
        BinaryOperator::Modulo => Binary::Modulo,
        BinaryOperator::StringConcat => Binary::Join,
        BinaryOperator::Eq => Binary::Equal,
        BinaryOperator::NotEq => Binary::NotEqual,
        BinaryOperator::Lt => Binary::Less,
        BinaryOperator::LtEq => Binary::LessEqual,
        BinaryOperator::Gt => Binary::Greater,
        BinaryOperator::GtEq => Binary::GreaterEqual,
        BinaryOperator::And => Binary::And,
        BinaryOperator::Or => Binary::Or,
        other => return Err(format!("`{other}` is not among the operators of a feature")),
    })
}

impl Node {
    /// Adds the columns that it reads.
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
            Self::Call { of, .. } => of.iter().for_each(|node| node.columns(found)),
        }
    }

    /// Whether its values are texts: known before any row is, so that a batch of missing values has the
    /// type of all others.
    pub fn is_text(&self, frame: &Frame) -> bool {
        match self {
            Self::Literal(cell) => matches!(cell, Cell::Text(_)),
            Self::Column(name) => matches!(frame.get(name), Some(Column::Text(_))),
            Self::Binary { op, .. } => *op == Binary::Join,
            Self::Case { cases, otherwise } => {
                let mut values = cases.iter().map(|(_, value)| value).chain(otherwise.as_deref());
                values.any(|value| value.is_text(frame))
            }
            Self::Call { function, of } => match function {
                Function::Lower | Function::Upper | Function::Trim | Function::Concat | Function::Substr => {
                    true
                }
                Function::Coalesce | Function::NullIf => of.iter().any(|of| of.is_text(frame)),
                _ => false,
            },
            Self::Minus(_) | Self::Not(_) | Self::IsNull { .. } | Self::In { .. } | Self::Like { .. } => {
                false
            }
        }
    }
}
