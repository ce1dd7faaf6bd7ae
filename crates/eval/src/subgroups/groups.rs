use std::collections::HashMap;

use indexmap::IndexMap;

use super::GroupColumn;
use crate::Bootstrap;

/// Rows divided by the values of one or more columns.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupedRows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// Groups with enough rows, the largest first, then in the order of their first rows.
    pub groups: Vec<RowGroup>,
    /// Number of groups with too few rows.
    pub left_out: u64,
    /// Number of rows in those groups.
    pub left_out_rows: u64,
}

/// Rows with the same values.
#[derive(Debug, Clone, PartialEq)]
pub struct RowGroup {
    /// Values of the columns as texts; [`super::MISSING`] for a missing one.
    pub values: Vec<String>,
    /// Indices of the rows, ascending.
    pub rows: Vec<u32>,
}

/// One metric of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupMetric {
    /// Value; `None` where it is undefined or not finite.
    pub value: Option<f64>,
    /// Bounds of its confidence interval; `None` where there is none.
    pub interval: Option<(f64, f64)>,
}

/// Divides rows by the values of these columns together. Groups with fewer than `min_support` rows are left out. Columns
/// of different lengths are read up to the shortest; without columns there are no groups.
pub fn group_rows(columns: &[&GroupColumn], min_support: usize) -> GroupedRows {
    let rows = columns.iter().map(|column| column.codes.len()).min().unwrap_or(0);
    let (group_of, counts) = number_groups(columns, rows.min(u32::MAX as usize));
    // Rows are kept of large groups alone: a column of unique texts has as many groups as rows.
    let mut groups: IndexMap<u32, RowGroup> = IndexMap::new();
    let (mut left_out, mut left_out_rows) = (0, 0);
    for (group, count) in (0..).zip(&counts) {
        if *count < min_support {
            left_out += 1;
            left_out_rows += *count as u64;
        } else {
            groups.insert(group, RowGroup { values: Vec::new(), rows: Vec::with_capacity(*count) });
        }
    }
    for (row, group) in (0_u32..).zip(&group_of) {
        let Some(group) = groups.get_mut(group) else { continue };
        if group.rows.is_empty() {
            group.values =
                columns.iter().map(|column| column.text(column.codes[row as usize]).to_owned()).collect();
        }
        group.rows.push(row);
    }
    let mut groups: Vec<RowGroup> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.rows.len()));
    let columns = columns.iter().map(|column| column.name.clone()).collect();
    GroupedRows { columns, groups, left_out, left_out_rows }
}

/// Number of each row's group, in the order of the groups' first rows, and the number of rows of each group.
fn number_groups(columns: &[&GroupColumn], rows: usize) -> (Vec<u32>, Vec<usize>) {
    let mut group_of = vec![0_u32; rows];
    let mut counts = Vec::new();
    for column in columns {
        let mut numbers: HashMap<(u32, Option<u32>), u32> = HashMap::new();
        counts.clear();
        for (group, code) in group_of.iter_mut().zip(&column.codes) {
            // A code without a label counts as missing.
            let code = code.filter(|code| (*code as usize) < column.labels.len());
            *group = *numbers.entry((*group, code)).or_insert_with(|| {
                counts.push(0);
                u32::try_from(counts.len() - 1).unwrap_or(u32::MAX)
            });
            counts[*group as usize] += 1;
        }
    }
    (group_of, counts)
}

/// Metrics of each group, `[group][metric]`, with intervals if there is a bootstrap. The function receives the rows of a
/// group and a weight for each, and returns equally many values every time.
pub fn group_metrics(
    grouped: &GroupedRows,
    bootstrap: Option<&Bootstrap>,
    metrics: impl Fn(&[u32], &[f64]) -> Vec<Option<f64>> + Sync,
) -> Vec<Vec<GroupMetric>> {
    let of_group = |group: &RowGroup| {
        let of_weights = |weights: &[f64]| metrics(&group.rows, weights);
        let values = of_weights(&vec![1.0; group.rows.len()]);
        let intervals = match bootstrap {
            Some(bootstrap) => bootstrap.intervals(group.rows.len(), of_weights),
            None => vec![None; values.len()],
        };
        let bounds = intervals.into_iter().map(|found| found.map(|found| (found.low, found.high)));
        let finite = values.into_iter().map(|value| value.filter(|value| value.is_finite()));
        finite.zip(bounds).map(|(value, interval)| GroupMetric { value, interval }).collect()
    };
    grouped.groups.iter().map(of_group).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::subgroups::MISSING;

    #[test]
    fn crossings_group_by_all_columns_and_leave_small_groups_out() {
        let sex = GroupColumn::new("sex", [Some("f"), Some("m"), Some("f"), None, Some("f"), None]);
        let band =
            GroupColumn::new("band", [Some("a"), Some("a"), Some("b"), Some("a"), Some("a"), Some("a")]);
        let found = group_rows(&[&sex, &band], 2);
        assert_eq!(found.columns, ["sex", "band"]);
        assert_eq!((found.left_out, found.left_out_rows), (2, 2));
        let groups: Vec<_> =
            found.groups.iter().map(|group| (group.values.join("/"), &group.rows[..])).collect();
        assert_eq!(groups, [("f/a".to_owned(), &[0, 4][..]), (format!("{MISSING}/a"), &[3, 5][..])]);
        assert!(group_rows(&[], 0).groups.is_empty());
    }

    #[test]
    fn metrics_and_intervals_are_those_of_the_rows() {
        let column = GroupColumn::new("g", (0..90).map(|row| Some(if row % 3 == 0 { "x" } else { "y" })));
        let grouped = group_rows(&[&column], 1);
        let mean = |rows: &[u32], weights: &[f64]| {
            let sum: f64 = rows.iter().zip(weights).map(|(row, weight)| f64::from(row % 10) * weight).sum();
            vec![Some(sum / weights.iter().sum::<f64>()), None, Some(f64::NAN)]
        };
        let found =
            group_metrics(&grouped, Some(&Bootstrap { resamples: 300, ..Bootstrap::default() }), mean);
        assert_eq!((found.len(), grouped.groups[1].values[0].as_str()), (2, "x"));
        let (value, interval) = (found[1][0].value.unwrap(), found[1][0].interval.unwrap());
        assert!((value - 4.5).abs() < 1e-12 && interval.0 < value && value < interval.1);
        let undefined = GroupMetric { value: None, interval: None };
        assert_eq!((found[0][1], found[0][2]), (undefined, undefined));
        assert_eq!(group_metrics(&grouped, None, mean)[1][0].interval, None);
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_group(
            codes in prop::collection::vec((prop::option::of(0_u32..5), prop::option::of(0_u32..4)), 0..80),
            support in 0_usize..6,
        ) {
            let labels: Vec<String> = (0..4).map(|label| format!("l{label}")).collect();
            let first = GroupColumn { name: "a".into(), labels: labels.clone(), codes: codes.iter().map(|pair| pair.0).collect() };
            let second = GroupColumn { name: "b".into(), labels, codes: codes.iter().map(|pair| pair.1).collect() };
            let found = group_rows(&[&first, &second], support);
            let mut rows: Vec<u32> = found.groups.iter().flat_map(|group| group.rows.clone()).collect();
            prop_assert_eq!(rows.len() as u64 + found.left_out_rows, codes.len() as u64);
            rows.sort_unstable();
            rows.dedup();
            prop_assert_eq!(rows.len() as u64 + found.left_out_rows, codes.len() as u64);
            prop_assert!(found.groups.iter().all(|group| group.rows.len() >= support));
        }
    }
}
