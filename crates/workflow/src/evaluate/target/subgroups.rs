//! Metrics by group of the subgroup columns, alone and crossed in pairs.

use cupola_eval::{
    BinaryDecision, ClassCounts, GroupColumn, GroupGap, GroupMetric, GroupedRows, fairness, gap,
    group_metrics, group_rows, larger_is_better,
};
use cupola_prep::{AuditColumn, AuditRows, AuditValues};
use cupola_report::{Metric, Subgroup, SubgroupTable};

use super::outputs::{TargetOutputs, decided};
use crate::evaluate::EvaluationOptions;

/// Tables of all subgroup columns and of their pairs. Empty without such columns, and for targets without groups.
pub(super) fn tables(
    outputs: &TargetOutputs,
    audit: &AuditRows,
    options: &EvaluationOptions,
) -> Vec<SubgroupTable> {
    let wanted =
        options.subgroups.iter().filter_map(|name| audit.groups.iter().find(|group| group.name == *name));
    let columns: Vec<(GroupColumn, bool)> = wanted.map(grouped).collect();
    let Some(rows) = GroupMetrics::of(outputs) else { return Vec::new() };
    let alone = columns.iter().map(|column| vec![column]);
    let pairs =
        (0..columns.len()).flat_map(|first| (first + 1..columns.len()).map(move |second| (first, second)));
    let crossed = pairs.map(|(first, second)| vec![&columns[first], &columns[second]]);
    alone
        .chain(crossed)
        .map(|columns| {
            let all: Vec<&GroupColumn> = columns.iter().map(|(column, _)| column).collect();
            let mut found = group_rows(&all, options.min_support);
            if let [(column, true)] = columns.as_slice() {
                order_by_value(&mut found, column);
            }
            rows.table(&found, options)
        })
        .collect()
}

/// Groups of a column, with `true` if they are numbers or ranges in ascending order.
fn grouped(column: &AuditColumn) -> (GroupColumn, bool) {
    match &column.values {
        AuditValues::Numbers(values) => (GroupColumn::from_numbers(&column.name, values), true),
        AuditValues::Labels { labels, codes } => {
            let (labels, codes) = (labels.clone(), codes.clone());
            (GroupColumn { name: column.name.clone(), labels, codes }, false)
        }
    }
}

/// Puts the groups of numbers in the order of their values, the missing ones last.
fn order_by_value(found: &mut GroupedRows, column: &GroupColumn) {
    let place = |values: &[String]| {
        let label = values.first().and_then(|value| column.labels.iter().position(|label| label == value));
        label.unwrap_or(column.labels.len())
    };
    found.groups.sort_by_key(|group| place(&group.values));
}

/// Values of each row that the metrics of groups need.
enum GroupMetrics<'a> {
    Classes {
        classes: usize,
        targets: &'a [usize],
        predicted: Vec<usize>,
        log_loss: Vec<f64>,
        probability: Vec<f64>,
    },
    Numbers {
        errors: Vec<f64>,
    },
}

impl<'a> GroupMetrics<'a> {
    fn of(outputs: &'a TargetOutputs) -> Option<Self> {
        match outputs {
            TargetOutputs::Classes { names, targets, probabilities, threshold } => {
                let classes = names.len().max(1);
                let rows = || probabilities.chunks_exact(classes);
                Some(Self::Classes {
                    classes,
                    targets,
                    predicted: rows().map(|own| decided(own, *threshold)).collect(),
                    log_loss: outputs.losses(),
                    probability: if classes == 2 {
                        rows().map(|own| f64::from(own[1])).collect()
                    } else {
                        Vec::new()
                    },
                })
            }
            TargetOutputs::Numbers { targets, predicted } => {
                Some(Self::Numbers { errors: targets.iter().zip(predicted).map(|(t, p)| p - t).collect() })
            }
            _ => None,
        }
    }

