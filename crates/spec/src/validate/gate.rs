//! Rules of `[gate]`.

use crate::config::{Config, GateCheck, GateCondition, GateValue};
use crate::names::did_you_mean;
use crate::validate::Findings;

/// Conditions that do not parse, or that name a metric that the targets do not have.
pub(super) fn check(config: &Config, found: &mut Findings) {
    // Without a target no metric is known, and the missing target is reported already.
    if config.targets.is_empty() {
        return;
    }
    match config.gate.parse(&config.targets) {
        Ok(conditions) => conditions.iter().for_each(|condition| check_reported(config, condition, found)),
        Err(invalid) => invalid.into_iter().for_each(|one| found.add(one.pointer(), one.message)),
    }
}

/// Values that the evaluation does not report.
fn check_reported(config: &Config, condition: &GateCondition, found: &mut Findings) {
    if let GateCheck::Value { value: GateValue::Metric { metric, .. }, .. } = &condition.check {
        found.add_if(
            metric.name == "interval_coverage" && config.uncertainty.is_none(),
            condition.pointer(),
            "`interval_coverage` requires intervals; add `[uncertainty]` with a `method`, such as \"split\"",
        );
    }
    let GateCheck::Value { value: GateValue::Subgroup { columns, .. }, .. } = &condition.check else {
        return;
    };
    found.add_if(
        columns.len() == 2 && columns[0] == columns[1],
        condition.pointer(),
        "a column cannot be crossed with itself; name two columns, or one",
    );
    let known = || config.evaluate.subgroups.iter().map(String::as_str);
    for column in columns.iter().filter(|column| known().all(|one| one != column.as_str())) {
        let hint = did_you_mean(column, known());
        found.add(
            condition.pointer(),
            format!("the groups of `{column}`{hint} are not evaluated; add it to `evaluate.subgroups`"),
        );
    }
    found.add_if(
        columns.len() > 2,
        condition.pointer(),
        "groups are crossed in pairs; name at most two columns, such as `sex*age_band`",
    );
}
