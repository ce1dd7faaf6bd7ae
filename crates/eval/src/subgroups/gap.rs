use super::GroupedRows;

/// Distance of a metric between groups.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupGap {
    /// Difference or ratio; `None` where it is undefined.
    pub value: Option<f64>,
    /// Reason for which it is undefined.
    pub undefined: Option<String>,
    /// Index of the group with the smallest value.
    pub lowest: Option<usize>,
    /// Index of the group with the largest value.
    pub highest: Option<usize>,
}

impl GroupGap {
    pub(super) fn undefined(reason: String) -> Self {
        Self { value: None, undefined: Some(reason), lowest: None, highest: None }
    }
}

/// Largest value of a metric in a group less the smallest. Groups in which it is undefined are left out; fewer than two
/// groups with a value have no gap.
pub fn gap(grouped: &GroupedRows, values: &[Option<f64>]) -> GroupGap {
    between(grouped, values, |lowest, highest| Some(highest - lowest))
}

/// Smallest value of a metric in a group as a share of the largest; undefined if all are zero.
pub fn ratio(grouped: &GroupedRows, values: &[Option<f64>]) -> GroupGap {
    between(grouped, values, |lowest, highest| (highest != 0.0).then(|| lowest / highest))
}

fn between(
    grouped: &GroupedRows,
    values: &[Option<f64>],
    distance: impl Fn(f64, f64) -> Option<f64>,
) -> GroupGap {
    let columns = grouped.columns.join(" and ");
    let defined: Vec<(usize, f64)> = values
        .iter()
        .enumerate()
        .filter_map(|(at, value)| Some((at, value.filter(|value| value.is_finite())?)))
        .collect();
    // The first of equal groups, which is the largest.
    let lowest = defined.iter().min_by(|a, b| a.1.total_cmp(&b.1));
    let highest = defined.iter().max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)));
    let (Some(lowest), Some(highest)) = (lowest, highest) else {
        let reason = if values.is_empty() {
            format!("no group of {columns} has enough rows")
        } else {
            format!("defined in no group of {columns}")
        };
        return GroupGap::undefined(reason);
    };
    if defined.len() < 2 {
        let kind = if values.len() < 2 { "with enough rows" } else { "in which the metric is defined" };
        return GroupGap::undefined(format!("{columns} has only one group {kind}"));
    }
    match distance(lowest.1, highest.1) {
        Some(value) => {
            GroupGap { value: Some(value), undefined: None, lowest: Some(lowest.0), highest: Some(highest.0) }
        }
        None => GroupGap::undefined(format!("zero in every group of {columns}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grouped() -> GroupedRows {
        GroupedRows { columns: vec!["sex".into()], groups: Vec::new(), left_out: 0, left_out_rows: 0 }
    }

    #[test]
    fn the_extremes_decide() {
        let values = [Some(0.5), None, Some(0.2), Some(f64::NAN), Some(0.8), Some(0.2)];
        let found = gap(&grouped(), &values);
        assert!((found.value.unwrap() - 0.6).abs() < 1e-12);
        assert_eq!((found.lowest, found.highest), (Some(2), Some(4)));
        assert!((ratio(&grouped(), &values).value.unwrap() - 0.25).abs() < 1e-12);
    }

    #[test]
    fn an_undefined_gap_says_why() {
        let reason = |values: &[Option<f64>]| gap(&grouped(), values).undefined.unwrap();
        assert_eq!(reason(&[]), "no group of sex has enough rows");
        assert_eq!(reason(&[Some(1.0)]), "sex has only one group with enough rows");
        assert_eq!(reason(&[Some(1.0), None]), "sex has only one group in which the metric is defined");
        assert_eq!(reason(&[None, None]), "defined in no group of sex");
        let zero = ratio(&grouped(), &[Some(0.0), Some(0.0)]);
        assert_eq!((zero.value, zero.undefined.as_deref()), (None, Some("zero in every group of sex")));
    }
}
