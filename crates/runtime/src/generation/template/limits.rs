//! Limits of chat templates, beyond the fuel that minijinja counts: templates come with models, which strangers make.

use std::fmt::{self, Write as _};

use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, escape_formatter, filters, tests};
use minijinja_contrib::pycompat::unknown_method_callback;

/// Instructions that a template may execute; 64 bytes of text count as one.
const FUEL: u64 = 2_000_000;
/// Bytes of a template.
const MAX_TEMPLATE: usize = 256 << 10;
/// Tokens between the brackets of one tag. Compiling is recursive in the length of an expression.
const MAX_TAG: usize = 600;
/// Branches of conditions in a template, which are nested when they are compiled.
const MAX_BRANCHES: usize = 200;
/// Values in lists and maps of which a text is made, and pieces of 64 bytes.
const MAX_VALUES: u64 = 200_000;
/// Depth of lists and maps of which a text is made.
const MAX_DEPTH: usize = 64;
/// Width and precision of a formatted value.
const MAX_WIDTH: usize = 1_000;

/// Checks what would cost much to compile.
///
/// # Errors
/// The limit that is exceeded.
pub(in crate::generation) fn check_template(template: &str, syntax: SyntaxConfig) -> Result<(), Error> {
    // The lexer panics at some templates.
    let checked = cupola_nn::catch_panic(|| check_tags(template, syntax));
    checked.unwrap_or_else(|_| Err(exceeded(format_args!("its comments or tags do not end"))))
}

fn check_tags(template: &str, syntax: SyntaxConfig) -> Result<(), Error> {
    if template.len() > MAX_TEMPLATE {
        return Err(exceeded(format_args!("it is longer than {MAX_TEMPLATE} bytes")));
    }
    let (mut tag, mut branches, mut first) = (0, 0, false);
    // The compiler reports an invalid token.
    for (token, _) in tokenize(template, false, syntax).map_while(Result::ok) {
        branches += usize::from(first && matches!(token, Token::Ident("elif")));
        first = matches!(token, Token::BlockStart);
        tag = match token {
            Token::BlockStart | Token::VariableStart | Token::TemplateData(_) => 0,
            _ => tag + 1,
        };
        if tag > MAX_TAG || branches > MAX_BRANCHES {
            let what = "a tag has more than 600 parts, or the template more than 200 branches";
            return Err(exceeded(format_args!("{what}")));
        }
    }
    Ok(())
}

/// Sets limits, and replaces what could make much of little.
pub(in crate::generation) fn limit(environment: &mut Environment<'static>) {
    environment.set_fuel(Some(FUEL));
    environment.set_formatter(emit);
    environment.set_unknown_method_callback(method);
    environment.add_function("debug", || -> Result<String, Error> {
        Err(exceeded(format_args!("`debug` shows all values")))
    });
    environment.add_filter("join", join);
    environment.add_filter("string", string);
    environment.add_filter("pprint", pprint);
    environment.add_filter("indent", indent);
    super::program::register(environment);
    measure_filters(environment);
    measure_tests(environment);
}

/// Name under which a filter of the engine is kept that is called once its arguments are measured.
macro_rules! measured_filters {
    ($environment:ident: $($name:literal = $filter:path),* $(,)?) => {$(
        $environment.add_filter(concat!("#", $name), $filter);
        $environment.add_filter($name, |state: &mut State<'_, '_>, args: Rest<Value>| -> Result<Value, Error> {
            args.iter().try_for_each(|arg| measure(state, arg))?;
            state.apply_filter(concat!("#", $name), &args)
        });
    )*};
}

/// Measures what filters compare or make a text of.
fn measure_filters(environment: &mut Environment<'static>) {
    measured_filters!(environment:
        "upper" = filters::upper, "lower" = filters::lower, "title" = filters::title,
        "capitalize" = filters::capitalize, "replace" = filters::replace, "trim" = filters::trim,
        "escape" = filters::escape, "e" = filters::escape, "#indent" = filters::indent,
        "format" = filters::format, "min" = filters::min, "max" = filters::max, "sort" = filters::sort,
        "unique" = filters::unique, "groupby" = filters::groupby, "dictsort" = filters::dictsort,
    );
}

macro_rules! measured_tests {
    ($environment:ident: $($($name:literal)|+ = $compare:expr),* $(,)?) => {$($(
        $environment.add_test($name, |state: &State<'_, '_>, one: Value, other: Value| -> Result<bool, Error> {
            measure(state, &one)?;
            measure(state, &other)?;
            Ok($compare(&one, &other))
        });
    )+)*};
}

/// Measures what tests compare.
fn measure_tests(environment: &mut Environment<'static>) {
    measured_tests!(environment:
        "eq" | "equalto" | "==" = Value::eq, "ne" | "!=" = Value::ne,
        "lt" | "lessthan" | "<" = Value::lt, "le" | "<=" = Value::le,
        "gt" | "greaterthan" | ">" = Value::gt, "ge" | ">=" = Value::ge,
    );
    environment.add_test("in", |state: &State<'_, '_>, one: Value, other: Value| -> Result<bool, Error> {
        measure(state, &one)?;
        measure(state, &other)?;
        tests::is_in(state, &one, &other)
    });
}

