//! Names and kinds of columns.

use std::collections::HashSet;

use serde_json::Value;

use super::super::foreign::{FeatureKind, ForeignFeature, MOST_FEATURES};
use super::section::Section;
use super::{BY_CATEGORY, invalid, unsupported};
use crate::error::Error;

/// Key of the values of pandas' categories, which Python's package appends.
const PANDAS: &str = "pandas_categorical:";
/// Begin of the line of the parameter that lists categorical columns.
const CATEGORICAL: &str = "[categorical_feature: ";

/// Columns with their names. `after` are the lines after the trees.
pub(super) fn features(
    header: &Section<'_>,
    trees: &[Section<'_>],
    after: &str,
) -> Result<Vec<ForeignFeature>, Error> {
    let names: Vec<&str> = header.get("feature_names").unwrap_or_default().split_ascii_whitespace().collect();
    let last = header.number("max_feature_idx").ok_or_else(|| invalid("it has no `max_feature_idx`"))?;
    if names.len() > MOST_FEATURES || last.checked_add(1) != Some(names.len()) {
        let why = format!("`feature_names` has {} names, `max_feature_idx` is {last}", names.len());
        return Err(invalid(format!("{why}; at most {MOST_FEATURES} columns are supported")));
    }
    let mut values = pandas_values(after)?.into_iter();
    let categorical = categorical(header, trees, after)?;
    if values.len() > 0 && values.len() != categorical.len() {
        let found = format!("{} lists for {} categorical columns", values.len(), categorical.len());
        let remedy = "train with `categorical_feature=\"auto\"` and without ordered categories";
        return Err(unsupported("pandas_categorical", &found, remedy));
    }
    let feature = |(index, name): (usize, &str)| {
        // Without values, the numbers of the categories are the values.
        let kind = if categorical.contains(&index) {
            values.next().map_or(FeatureKind::Single, FeatureKind::Category)
        } else {
            FeatureKind::Double
        };
        ForeignFeature { name: name.to_owned(), kind }
    };
    Ok(names.into_iter().enumerate().map(feature).collect())
}

/// Values of each of pandas' categorical columns; empty without any.
fn pandas_values(after: &str) -> Result<Vec<Vec<Value>>, Error> {
    let line = after.lines().rev().find_map(|line| line.strip_prefix(PANDAS));
    let Some(line) = line.filter(|line| *line != "null") else { return Ok(Vec::new()) };
    serde_json::from_str(line).map_err(|error| invalid(format!("`pandas_categorical` is damaged: {error}")))
}

/// Indices of the categorical columns: those of the parameters, those whose values are listed, and those that trees
/// split by categories.
fn categorical(header: &Section<'_>, trees: &[Section<'_>], after: &str) -> Result<HashSet<usize>, Error> {
    let parameter = after.lines().find_map(|line| line.strip_prefix(CATEGORICAL)).unwrap_or_default();
    let indices = parameter.trim_end_matches(']').split(',').filter_map(|index| index.trim().parse().ok());
    let mut found: HashSet<usize> = indices.collect();
    let infos = header.get("feature_infos").unwrap_or_default().split_ascii_whitespace();
    let is_list = |info: &str| !info.starts_with('[') && info != "none";
    found.extend(infos.enumerate().filter(|(_, info)| is_list(info)).map(|(index, _)| index));
    for tree in trees.iter().filter(|tree| tree.number("num_cat").is_some_and(|count| count > 0)) {
        let columns = tree.any_list::<usize>("split_feature")?.into_iter();
        let kinds = tree.any_list::<u8>("decision_type")?;
        found
            .extend(columns.zip(kinds).filter(|(_, kind)| kind & BY_CATEGORY != 0).map(|(column, _)| column));
    }
    Ok(found)
}
