//! Judgement of conditions.

use cupola_eval::larger_is_better;
use cupola_report::{ComparedMetric, Comparison, Evaluation};
use cupola_spec::{GateBound, GateCheck, GateComparator, GateCondition, GateMetric, GateValue, VersusClaim};

use super::report::{GateOutcome, GateReport, JudgedCondition};
use super::value::{UndefinedValue, find, short_number};

/// Other version of a model that a condition compares with.
#[derive(Debug, Clone)]
pub enum Opponent {
    /// The alias does not exist yet.
    Absent,
    /// It is the judged model itself.
    Itself,
    /// Comparison on the same rows: the other version is the first, the judged model the second.
    Compared {
        /// Differences.
        comparison: Comparison,
        /// Reason for which they may mislead.
        warning: Option<String>,
    },
    /// Both cannot be compared; the reason.
    Incomparable(String),
}

/// Judges conditions on an evaluation. `opponent` compares the model with an alias or version.
///
/// A comparison is by the 95 % confidence interval of the paired difference in a metric (this model less the other
/// one). `no worse` is broken if the whole interval is on the worse side of zero, `better` unless the whole interval
/// is on the better side. Without the other model there is nothing to be worse than: both pass, with a remark.
pub fn judge(
    conditions: &[GateCondition],
    evaluation: &Evaluation,
    opponent: &mut dyn FnMut(&str) -> Opponent,
) -> GateReport {
    let judged = conditions.iter().map(|condition| {
        let verdict = match &condition.check {
            GateCheck::Value { value, bound } => of_value(evaluation, value, *bound),
            GateCheck::Versus { reference, metric, claim } => {
                versus(evaluation, reference, metric.as_ref(), *claim, &opponent(reference))
            }
        };
        let verdict = verdict.unwrap_or_else(|UndefinedValue(reason)| Verdict {
            found: None,
            interval: None,
            outcome: GateOutcome::Undefined,
            reason: Some(reason),
            warning: None,
        });
        JudgedCondition {
            key: condition.key.clone(),
            required: condition.required.clone(),
            found: verdict.found,
            interval: verdict.interval,
            outcome: verdict.outcome,
            reason: verdict.reason,
            warning: verdict.warning,
        }
    });
    GateReport::new(judged.collect())
}

/// A judged condition without its texts.
struct Verdict {
    found: Option<f64>,
    interval: Option<(f64, f64)>,
    outcome: GateOutcome,
    reason: Option<String>,
    warning: Option<String>,
}

fn of_value(evaluation: &Evaluation, value: &GateValue, bound: GateBound) -> Result<Verdict, UndefinedValue> {
    let found = find(evaluation, value)?;
    let holds = bound.holds(found.value);
    let broken = (!holds).then(|| {
        let side = match bound.comparator {
            GateComparator::AtLeast => "is below",
            GateComparator::Above => "is not above",
            GateComparator::AtMost => "is above",
            GateComparator::Below => "is not below",
        };
        format!("{} {side} {}", short_number(found.value), bound.limit)
    });
    let reasons: Vec<String> = broken.into_iter().chain(found.remark).collect();
    Ok(Verdict {
        found: Some(found.value),
        interval: found.interval,
        outcome: if holds { GateOutcome::Passed } else { GateOutcome::Broken },
        reason: (!reasons.is_empty()).then(|| reasons.join("; ")),
        warning: None,
    })
}

