//! Metrics by group, and the gaps between groups.

use super::markup::{Cell, dim, figure, further, grid, table};
use super::metrics::{bounds, even, finite, metrics, value_with};
use crate::document::{Metric, Subgroup, SubgroupTable};
use crate::plot::{Axis, LABEL, Row, Rows};
use crate::text::{Digits, count, cut, escape, name, several, spaced};

/// Subgroup columns and crossings that are shown.
const TABLES: usize = 12;

/// Groups of a table; the largest come first, or the smallest values of a number.
const GROUPS: usize = 30;

/// Groups of a plot.
const PLOTTED: usize = 14;

/// Metrics with a plot.
const PLOTS: usize = 3;

/// Metrics with a column.
const COLUMNS: usize = 8;

/// Tables and plots of all subgroup columns. `overall` are the metrics of all rows.
pub(super) fn subgroups(tables: &[SubgroupTable], overall: &[Metric]) -> String {
    let shown: String = tables.iter().take(TABLES).map(|table| one(table, overall)).collect();
    shown + &further(tables.len(), TABLES, "set of columns").replace("set of columnses", "sets of columns")
}

fn one(subgroups: &SubgroupTable, overall: &[Metric]) -> String {
    let columns: Vec<String> = subgroups.columns.iter().take(4).map(|column| name(column)).collect();
    let mut html = format!("<h4>{}</h4>", columns.join(" × "));
    let names: Vec<&str> = subgroups
        .groups
        .first()
        .map(|group| group.metrics.iter().map(|metric| metric.name.as_str()).collect())
        .unwrap_or_default();
    let plots: Vec<String> =
        names.iter().take(PLOTS).filter_map(|metric| plot(metric, &subgroups.groups, overall)).collect();
    html += &grid(&plots);
    html += &groups(&subgroups.groups, &names);
    html += &further(subgroups.groups.len(), GROUPS, "group");
    if subgroups.left_out > 0 {
        let few = several(subgroups.left_out, "group");
        html += &dim(&format!("Not reported: {few} with fewer rows than the minimum support."));
    }
    if !subgroups.gaps.is_empty() {
        html += &format!("<h5>Gaps between groups</h5>{}", metrics(&subgroups.gaps));
    }
    html
}

/// Name of a group, such as `female × 30-39`, of about `most` characters. The longest values are cut.
fn label(group: &Subgroup, most: usize) -> String {
    let lengths: Vec<usize> = group.values.iter().take(4).map(|value| value.chars().count()).collect();
    let room = most.saturating_sub(4 * lengths.len().saturating_sub(1));
    let fits = |cap: &usize| lengths.iter().map(|length| length.min(cap)).sum::<usize>() <= room;
    let cap = (1..=room).rev().find(fits).unwrap_or(1);
    group.values.iter().take(4).map(|value| cut(value, cap)).collect::<Vec<_>>().join(" × ")
}

/// Dots with whiskers of a metric, with that of all rows as a dashed line.
fn plot(metric: &str, groups: &[Subgroup], overall: &[Metric]) -> Option<String> {
    let found = |group: &Subgroup| group.metrics.iter().find(|one| one.name == metric).cloned();
    let rows = groups.iter().take(PLOTTED).map(|group| {
        let metric = found(group).unwrap_or_default();
        let value = finite(metric.value).unwrap_or(f64::NAN);
        Row { label: label(group, LABEL), value, interval: bounds(metric.interval) }
    });
    let title = spaced(metric);
    let all = overall.iter().find(|one| one.name == metric).and_then(|metric| finite(metric.value));
    let html = Rows {
        title: format!("{title} by group"),
        axis: Axis::new(title.clone()),
        values: rows.collect(),
        bars: false,
        reference: all,
    }
    .html();
    let more = if groups.len() > PLOTTED { format!("The first {PLOTTED} groups. ") } else { String::new() };
    let note = if all.is_some() { format!("{more}Dashed: all rows.") } else { more };
    (!html.is_empty()).then(|| figure(&format!("{title} by group"), &html, &note))
}

fn groups(groups: &[Subgroup], names: &[&str]) -> String {
    let titles: Vec<String> = names.iter().take(COLUMNS).map(|metric| escape(&cut(metric, 40))).collect();
    let mut head = vec![("group", Cell::Words), ("rows", Cell::Number)];
    head.extend(titles.iter().map(|title| (title.as_str(), Cell::Number)));
    let found = |group: &Subgroup, metric: &str| group.metrics.iter().find(|one| one.name == metric).cloned();
    // Values of one metric have the same digits in all groups.
    let digits: Vec<Digits> = names
        .iter()
        .take(COLUMNS)
        .map(|metric| even(groups.iter().take(GROUPS).filter_map(|group| found(group, metric)?.value)))
        .collect();
    let rows = groups.iter().take(GROUPS).map(|group| {
        let mut row = vec![name(&label(group, 58)), count(group.rows)];
        let values = names.iter().zip(&digits).map(|(metric, digits)| {
            found(group, metric).map(|metric| value_with(&metric, *digits)).unwrap_or_default()
        });
        row.extend(values);
        row
    });
    table(&head, rows)
}

#[cfg(test)]
mod tests {
    use super::label;
    use crate::document::Subgroup;

    #[test]
    fn the_longest_value_of_a_crossing_is_cut() {
        let group = |values: &[&str]| Subgroup {
            values: values.iter().map(|v| (*v).into()).collect(),
            ..Subgroup::default()
        };
        assert_eq!(label(&group(&["male", "60 and above, not retired"]), 25), "male × 60 and above, not…");
        assert_eq!(
            label(&group(&["a".repeat(90).as_str(), "b".repeat(90).as_str()]), 24).chars().count(),
            25
        );
        assert_eq!(label(&group(&[]), 25), "");
    }
}
