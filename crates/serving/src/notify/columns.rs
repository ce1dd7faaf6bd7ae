//! Columns that rules of drift and the statistics of live monitoring are about.

use std::collections::{BTreeMap, BTreeSet};

use cupola_monitor::DriftMethod;
use cupola_monitor::alert::EMBEDDING_COLUMN;
use cupola_monitor::sketch::SketchRule;
use cupola_spec::{Alert, AlertWhen, Serve, did_you_mean};

use crate::error::Error;
use crate::telemetry::Telemetry;

/// Models of which the reason why they have no embeddings is told.
const REASONS: usize = 3;

/// Checks that each rule of a column's drift, and each column of `[monitor.columns]`, is a watched column of a loaded model.
/// Models that are not loaded or not monitored are left out: they may come later.
///
/// # Errors
/// [`Error::Alerts`] and [`Error::Monitor`] for the first column that no model has, with the nearest name, and
/// [`Error::Monitor`] for a statistic that does not compare the values of its column.
pub fn check_drift_columns(spec: &Serve, telemetry: &Telemetry) -> Result<(), Error> {
    check_statistics(
        spec,
        &telemetry.live.versions().iter().flat_map(|one| one.column_rules()).collect::<Vec<_>>(),
    )?;
    let mut watched: BTreeMap<String, WatchedModel> = BTreeMap::new();
    for version in telemetry.live.versions() {
        let model = watched.entry(version.model.clone()).or_default();
        model.columns.extend(version.column_labels());
        let why = version.without_embeddings().map(str::to_owned);
        model.without_embeddings = model.without_embeddings.take().or(why);
    }
    spec.alert_rules.iter().try_for_each(|alert| check(alert, &watched))
}

/// Columns of all versions of a model.
#[derive(Debug, Default)]
struct WatchedModel {
    columns: BTreeSet<String>,
    /// Reason why a version has no watched embeddings, with the remedy.
    without_embeddings: Option<String>,
}

/// `watched` has the columns of all models, with the rules that they got.
fn check_statistics(spec: &Serve, watched: &[(String, SketchRule)]) -> Result<(), Error> {
    for (name, own) in &spec.monitor.columns {
        let mut columns = watched.iter().filter(|(column, _)| column == name).peekable();
        if columns.peek().is_none() && !watched.is_empty() {
            let near = did_you_mean(name, watched.iter().map(|(column, _)| column.as_str()));
            return Err(Error::Monitor(format!("the served models have no watched column `{name}`{near}")));
        }
        let Some(method) = own.method.as_ref().and_then(|method| DriftMethod::parse(method).ok()) else {
            continue;
        };
        if !watched.is_empty() && columns.all(|(_, rule)| rule.method != Some(method)) {
            let (statistic, kind) = (method.name(), method.compares());
            let why = format!("`{statistic}` compares {kind}; choose one for the values of this column");
            return Err(Error::Monitor(format!("column `{name}`: {why}")));
        }
    }
    Ok(())
}

/// `watched` has each model by its name.
fn check(alert: &Alert, watched: &BTreeMap<String, WatchedModel>) -> Result<(), Error> {
    let AlertWhen::Drift { column: Some(column), .. } = &alert.when else { return Ok(()) };
    let is_of_rule = |model: &String| alert.model.as_ref().is_none_or(|own| own == model);
    let of_rule = watched.iter().filter(|(model, _)| is_of_rule(model));
    let columns: BTreeSet<&str> =
        of_rule.clone().flat_map(|(_, own)| own.columns.iter().map(String::as_str)).collect();
    if columns.is_empty() || columns.contains(column.as_str()) {
        return Ok(());
    }
    let name = &alert.name;
    if column == EMBEDDING_COLUMN {
        let why =
            of_rule.filter_map(|(model, own)| Some(format!("{model}: {}", own.without_embeddings.as_ref()?)));
        let why: Vec<String> = why.take(REASONS).collect();
        return Err(Error::Alerts(format!(
            "alert `{name}`: no embeddings to compare with: {}",
            why.join(". ")
        )));
    }
    let near = did_you_mean(column, columns.iter().copied());
    let whose = match &alert.model {
        Some(model) => format!("`{model}` has"),
        None => "the served models have".to_owned(),
    };
    let remedy = if near.is_empty() {
        let few: Vec<&str> = columns.iter().take(8).copied().collect();
        format!("; use one of {}{}", few.join(", "), if few.len() < columns.len() { ", ..." } else { "" })
    } else {
        near
    };
    Err(Error::Alerts(format!("alert `{name}`: {whose} no watched column `{column}`{remedy}")))
}

