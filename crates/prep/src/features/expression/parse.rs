//! Parsing of an expression.

use sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function as SqlFunction, FunctionArg, FunctionArgExpr, FunctionArguments,
    UnaryOperator, Value,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserError};

use super::functions::Function;
use super::node::{Node, Operator};
use super::value::{ExpressionError, SqlValue};

/// Depth of nested parentheses that the parser accepts.
const RECURSION_LIMIT: usize = 100;

/// Parses a text that is one expression.
///
/// # Errors
/// SQL that is invalid or not supported.
pub(super) fn parse(sql: &str) -> Result<Node, ExpressionError> {
    let invalid = |error: ParserError| ExpressionError(format!("{error}; check the SQL"));
    let parser = Parser::new(&GenericDialect {}).with_recursion_limit(RECURSION_LIMIT);
    let mut parser = parser.try_with_sql(sql).map_err(invalid)?;
    let expression = parser.parse_expr().map_err(invalid)?;
    let rest = parser.peek_token();
    if rest.token != sqlparser::tokenizer::Token::EOF {
        return Err(ExpressionError(format!("unexpected `{rest}`; write one expression of a row")));
    }
    node(&expression)
}

fn node(expression: &Expr) -> Result<Node, ExpressionError> {
    Ok(match expression {
        Expr::Identifier(name) => Node::Column(name.value.clone()),
        Expr::Nested(inner) => node(inner)?,
        Expr::Value(value) => Node::Literal(literal(&value.value)?),
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Node::Minus(boxed(expr)?),
        Expr::UnaryOp { op: UnaryOperator::Plus, expr } => node(expr)?,
        Expr::UnaryOp { op: UnaryOperator::Not, expr } => Node::Not(boxed(expr)?),
        Expr::BinaryOp { left, op, right } => binary(operator(op)?, left, right)?,
        Expr::IsNull(of) => Node::IsNull { of: boxed(of)?, negated: false },
        Expr::IsNotNull(of) => Node::IsNull { of: boxed(of)?, negated: true },
        Expr::InList { expr, list, negated } => Node::In {
            of: boxed(expr)?,
            list: list.iter().map(node).collect::<Result<_, _>>()?,
            negated: *negated,
        },
        Expr::Between { expr, negated, low, high } => {
            let left = Box::new(binary(Operator::GreaterEqual, expr, low)?);
            let right = Box::new(binary(Operator::LessEqual, expr, high)?);
            let between = Node::Binary { op: Operator::And, left, right };
            if *negated { Node::Not(Box::new(between)) } else { between }
        }
        Expr::Like { negated, any: false, expr, pattern, escape_char: None } => match node(pattern)? {
            Node::Literal(SqlValue::Text(pattern)) => {
                Node::Like { of: boxed(expr)?, pattern, negated: *negated }
            }
            _ => return Err(ExpressionError("LIKE requires a text in quotes".to_owned())),
        },
        Expr::Case { operand, conditions, else_result, .. } => {
            let operand = operand.as_deref();
            let cases = conditions.iter().map(|when| case(operand, when)).collect::<Result<_, _>>()?;
            Node::Case { cases, otherwise: else_result.as_ref().map(|value| boxed(value)).transpose()? }
        }
        Expr::Floor { expr, .. } => call("floor", vec![node(expr)?])?,
        Expr::Ceil { expr, .. } => call("ceil", vec![node(expr)?])?,
        Expr::Trim { expr, trim_where: None, trim_what: None, .. } => call("trim", vec![node(expr)?])?,
        Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let mut arguments = vec![node(expr)?, node(from)?];
            if let Some(length) = substring_for {
                arguments.push(node(length)?);
            }
            call("substr", arguments)?
        }
        Expr::Function(function) => function_node(function)?,
        other => {
            let why = format!("`{other}` is not supported; see `cupola schema` for supported expressions");
            return Err(ExpressionError(why));
        }
    })
}

fn boxed(expression: &Expr) -> Result<Box<Node>, ExpressionError> {
    node(expression).map(Box::new)
}

fn binary(op: Operator, left: &Expr, right: &Expr) -> Result<Node, ExpressionError> {
    Ok(Node::Binary { op, left: boxed(left)?, right: boxed(right)? })
}

/// Condition and value of one `WHEN`. With an operand, the condition is that it equals the expression.
fn case(operand: Option<&Expr>, when: &CaseWhen) -> Result<(Node, Node), ExpressionError> {
    let condition = match operand {
        None => node(&when.condition)?,
        Some(operand) => binary(Operator::Equal, operand, &when.condition)?,
    };
    Ok((condition, node(&when.result)?))
}

fn function_node(function: &SqlFunction) -> Result<Node, ExpressionError> {
    let FunctionArguments::List(list) = &function.args else {
        let why = format!("`{function}` takes no rows; use `data.query` for functions of several rows");
        return Err(ExpressionError(why));
    };
    if function.over.is_some() {
        let why = "a window function reads several rows; use `data.query` for it";
        return Err(ExpressionError(why.to_owned()));
    }
    let arguments = list.args.iter().map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => node(expression),
        other => Err(ExpressionError(format!("argument `{other}` is not supported"))),
    });
    call(&function.name.to_string().to_lowercase(), arguments.collect::<Result<_, _>>()?)
}

fn call(name: &str, arguments: Vec<Node>) -> Result<Node, ExpressionError> {
    Ok(Node::Call { function: Function::find(name, arguments.len())?, arguments })
}

fn literal(value: &Value) -> Result<SqlValue, ExpressionError> {
    match value {
        Value::Null => Ok(SqlValue::Null),
        Value::Boolean(truth) => Ok(SqlValue::Bool(*truth)),
        Value::SingleQuotedString(text) => Ok(SqlValue::Text(text.clone())),
        Value::Number(text, _) => match text.parse() {
            Ok(number) => Ok(SqlValue::Number(number)),
            Err(_) => Err(ExpressionError(format!("expected a number, found `{text}`"))),
        },
        other => {
            let why =
                format!("literal `{other}` is not supported; write a number or a text in single quotes");
            Err(ExpressionError(why))
        }
    }
}

fn operator(op: &BinaryOperator) -> Result<Operator, ExpressionError> {
    Ok(match op {
        BinaryOperator::Plus => Operator::Plus,
        BinaryOperator::Minus => Operator::Minus,
        BinaryOperator::Multiply => Operator::Times,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::StringConcat => Operator::Concat,
        BinaryOperator::Eq => Operator::Equal,
        BinaryOperator::NotEq => Operator::NotEqual,
        BinaryOperator::Lt => Operator::Less,
        BinaryOperator::LtEq => Operator::LessEqual,
        BinaryOperator::Gt => Operator::Greater,
        BinaryOperator::GtEq => Operator::GreaterEqual,
        BinaryOperator::And => Operator::And,
        BinaryOperator::Or => Operator::Or,
        other => return Err(ExpressionError(format!("operator `{other}` is not supported"))),
    })
}
