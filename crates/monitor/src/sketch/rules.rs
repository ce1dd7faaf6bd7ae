//! Statistics and thresholds of the verdicts on sketches.

use std::collections::BTreeMap;

use serde::Serialize;

use super::layout::{SketchColumn, SketchKind, SketchRule};
use crate::drift::DriftMethod;
use crate::error::Error;

/// Statistics and thresholds of all columns.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SketchRules {
    /// Statistics; each is used for the columns that it takes, an earlier one first.
    pub methods: Vec<DriftMethod>,
    /// Threshold of every column; `None` for that of its statistic.
    pub threshold: Option<f64>,
    /// Statistics and thresholds of single columns, by name, which take precedence.
    pub columns: BTreeMap<String, SketchRule>,
}

/// Score of a chosen statistic.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SketchScore {
    /// Statistic.
    pub method: DriftMethod,
    /// Its value; `None` if it cannot be computed for these values.
    pub score: Option<f64>,
    /// Its threshold.
    pub threshold: f64,
}

/// Statistics that sketches compute.
const COMPUTED: [DriftMethod; 10] = [
    DriftMethod::Psi,
    DriftMethod::JensenShannon,
    DriftMethod::Wasserstein,
    DriftMethod::KlDiv,
    DriftMethod::Hellinger,
    DriftMethod::TotalVariation,
    DriftMethod::ChiSquare,
    DriftMethod::GTest,
    DriftMethod::Z,
    DriftMethod::TTest,
];

impl SketchRule {
    /// Rule with a statistic by name.
    ///
    /// # Errors
    /// [`Error::Method`] for an unknown name, [`Error::SketchMethod`] for a statistic that requires all values, and
    /// [`Error::Threshold`] for a threshold that no score reaches.
    pub fn new(method: Option<&str>, threshold: Option<f64>) -> Result<Self, Error> {
        let method = method.map(computed).transpose()?;
        check_threshold(threshold, method)?;
        Ok(Self { method, threshold })
    }
}

impl SketchRules {
    /// Rules of all columns, with statistics by name.
    ///
    /// # Errors
    /// As those of [`SketchRule::new`].
    pub fn new(methods: &[String], threshold: Option<f64>) -> Result<Self, Error> {
        let methods = methods.iter().map(|name| computed(name)).collect::<Result<Vec<_>, _>>()?;
        check_threshold(threshold, None)?;
        for method in &methods {
            check_threshold(threshold, Some(*method))?;
        }
        Ok(Self { methods, threshold, columns: BTreeMap::new() })
    }

    /// Adds the rule of a column.
    ///
    /// # Errors
    /// [`Error::Threshold`] if its threshold does not fit a statistic of all columns, which it may have.
    pub fn with_column(mut self, name: &str, rule: SketchRule) -> Result<Self, Error> {
        if rule.method.is_none() {
            self.methods.iter().try_for_each(|method| check_threshold(rule.threshold, Some(*method)))?;
        } else if rule.threshold.is_none() {
            check_threshold(self.threshold, rule.method)?;
        }
        self.columns.insert(name.to_owned(), rule);
        Ok(self)
    }

    /// Rule of a column.
    pub fn of(&self, column: &SketchColumn) -> SketchRule {
        let own = self.columns.get(&column.name).copied().unwrap_or_default();
        let methods = own.method.iter().chain(&self.methods);
        SketchRule {
            method: methods.copied().find(|method| is_computed(*method, column.kind())),
            threshold: own.threshold.or(self.threshold),
        }
    }
}

/// `true` if sketches of this kind compute a statistic. Numbers are binned, so that their two values are not known.
pub(super) fn is_computed(method: DriftMethod, kind: SketchKind) -> bool {
    match kind {
        SketchKind::Number => method != DriftMethod::Z,
        SketchKind::Category => !matches!(method, DriftMethod::Wasserstein | DriftMethod::TTest),
        SketchKind::Text => false,
    }
}