#[cfg(test)]
mod tests {
    use cupola_spec::parse_serve;

    use super::*;

    #[test]
    fn a_statistic_is_for_a_watched_column_whose_values_it_compares() {
        let of = |method| SketchRule { method, threshold: None };
        let watched = [
            ("age".to_owned(), of(Some(DriftMethod::TTest))),
            ("colour".to_owned(), of(Some(DriftMethod::Psi))),
        ];
        let checked = |columns: &str, watched: &[(String, SketchRule)]| {
            let spec = parse_serve("serve.toml", &format!("[monitor.columns]\n{columns}\n")).unwrap();
            check_statistics(&spec, watched).map_err(|error| error.to_string())
        };
        assert_eq!(checked("age = { method = 't_test' }\ncolour = { threshold = 0.3 }", &watched), Ok(()));
        assert_eq!(checked("later = { method = 't_test' }", &[]), Ok(()));
        let error = checked("colours = { threshold = 0.3 }", &watched).unwrap_err();
        assert!(error.contains("no watched column `colours` (did you mean `colour`?)"), "{error}");
        let error = checked("colour = { method = 't_test' }", &watched).unwrap_err();
        assert!(error.contains("column `colour`: `t_test` compares numbers"), "{error}");
    }

    #[test]
    fn a_column_that_no_model_has_is_refused_with_the_nearest_one() {
        let watched = BTreeMap::from([
            ("census".to_owned(), model(&["age", "capital_gains"], None)),
            ("prices".to_owned(), model(&["carat"], None)),
        ]);
        let checked = |model: &str, column: &str| {
            let text = format!(
                "[[alert]]\nname='a'\n{model}\nwhen={{kind='drift',column='{column}'}}\n[[alert]]\nname='b'\nwhen={{kind='drift'}}\n"
            );
            let spec = parse_serve("serve.toml", &text).unwrap();
            spec.alert_rules.iter().try_for_each(|alert| check(alert, &watched)).map_err(|e| e.to_string())
        };
        assert_eq!(checked("", "age"), Ok(()));
        assert_eq!(checked("model='later'", "anything"), Ok(()));
        let error = checked("", "capital_gain").unwrap_err();
        assert!(error.contains("alert `a`") && error.contains("did you mean `capital_gains`"), "{error}");
        let error = checked("model='prices'", "age").unwrap_err();
        assert!(error.contains("`prices` has") && error.contains("carat"), "{error}");
    }

    fn model(columns: &[&str], why: Option<&str>) -> WatchedModel {
        WatchedModel {
            columns: columns.iter().map(|&name| name.to_owned()).collect(),
            without_embeddings: why.map(str::to_owned),
        }
    }

    #[test]
    fn a_rule_on_embeddings_of_models_without_them_tells_the_reason_of_each() {
        let mut watched = BTreeMap::from([
            ("census".to_owned(), model(&["age"], Some("only networks of texts; watch the columns"))),
            ("mail".to_owned(), model(&["words"], Some("no `monitor.safetensors`; train it again"))),
        ]);
        let rule = "[[alert]]\nname='Topic'\nwhen={kind='drift',column='embedding'}\n";
        let spec = parse_serve("serve.toml", rule).unwrap();
        let checked = |watched: &BTreeMap<String, WatchedModel>| {
            check(&spec.alert_rules[0], watched).map_err(|error| error.to_string())
        };
        let error = checked(&watched).unwrap_err();
        assert!(
            error.contains(
                "alert `Topic`: no embeddings to compare with: census: only networks of texts; watch the columns. mail: no \
                 `monitor.safetensors`; train it again"
            ),
            "{error}"
        );
        assert!(!error.contains("use one of"), "{error}");
        // One model with embeddings is enough.
        watched.insert("pictures".to_owned(), model(&["image brightness", "embedding"], None));
        assert_eq!(checked(&watched), Ok(()));
    }
}
