//! Rules of `[evaluate]`.

use std::collections::HashSet;

use crate::config::Config;
use crate::validate::Findings;

pub(super) fn check(config: &Config, found: &mut Findings) {
    let evaluate = &config.evaluate;
    let mut seen = HashSet::new();
    for (index, column) in evaluate.subgroups.iter().enumerate() {
        let pointer = format!("/evaluate/subgroups/{index}");
        found.add_if(
            !seen.insert(column),
            pointer.clone(),
            format!("`{column}` is listed twice; remove one of them"),
        );
        found.add_if(
            config.targets.iter().any(|target| target.column() == Some(column)),
            pointer,
            format!("`{column}` is a target, whose groups the model has to tell apart itself; remove it"),
        );
    }
    found.add_if(
        !evaluate.subgroups.is_empty() && config.inputs.iter().any(|input| input.window.is_some()),
        "/evaluate/subgroups",
        "rows of windows belong to no group; remove `subgroups`",
    );
    found.add_if(
        (1..100).contains(&evaluate.resamples),
        "/evaluate/resamples",
        "fewer than 100 resamples make no interval; write at least 100, or 0 for none",
    );
}
