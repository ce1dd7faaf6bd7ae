//! Conditions and known rows of a ranking, whose rows belong together in groups.

use std::borrow::Cow;
use std::collections::HashMap;

use cupola_eval::RankedGroups;
use cupola_prep::Frame;

use super::Draft;

/// Share of the way from a random order to the best one that a model must have made.
const LEARNED: f64 = 0.1;

/// Rows of each group in the order of the data; `None` for other targets than rankings. Rows without a group are left out.
pub(super) fn groups(draft: &Draft, frame: &Frame) -> Option<Vec<Vec<usize>>> {
    let names = frame.get(draft.target.group.as_deref()?)?;
    let (mut found, mut groups) = (HashMap::<Cow<'_, str>, usize>::new(), Vec::<Vec<usize>>::new());
    for row in 0..frame.rows() {
        let Some(name) = names.text(row) else { continue };
        let group = *found.entry(name).or_insert(groups.len());
        if group == groups.len() {
            groups.push(Vec::new());
        }
        groups[group].push(row);
    }
    Some(groups)
}

/// Expected NDCG@10 of a random order of each group. `None` where it is undefined, such as for grades that are no numbers.
pub(super) fn chance(draft: &Draft, frame: &Frame) -> Option<f64> {
    let grades = frame.get(draft.target.column.as_deref().unwrap_or(&draft.target.name))?;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    for (group, rows) in (0..).zip(groups(draft, frame)?) {
        for row in rows {
            if let Some(grade) = grades.number(row).ok()? {
                keys.push(group);
                values.push(grade);
            }
        }
    }
    // Equal scores share their discounts, which is the mean over all orders.
    let scores = vec![0.0; values.len()];
    RankedGroups::of_grades(&keys, &values, &scores).ok()?.ndcg(Some(10), None).ok()
}

/// NDCG that a model has which learned something, in hundredths.
pub(super) fn better_than(chance: f64) -> f64 {
    ((chance + LEARNED * (1.0 - chance)) * 100.0).floor() / 100.0
}

/// Whole groups that are spread over all, of about `most` rows.
pub(super) fn known_rows(groups: Vec<Vec<usize>>, most: usize) -> Vec<usize> {
    let rows: usize = groups.iter().map(Vec::len).sum();
    let mut known: Vec<usize> = groups.into_iter().step_by(rows.div_ceil(most).max(1)).flatten().collect();
    known.sort_unstable();
    known
}
