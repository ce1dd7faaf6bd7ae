//! `JUnit` XML, as Jenkins, GitLab and others read it.
//!
//! The structure is that of the schema of Jenkins' xUnit plugin: `testsuites`, `testsuite`, `testcase`, and in a case
//! at most one of `failure`, `error` and `skipped`.

use std::fmt::Display;
use std::io;

use cupola_report::{Evaluation, Metric};
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{interval, number};
use crate::error::Error;
use crate::evaluate::gate::report::{GateOutcome, GateReport, JudgedCondition};

/// Case of a suite.
struct Case {
    class: String,
    name: String,
    /// `None` for a case that passed.
    problem: Option<CaseProblem>,
    output: String,
}

/// Element of a case that did not pass.
struct CaseProblem {
    element: &'static str,
    message: String,
    /// Attribute `type`, which `skipped` does not have.
    kind: Option<&'static str>,
}

/// `JUnit` XML of a gate: a suite named after the model, a case for each condition. A broken condition is a failure, an
/// undefined one an error.
///
/// # Errors
/// [`Error::Format`], which writing into memory does not cause.
pub fn gate_junit(model: &str, gate: &GateReport) -> Result<String, Error> {
    let cases: Vec<Case> = gate.conditions.iter().map(|condition| condition_case(model, condition)).collect();
    document(&format!("gate of {model}"), &cases)
}

/// `JUnit` XML of an evaluation: a case for each metric. A metric that is undefined is skipped, with its reason.
///
/// # Errors
/// As [`gate_junit`].
pub fn evaluation_junit(evaluation: &Evaluation) -> Result<String, Error> {
    let package = &evaluation.model.package;
    let mut cases = Vec::new();
    for split in &evaluation.splits {
        for target in &split.targets {
            let class = format!("{package}.{}.{}", split.split, target.target);
            cases.extend(target.metrics.iter().map(|metric| metric_case(&class, metric)));
        }
    }
    document(&format!("evaluation of {package}"), &cases)
}

fn condition_case(model: &str, condition: &JudgedCondition) -> Case {
    let without =
        if condition.outcome == GateOutcome::Undefined { "undefined" } else { "nothing to compare" };
    let found = condition.found.map_or_else(|| without.to_owned(), |value| value.to_string());
    let reason = condition.remark();
    let message = format!("required {}, found {found}: {reason}", condition.required);
    let element = match condition.outcome {
        GateOutcome::Passed => None,
        GateOutcome::Broken => Some("failure"),
        GateOutcome::Undefined => Some("error"),
    };
    let kind = Some(condition.outcome.name());
    let problem = element.map(|element| CaseProblem { element, message, kind });
    let bounds = interval(condition.interval);
    let bounds = if bounds.is_empty() { bounds } else { format!("\n95 % interval {bounds}") };
    let remark = if reason.is_empty() { String::new() } else { format!("\n{reason}") };
    let output = format!("required {}\nfound {found}{bounds}{remark}", condition.required);
    Case {
        class: format!("gate.{model}"),
        name: format!("{} {}", condition.key, condition.required),
        problem,
        output,
    }
}

fn metric_case(class: &str, metric: &Metric) -> Case {
    let (problem, output) = if let Some(value) = metric.value {
        let bounds = interval(metric.interval);
        let bounds = if bounds.is_empty() { bounds } else { format!("\n95 % interval {bounds}") };
        (None, format!("{}{bounds}", number(value)))
    } else {
        let message = metric.undefined.clone().unwrap_or_else(|| "undefined".to_owned());
        (Some(CaseProblem { element: "skipped", message, kind: None }), String::new())
    };
    Case { class: class.to_owned(), name: metric.name.clone(), problem, output }
}

fn document(suite: &str, cases: &[Case]) -> Result<String, Error> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    let failed = |error: &dyn Display| Error::Format { format: "JUnit", why: error.to_string() };
    write(&mut writer, suite, cases).map_err(|error| failed(&error))?;
    let mut bytes = writer.into_inner();
    bytes.push(b'\n');
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn write(writer: &mut Writer<Vec<u8>>, suite: &str, cases: &[Case]) -> io::Result<()> {
    let count = |element: &str| {
        let is = |case: &&Case| case.problem.as_ref().is_some_and(|problem| problem.element == element);
        cases.iter().filter(is).count().to_string()
    };
    let (suite, tests) = (valid(suite), cases.len().to_string());
    let (failures, errors, skipped) = (count("failure"), count("error"), count("skipped"));
    let counts = [("tests", tests.as_str()), ("failures", &failures), ("errors", &errors)];
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let root = writer.create_element("testsuites").with_attribute(("name", "cupola")).with_attributes(counts);
    root.write_inner_content(|writer| {
        let element = writer.create_element("testsuite").with_attribute(("name", suite.as_str()));
        let element = element.with_attributes(counts).with_attribute(("skipped", skipped.as_str()));
        element.write_inner_content(|writer| cases.iter().try_for_each(|case| write_case(writer, case)))?;
        Ok(())
    })?;
    Ok(())
}

fn write_case(writer: &mut Writer<Vec<u8>>, case: &Case) -> io::Result<()> {
    let (class, name) = (valid(&case.class), valid(&case.name));
    let element = writer.create_element("testcase");
    let element = element.with_attributes([("classname", class.as_str()), ("name", name.as_str())]);
    element.write_inner_content(|writer| {
        if let Some(problem) = &case.problem {
            let message = valid(&problem.message);
            let element =
                writer.create_element(problem.element).with_attribute(("message", message.as_str()));
            element.with_attributes(problem.kind.map(|kind| ("type", kind))).write_empty()?;
        }
        if !case.output.is_empty() {
            let output = valid(&case.output);
            writer.create_element("system-out").write_text_content(BytesText::new(&output))?;
        }
        Ok(())
    })?;
    Ok(())
}

/// A text without the characters that XML 1.0 does not allow.
fn valid(text: &str) -> String {
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(allowed).collect()
}

#[cfg(test)]
mod tests;
