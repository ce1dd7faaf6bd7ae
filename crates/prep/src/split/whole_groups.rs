//! Groups of a ranking, which must not be in two splits.

use std::borrow::Cow;
use std::collections::HashMap;

use cupola_spec::{Run, Target};

use super::SPLIT_NAMES;
use crate::error::Error;
use crate::frame::Frame;

/// Checks that all rows of each group of a ranking are in one split. Only a split by another column can tear one apart.
///
/// # Errors
/// [`Error::TornGroup`] for the first group in two splits, [`Error::Column`] for a missing column.
pub(crate) fn check_whole_groups(run: &Run, frame: &Frame, parts: &[&[usize]; 4]) -> Result<(), Error> {
    let Some(column) = run.targets.iter().find_map(Target::group) else { return Ok(()) };
    let values = frame.require(column, "check `group` under `[[targets]]`")?;
    let mut found: HashMap<Cow<'_, str>, usize> = HashMap::new();
    for (part, rows) in parts.iter().enumerate() {
        for group in rows.iter().filter_map(|&row| values.text(row)) {
            let first = *found.entry(group.clone()).or_insert(part);
            if first != part {
                return Err(Error::TornGroup {
                    column: column.to_owned(),
                    group: group.into_owned(),
                    parts: [SPLIT_NAMES[first], SPLIT_NAMES[part]],
                });
            }
        }
    }
    Ok(())
}