fn computed(name: &str) -> Result<DriftMethod, Error> {
    let method = DriftMethod::parse(name)?;
    if COMPUTED.contains(&method) {
        return Ok(method);
    }
    let names: Vec<&str> = COMPUTED.iter().map(|method| method.name()).collect();
    Err(Error::SketchMethod { name: method.name(), names: names.join(", ") })
}

fn check_threshold(threshold: Option<f64>, method: Option<DriftMethod>) -> Result<(), Error> {
    let bounded = method.filter(|method| method.is_p_value());
    match (threshold, bounded) {
        (Some(threshold), _) if !threshold.is_finite() || threshold <= 0.0 => {
            Err(Error::Threshold { threshold, why: "expected a number above 0".to_owned() })
        }
        (Some(threshold), Some(method)) if threshold > 1.0 => {
            let why = format!("the scores of `{}` are at most 1; give a smaller number", method.name());
            Err(Error::Threshold { threshold, why })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{CategoryReference, ColumnRole, NumberReference, ReferenceColumn, ReferenceValues};
    use crate::sketch::{ColumnSketch, DriftLimits, LiveDrift, LiveVerdict};

    fn rule(method: &str, threshold: Option<f64>) -> Result<SketchRule, String> {
        SketchRule::new(Some(method), threshold).map_err(|error| error.to_string())
    }

    #[test]
    fn statistics_that_require_all_values_and_unknown_ones_are_refused_with_a_remedy() {
        assert_eq!(rule("PSI", None).unwrap().method, Some(DriftMethod::Psi));
        for method in DriftMethod::ALL {
            assert_eq!(rule(method.name(), None).is_ok(), COMPUTED.contains(&method), "{method:?}");
        }
        let error = rule("ks", None).unwrap_err();
        assert!(
            error.starts_with("`ks` requires all values") && error.contains("psi, jensenshannon"),
            "{error}"
        );
        let error = rule("helinger", None).unwrap_err();
        assert!(error.contains("unknown statistic `helinger`; did you mean `hellinger`?"), "{error}");
        assert!(!rule("nonsense!", None).unwrap_err().contains("did you mean"));
        assert!(rule("t_test", Some(1.5)).unwrap_err().contains("at most 1"));
        assert!(rule("psi", Some(1.5)).is_ok() && rule("psi", Some(0.0)).is_err());
        assert!(SketchRules::new(&["psi".to_owned(), "t_test".to_owned()], Some(2.0)).is_err());
        assert!(SketchRules::new(&[], Some(-1.0)).is_err());
    }

    #[test]
    fn a_column_has_its_own_rule_and_else_the_first_that_takes_it() {
        let column = |name: &str, kind| SketchColumn::without_reference(name, ColumnRole::Input, kind, &[]);
        let names = ["wasserstein".to_owned(), "g_test".to_owned()];
        let rules = SketchRules::new(&names, Some(0.3)).unwrap();
        let own = SketchRule { method: Some(DriftMethod::TTest), threshold: Some(0.01) };
        let rules = rules.with_column("age", own).unwrap();
        let level = SketchRule { method: None, threshold: Some(0.2) };
        let rules = rules.with_column("size", level).unwrap();
        assert!(rules.clone().with_column("x", SketchRule { threshold: Some(2.0), ..level }).is_err());
        let of = |name: &str, kind| {
            let rule = rules.of(&column(name, kind));
            (rule.method.map(DriftMethod::name), rule.threshold)
        };
        assert_eq!(of("age", SketchKind::Number), (Some("t_test"), Some(0.01)));
        // A category does not take the t-test.
        assert_eq!(of("age", SketchKind::Category), (Some("g_test"), Some(0.01)));
        assert_eq!(of("size", SketchKind::Number), (Some("wasserstein"), Some(0.2)));
        assert_eq!(of("name", SketchKind::Text), (None, Some(0.3)));
    }

    fn reference(values: ReferenceValues) -> SketchColumn {
        let (name, role, class) = ("x".to_owned(), ColumnRole::Input, None);
        SketchColumn::with_reference(&ReferenceColumn { name, role, class, rows: 1000, missing: 0, values })
    }

    /// 1,000 numbers between 0 and 4.
    fn numbers(rule: SketchRule) -> SketchColumn {
        let column = reference(ReferenceValues::Number(NumberReference {
            mean: 1.5,
            deviation: 2.0,
            edges: vec![0.0, 1.0, 2.0, 3.0, 4.0],
            counts: vec![250; 4],
            ..NumberReference::default()
        }));
        SketchColumn { rule, ..column }
    }

    fn observed(column: &SketchColumn, values: impl Iterator<Item = Option<f64>>) -> LiveDrift {
        let mut sketch = ColumnSketch::new(column);
        values.for_each(|value| sketch.add_number(column, value));
        LiveDrift::of(column, &sketch, &DriftLimits::default())
    }

    #[test]
    fn a_chosen_statistic_decides_by_its_threshold() {
        let even = |shift: f64| (0..800u32).map(move |at| Some(shift + f64::from(at % 400) / 100.0));
        let with = |method, threshold| numbers(SketchRule { method: Some(method), threshold });
        for method in [DriftMethod::Wasserstein, DriftMethod::JensenShannon, DriftMethod::Hellinger] {
            let found = observed(&with(method, None), even(0.0));
            assert_eq!((found.verdict, found.chosen.unwrap().method), (LiveVerdict::Stable, method));
            assert_eq!(observed(&with(method, None), even(1.0)).verdict, LiveVerdict::Drift);
            assert_eq!(observed(&with(method, Some(2.0)), even(1.0)).verdict, LiveVerdict::Stable);
        }
        // The default statistic takes a threshold too.
        let rule = SketchRule { method: None, threshold: Some(50.0) };
        let found = observed(&numbers(rule), even(1.0));
        assert_eq!((found.verdict, found.chosen), (LiveVerdict::Stable, None));
        // Values that are all missing have no score, and have drifted.
        let found = observed(&with(DriftMethod::ChiSquare, None), (0..200).map(|_| None));
        assert_eq!((found.verdict, found.chosen.unwrap().score), (LiveVerdict::Drift, None));
        let text = serde_json::to_value(observed(&with(DriftMethod::KlDiv, None), even(1.0))).unwrap();
        assert_eq!((&text["method"], &text["threshold"]), (&"kl_div".into(), &0.1.into()));
        assert!(text["score"].as_f64().unwrap() > 0.1);
    }

    /// Figures of `scipy` 1.17.1: `ttest_ind_from_stats` of the moments of both sides, and
    /// `chisquare([150, 90, 60], [180, 60, 60])`.
    #[test]
    fn scores_are_those_of_reports_and_scipy() {
        let rule = SketchRule { method: Some(DriftMethod::TTest), threshold: None };
        let found = observed(&numbers(rule), (0..800u32).map(|at| Some(f64::from(at % 400) / 100.0)));
        assert!(
            (found.chosen.unwrap().score.unwrap() / 6.303_451_503_509_078e-10 - 1.0).abs() < 1e-6,
            "{found:?}"
        );
        let values = vec![("a".to_owned(), 600), ("b".to_owned(), 200), ("c".to_owned(), 200)];
        let column =
            reference(ReferenceValues::Category(CategoryReference { values, other: 0, distinct: 3 }));
        let rule = SketchRule { method: Some(DriftMethod::ChiSquare), threshold: None };
        let column = SketchColumn { rule, ..column };
        let mut sketch = ColumnSketch::new(&column);
        for (value, count) in [("a", 150), ("b", 90), ("c", 60)] {
            (0..count).for_each(|_| sketch.add_text(&column, Some(value), false));
        }
        let found = LiveDrift::of(&column, &sketch, &DriftLimits::default());
        assert!(
            (found.chosen.unwrap().score.unwrap() / 4.539_992_976_248_486e-5 - 1.0).abs() < 1e-6,
            "{found:?}"
        );
    }
}