/// Writes a value whose size was measured first.
fn emit(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    measure(state, value)?;
    escape_formatter(out, state, value)
}

/// Takes fuel for all values in a list or map. Shared parts count each time, as they would be written.
///
/// # Errors
/// [`ErrorKind::OutOfFuel`] for too many values.
pub(super) fn measure(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    if value.as_object().is_none() {
        return Ok(());
    }
    let mut left = MAX_VALUES;
    walk(value, 0, &mut left)?;
    state.consume_fuel((MAX_VALUES - left) / 8)
}

fn walk(value: &Value, depth: usize, left: &mut u64) -> Result<(), Error> {
    let size = 1 + value.as_str().map_or(0, |text| text.len() as u64 / 64);
    let rest = left.checked_sub(size).filter(|_| depth <= MAX_DEPTH);
    *left = rest.ok_or_else(|| exceeded(format_args!("a value is too large to be written")))?;
    match value.kind() {
        ValueKind::Map => {
            for key in value.try_iter()? {
                walk(&key, depth + 1, left)?;
                walk(&value.get_item(&key)?, depth + 1, left)?;
            }
        }
        ValueKind::Seq | ValueKind::Iterable => {
            for item in value.try_iter()? {
                walk(&item, depth + 1, left)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Methods of Python's strings, lists and maps.
fn method(state: &mut State<'_, '_>, value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    for arg in args {
        measure(state, arg)?;
    }
    let separator = args.first().and_then(Value::as_str);
    if let Some(text) = value.as_str() {
        match name {
            "format" => check_format(state, text, args)?,
            "split" => {
                let parts = match separator.filter(|separator| !separator.is_empty()) {
                    Some(separator) => text.matches(separator).count(),
                    None => text.split_whitespace().count(),
                };
                state.consume_fuel(parts as u64)?;
            }
            "splitlines" => state.consume_fuel(text.lines().count() as u64)?,
            _ => {}
        }
    }
    unknown_method_callback(state, value, name, args)
}

/// Refuses wide fields, whose width Python would obey.
fn check_format(state: &State<'_, '_>, format: &str, args: &[Value]) -> Result<(), Error> {
    let mut numbers = format.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    if numbers.any(|digits| digits.parse::<usize>().map_or(true, |width| width > MAX_WIDTH)) {
        return Err(exceeded(format_args!("a format has a width above {MAX_WIDTH}")));
    }
    let (mut fields, mut open, mut characters) = (0_u64, false, format.chars().peekable());
    while let Some(character) = characters.next() {
        match character {
            // An escaped brace.
            '{' if !open && characters.peek() == Some(&'{') => drop(characters.next()),
            // The width may be another value.
            '{' if open => return Err(exceeded(format_args!("a format has a field in a field"))),
            '{' => (fields, open) = (fields + 1, true),
            '}' => open = false,
            _ => {}
        }
    }
    let bytes: u64 = args.iter().map(|arg| arg.as_str().map_or(64, str::len) as u64).sum();
    state.consume_fuel(fields.saturating_mul(bytes / 64 + 1))
}

/// Text of a list with a separator.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn join(
    state: &State<'_, '_>,
    value: Value,
    separator: Option<String>,
    options: minijinja::value::Kwargs,
) -> Result<String, Error> {
    measure(state, &value)?;
    let attribute: Option<String> = options.get("attribute")?;
    let separator = match separator {
        Some(separator) => separator,
        None => options.get::<Option<String>>("d")?.unwrap_or_default(),
    };
    options.assert_all_used()?;
    let mut out = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        let item = match &attribute {
            Some(name) => item.get_attr(name)?,
            None => item,
        };
        if index > 0 {
            out.push_str(&separator);
        }
        state.consume_fuel(1 + separator.len() as u64 / 64)?;
        write!(out, "{item}").map_err(|_: fmt::Error| exceeded(format_args!("a list can't be joined")))?;
    }
    Ok(out)
}

/// Text of a value.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn string(state: &State<'_, '_>, value: Value) -> Result<Value, Error> {
    measure(state, &value)?;
    Ok(if value.as_str().is_some() { value } else { Value::from(value.to_string()) })
}

/// Text whose lines are indented.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn indent(state: &mut State<'_, '_>, args: Rest<Value>) -> Result<Value, Error> {
    let width = args.get(1).and_then(Value::as_usize).unwrap_or_default();
    if width > MAX_WIDTH {
        return Err(exceeded(format_args!("a text is indented by more than {MAX_WIDTH}")));
    }
    let lines = args.first().and_then(Value::as_str).map_or(0, |text| text.lines().count());
    state.consume_fuel((lines as u64).saturating_mul(1 + width as u64 / 64))?;
    state.apply_filter("#indent", &args)
}

/// Text of a value for developers.
#[allow(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn pprint(state: &State<'_, '_>, value: Value) -> Result<String, Error> {
    measure(state, &value)?;
    Ok(format!("{value:#?}"))
}

/// Error for a template that exceeds a limit, which no other messages would mend.
fn exceeded(why: fmt::Arguments<'_>) -> Error {
    Error::new(ErrorKind::OutOfFuel, format!("it is too expensive: {why}"))
}
