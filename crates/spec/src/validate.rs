//! Rules that a JSON Schema cannot express: values that exclude or require each other.
//!
//! Each file checks one table of the config and adds its [`Findings`]; the rules that need no other table are
//! rows of a table of rules.

mod data;
mod evaluate;
mod gate;
mod inputs;
mod model;
mod split;
mod targets;
mod train;
mod tune;
mod uncertainty;
mod watch;

use crate::config::document::Document;
use crate::config::{Config, Problem};
use crate::data::{Data, Expectation};
use crate::model::Family;
use crate::names::{NAME_RULE, is_name};

/// All problems of a config whose values have the types of the schema.
pub(crate) fn validate(file: &Document, config: &Config, family: &Family) -> Vec<Problem> {
    let mut found = Findings::default();
    check_name(&config.name, &mut found);
    split::check_shares(&config.split, &mut found);
    found.add_if(
        config.targets.is_empty(),
        "/targets",
        "no target; add `[[targets]]` with `name` and `kind`",
    );
    data::check(&config.data, &mut found);
    data::check_expectations(&config.expect, &mut found);
    targets::check(config, &mut found);
    split::check(config, &mut found);
    split::check_stream(config, family, &mut found);
    if let Some(target) = config.targets.first() {
        targets::check_next_token(config, target, family.design().head, &mut found);
        targets::check_ranking(config, target, family, &mut found);
        targets::check_windows(config, target, family, &mut found);
        targets::check_reconstruction(config, target, family, &mut found);
        train::check(config, &mut found);
        train::check_metric(config, &mut found);
    }
    train::check_mixup(config, &mut found);
    model::check_lora(config, family, &mut found);
    model::check_combine(config, &mut found);
    inputs::check(&config.inputs, &mut found);
    inputs::check_missing(config, family, &mut found);
    model::check_boosting(family, &mut found);
    evaluate::check(config, &mut found);
    uncertainty::check(config, family, &mut found);
    uncertainty::check_decision(config, &mut found);
    model::check_shapes(config, family, &mut found);
    gate::check(config, &mut found);
    tune::check(config, family, &mut found);
    watch::check(config, family, &mut found);
    found.into_problems(file)
}

/// All problems of `[data]` and `[[expect]]` alone.
pub(crate) fn validate_data(file: &Document, data: &Data, expect: &[Expectation]) -> Vec<Problem> {
    let mut found = Findings::default();
    data::check(data, &mut found);
    data::check_expectations(expect, &mut found);
    found.into_problems(file)
}

/// Problems found so far: JSON pointers of keys with messages.
#[derive(Default)]
struct Findings(Vec<(String, String)>);

impl Findings {
    fn add(&mut self, pointer: impl Into<String>, message: impl Into<String>) {
        self.0.push((pointer.into(), message.into()));
    }

    fn add_if(&mut self, broken: bool, pointer: impl Into<String>, message: impl Into<String>) {
        if broken {
            self.add(pointer, message);
        }
    }

    fn into_problems(self, file: &Document) -> Vec<Problem> {
        self.0.into_iter().map(|(pointer, message)| file.problem(&pointer, message)).collect()
    }
}

fn check_name(name: &str, found: &mut Findings) {
    found.add_if(!is_name(name), "/name", format!("invalid name `{name}`; use {NAME_RULE}"));
}

#[cfg(test)]
mod tests;
