//! Compiled templates that measure lists and maps as they are made, compared and joined to texts.
//!
//! A list may hold another one twice, and so on, so that a short template makes a value that takes for ever to compare or
//! write. Fuel does not count that: the parts are shared.

use std::sync::Arc;

use minijinja::machinery::{
    CompiledTemplate, Instruction, Instructions, TemplateConfig, eval, make_string_output,
};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Rest;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value};

use super::limits::measure;

/// Name of the function that measures its argument and returns it. No template can spell it.
const CHECK: &str = "#measured";
/// Name of the function that makes a map of keys and values in turn.
const MAP: &str = "#map";

/// Registers the function that the instructions of a program call.
pub(super) fn register(environment: &mut Environment<'static>) {
    environment.add_function(CHECK, |state: &State<'_, '_>, value: Value| -> Result<Value, Error> {
        measure(state, &value)?;
        Ok(value)
    });
    // Keys are compared when they are put into a map.
    environment.add_function(MAP, |state: &State<'_, '_>, parts: Rest<Value>| -> Result<Value, Error> {
        parts.iter().try_for_each(|part| measure(state, part))?;
        let pairs = parts.chunks_exact(2);
        Ok(pairs.filter_map(|pair| Some((pair.first()?.clone(), pair.get(1)?.clone()))).collect())
    });
}

/// Text of a template with these values.
///
/// # Errors
/// An invalid template, one that rejects the values, and one that exceeds a limit.
pub(in crate::generation) fn render<'a>(
    environment: &'a Environment<'a>,
    (name, template): (&'a str, &'a str),
    syntax: SyntaxConfig,
    values: Value,
) -> Result<String, Error> {
    let config =
        TemplateConfig { syntax_config: syntax, default_auto_escape: Arc::new(|_| AutoEscape::None) };
    // The lexer and the methods of loops have panics.
    let rendered = cupola_nn::catch_panic(|| {
        let compiled = CompiledTemplate::new(name, template, &config)?;
        let instructions = measured(&compiled.instructions);
        let blocks = compiled.blocks.iter().map(|(name, block)| (*name, measured(block))).collect();
        let mut text = String::with_capacity(compiled.buffer_size_hint);
        let mut out = make_string_output(&mut text);
        eval(environment, &instructions, values, &blocks, &mut out, AutoEscape::None)?;
        drop(out);
        Ok(text)
    });
    rendered.unwrap_or_else(|_| Err(Error::new(ErrorKind::SyntaxError, "it is invalid")))
}

/// Instructions with calls of [`CHECK`] between them.
fn measured<'a>(old: &Instructions<'a>) -> Instructions<'a> {
    let all: Vec<&Instruction<'a>> = (0..).map_while(|index| old.get(index)).collect();
    // Position of each instruction, and of the end, among the new ones.
    let mut positions = vec![0_u32];
    let mut next = 0_u32;
    for instruction in &all {
        for _ in 0..=before(instruction).len() + after(instruction).len() {
            next += 1;
        }
        positions.push(next);
    }
    let mut new = Instructions::new(old.name(), old.source());
    for (index, instruction) in (0..).zip(all) {
        let mut own = checked(instruction);
        if let Some(target) = target(&mut own) {
            *target = positions.get(*target as usize).copied().unwrap_or(next);
        }
        let each = before(instruction).iter().cloned().chain([own]).chain(after(instruction).iter().cloned());
        for instruction in each {
            match (old.get_span(index), old.get_line(index).and_then(|line| u16::try_from(line).ok())) {
                (Some(span), _) => new.add_with_span(instruction, span),
                (None, Some(line)) => new.add_with_line(instruction, line),
                (None, None) => new.add(instruction),
            };
        }
    }
    new
}

/// Instruction that takes the place of another one.
fn checked<'a>(instruction: &Instruction<'a>) -> Instruction<'a> {
    match instruction {
        Instruction::BuildMap(pairs) => match u16::try_from(pairs.saturating_mul(2)) {
            Ok(parts) => Instruction::CallFunction(MAP, Some(parts)),
            Err(_) => instruction.clone(),
        },
        _ => instruction.clone(),
    }
}

/// Position that an instruction refers to.
fn target<'b>(instruction: &'b mut Instruction<'_>) -> Option<&'b mut u32> {
    match instruction {
        Instruction::Iterate(target)
        | Instruction::Jump(target)
        | Instruction::JumpIfFalse(target)
        | Instruction::JumpIfFalseOrPop(target)
        | Instruction::JumpIfTrueOrPop(target)
        | Instruction::BuildMacro(_, target, _) => Some(target),
        _ => None,
    }
}

/// Checks of both operands, which an instruction compares or writes.
fn before(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    const CHECKS: &[Instruction<'static>] = &[
        Instruction::CallFunction(CHECK, Some(1)),
        Instruction::Swap,
        Instruction::CallFunction(CHECK, Some(1)),
        Instruction::Swap,
    ];
    match instruction {
        Instruction::Eq
        | Instruction::Ne
        | Instruction::Gt
        | Instruction::Gte
        | Instruction::Lt
        | Instruction::Lte
        | Instruction::In
        | Instruction::CompareAndPreserve(_)
        | Instruction::StringConcat => CHECKS,
        _ => &[],
    }
}

/// Check of the result of an instruction.
fn after(instruction: &Instruction<'_>) -> &'static [Instruction<'static>] {
    const CHECKS: &[Instruction<'static>] = &[Instruction::CallFunction(CHECK, Some(1))];
    match instruction {
        Instruction::BuildList(_)
        | Instruction::BuildTuple(_)
        | Instruction::BuildMap(_)
        | Instruction::Add
        | Instruction::Mul
        | Instruction::Slice
        | Instruction::ApplyFilter(..)
        | Instruction::CallFunction(..)
        | Instruction::CallMethod(..)
        | Instruction::CallObject(_) => CHECKS,
        _ => &[],
    }
}