    fn names(&self) -> &'static [&'static str] {
        match self {
            Self::Classes { classes: 2, .. } => {
                &["accuracy", "precision", "recall", "f1", "log_loss", "selection_rate"]
            }
            Self::Classes { .. } => &["accuracy", "balanced_accuracy", "macro_f1", "log_loss"],
            Self::Numbers { .. } => &["mae", "rmse", "mean_error"],
        }
    }

    /// Values of the metrics on some rows with a weight for each.
    fn values(&self, rows: &[u32], weights: &[f64]) -> Vec<Option<f64>> {
        let total: f64 = weights.iter().sum();
        let mean = |value: &dyn Fn(usize) -> f64| {
            let sum: f64 = rows.iter().zip(weights).map(|(row, weight)| weight * value(*row as usize)).sum();
            (total > 0.0).then(|| sum / total)
        };
        match self {
            Self::Classes { classes, targets, predicted, log_loss, .. } => {
                let mut counts = ClassCounts::new(*classes);
                for (row, weight) in rows.iter().zip(weights) {
                    counts.add(targets[*row as usize], predicted[*row as usize], *weight);
                }
                let log_loss = mean(&|row| log_loss[row]);
                if *classes == 2 {
                    let selected = (total > 0.0).then(|| counts.predicted[1] / total);
                    let f1 = counts.f_beta(1, 1.0).ok();
                    vec![
                        counts.accuracy().ok(),
                        counts.precision(1).ok(),
                        counts.recall(1).ok(),
                        f1,
                        log_loss,
                        selected,
                    ]
                } else {
                    let f1 = (total > 0.0).then(|| macro_f1(&counts, *classes));
                    vec![counts.accuracy().ok(), counts.balanced_accuracy().ok(), f1, log_loss]
                }
            }
            Self::Numbers { errors } => {
                let squared = mean(&|row| errors[row] * errors[row]);
                vec![mean(&|row| errors[row].abs()), squared.map(f64::sqrt), mean(&|row| errors[row])]
            }
        }
    }

    fn table(&self, grouped: &GroupedRows, options: &EvaluationOptions) -> SubgroupTable {
        let rows: usize = grouped.groups.iter().map(|group| group.rows.len()).sum();
        let bootstrap = options.bootstrap(rows);
        let found = group_metrics(grouped, bootstrap.as_ref(), |rows, weights| self.values(rows, weights));
        let groups = grouped.groups.iter().zip(&found).map(|(group, metrics)| Subgroup {
            values: group.values.clone(),
            rows: group.rows.len() as u64,
            metrics: self
                .names()
                .iter()
                .zip(metrics)
                .map(|(name, metric)| group_metric(name, metric))
                .collect(),
        });
        SubgroupTable {
            columns: grouped.columns.clone(),
            groups: groups.collect(),
            left_out: grouped.left_out,
            gaps: self.gaps(grouped, &found),
        }
    }

    /// Differences between the groups of each metric, then those of decisions.
    fn gaps(&self, grouped: &GroupedRows, found: &[Vec<GroupMetric>]) -> Vec<Metric> {
        let of_metric = self.names().iter().enumerate().map(|(at, name)| {
            let values: Vec<Option<f64>> = found.iter().map(|metrics| metrics[at].value).collect();
            gap_metric(&format!("{name}_gap"), gap(grouped, &values))
        });
        let mut gaps: Vec<Metric> = of_metric.collect();
        if let Self::Classes { classes: 2, targets, predicted, probability, .. } = self {
            let target: Vec<bool> = targets.iter().map(|target| *target == 1).collect();
            let predicted: Vec<bool> = predicted.iter().map(|predicted| *predicted == 1).collect();
            let decision = BinaryDecision {
                target: &target,
                predicted: &predicted,
                probability: Some(probability),
                weights: None,
            };
            gaps.extend(
                fairness(grouped, &decision).into_iter().map(|(name, found)| gap_metric(name, found)),
            );
        }
        gaps
    }
}

fn macro_f1(counts: &ClassCounts, classes: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a number of classes")]
    let classes_in_all = classes as f64;
    (0..classes).map(|class| counts.f_beta(class, 1.0).unwrap_or(0.0)).sum::<f64>() / classes_in_all
}

fn group_metric(name: &str, found: &GroupMetric) -> Metric {
    let undefined = found.value.is_none().then(|| "the rows of the group do not define it".to_owned());
    Metric {
        name: name.to_owned(),
        value: found.value,
        undefined,
        interval: found.interval,
        larger_is_better: larger_is_better(name),
        ..Metric::default()
    }
}

/// Difference between groups: the smaller the better; of a ratio, the larger.
fn gap_metric(name: &str, found: GroupGap) -> Metric {
    Metric {
        name: name.to_owned(),
        value: found.value,
        undefined: found.undefined,
        larger_is_better: Some(name.ends_with("_ratio")),
        ..Metric::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_alone_and_crossed_have_metrics_and_gaps() {
        let names = vec!["no".to_owned(), "yes".to_owned()];
        // Rows 0 to 39 are predicted rightly, those from 40 on are not.
        let targets: Vec<usize> = (0..80).map(|row| row % 2).collect();
        let right = |row: usize| if row < 40 { row % 2 } else { 1 - row % 2 };
        let probabilities =
            (0..80).flat_map(|row| if right(row) == 1 { [0.2, 0.8] } else { [0.8, 0.2] }).collect();
        let outputs = TargetOutputs::Classes { names, targets, probabilities, threshold: None };
        let labels = |name: &str, of: &dyn Fn(u32) -> u32| AuditColumn {
            name: name.to_owned(),
            values: AuditValues::Labels {
                labels: vec!["f".to_owned(), "m".to_owned()],
                codes: (0..80).map(|row| Some(of(row))).collect(),
            },
        };
        let groups = vec![labels("sex", &|row| row / 40), labels("half", &|row| (row / 20) % 2)];
        let audit = AuditRows { rows: 80, aligned: true, groups, ..AuditRows::default() };
        let subgroups = vec!["sex".to_owned(), "half".to_owned()];
        let options = EvaluationOptions { subgroups, min_support: 10, resamples: 0, seed: 0 };
        let found = tables(&outputs, &audit, &options);
        assert_eq!(found.len(), 3);
        assert_eq!(found[2].columns, ["sex", "half"]);
        assert_eq!(found[2].groups.len(), 4);
        let value = |table: &SubgroupTable, name: &str| {
            table.gaps.iter().find(|gap| gap.name == name).and_then(|gap| gap.value)
        };
        assert_eq!(value(&found[0], "accuracy_gap"), Some(1.0));
        assert_eq!(value(&found[1], "accuracy_gap"), Some(0.0));
        assert_eq!(value(&found[0], "equalized_odds_difference"), Some(1.0));
        assert!(tables(&TargetOutputs::Other, &audit, &options).is_empty());
    }
}