fn versus(
    evaluation: &Evaluation,
    reference: &str,
    metric: Option<&GateMetric>,
    claim: VersusClaim,
    opponent: &Opponent,
) -> Result<Verdict, UndefinedValue> {
    let without = |outcome, reason: String| {
        Ok(Verdict { found: None, interval: None, outcome, reason: Some(reason), warning: None })
    };
    let (comparison, warning) = match opponent {
        Opponent::Absent => {
            return without(GateOutcome::Passed, format!("no `{reference}` yet to compare with"));
        }
        Opponent::Itself => {
            let outcome =
                if claim == VersusClaim::NoWorse { GateOutcome::Passed } else { GateOutcome::Broken };
            return without(outcome, format!("`{reference}` is this version itself"));
        }
        Opponent::Incomparable(why) => return Err(UndefinedValue(why.clone())),
        Opponent::Compared { comparison, warning } => (comparison, warning),
    };
    let (compared, larger_is_better) = compared(evaluation, comparison, metric)?;
    let name = &compared.name;
    let (Some(difference), Some((low, high))) = (compared.difference, compared.interval) else {
        return Err(UndefinedValue(format!("the difference in `{name}` is undefined on these rows")));
    };
    if !(difference.is_finite() && low.is_finite() && high.is_finite()) {
        return Err(UndefinedValue(format!("the difference in `{name}` is not a finite number")));
    }
    let Sides { worse, better } = Sides::of((low, high), larger_is_better);
    let holds = claim_holds(claim, (low, high), larger_is_better);
    let verdict = match (worse, better) {
        (true, _) => "worse than",
        (_, true) => "better than",
        _ => "no certain difference from",
    };
    let reason = format!(
        "`{name}`: {verdict} {}, difference {difference:+.6} with 95 % interval {low:+.6} to {high:+.6} on {} rows",
        comparison.first, comparison.rows
    );
    Ok(Verdict {
        found: Some(difference),
        interval: Some((low, high)),
        outcome: if holds { GateOutcome::Passed } else { GateOutcome::Broken },
        reason: Some(reason),
        warning: warning.clone(),
    })
}

/// Sides of zero that a whole interval of a difference is on.
struct Sides {
    worse: bool,
    better: bool,
}

impl Sides {
    fn of((low, high): (f64, f64), larger_is_better: bool) -> Self {
        if larger_is_better {
            Self { worse: high < 0.0, better: low > 0.0 }
        } else {
            Self { worse: low > 0.0, better: high < 0.0 }
        }
    }
}

fn claim_holds(claim: VersusClaim, interval: (f64, f64), larger_is_better: bool) -> bool {
    let Sides { worse, better } = Sides::of(interval, larger_is_better);
    match claim {
        VersusClaim::NoWorse => !worse,
        VersusClaim::Better => better,
    }
}

/// Outcome of an earlier comparison by its kept interval, whatever outcome stands beside it. A comparison without an
/// interval, such as the one with an alias that did not exist yet, keeps its outcome.
pub(super) fn versus_again(
    earlier: &JudgedCondition,
    metric: Option<&GateMetric>,
    claim: VersusClaim,
    evaluation: &Evaluation,
) -> GateOutcome {
    let name = metric.map(|metric| metric.name.as_str()).or(evaluation.model.goal.as_deref());
    let larger = name.and_then(|name| larger_is_better(name.rsplit('/').next().unwrap_or(name)));
    let (Some(interval), Some(larger)) = (earlier.interval, larger) else { return earlier.outcome };
    if claim_holds(claim, interval, larger) { GateOutcome::Passed } else { GateOutcome::Broken }
}

/// The metric of a comparison, and `true` if a larger value of it is better. Default: the metric that chose the
/// weights, else the first.
fn compared<'a>(
    evaluation: &Evaluation,
    comparison: &'a Comparison,
    metric: Option<&GateMetric>,
) -> Result<(&'a ComparedMetric, bool), UndefinedValue> {
    let goal = evaluation.model.goal.as_deref();
    let has = |name: &str| comparison.metrics.iter().find(|one| one.name == name);
    let found = match metric {
        Some(metric) => has(&format!("{}/{}", metric.target, metric.name)).or_else(|| has(&metric.name)),
        None => goal.map_or_else(|| comparison.metrics.first(), has),
    };
    let wanted = metric.map(|metric| metric.name.as_str()).or(goal).unwrap_or("a metric");
    let found = found.ok_or_else(|| {
        let names: Vec<&str> = comparison.metrics.iter().map(|one| one.name.as_str()).collect();
        UndefinedValue(format!("`{wanted}` was not compared; found {}", names.join(", ")))
    })?;
    let larger_is_better = larger_is_better(&found.name)
        .ok_or_else(|| UndefinedValue(format!("`{}` has no better and worse", found.name)))?;
    Ok((found, larger_is_better))
}

#[cfg(test)]
mod tests;
