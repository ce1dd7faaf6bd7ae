//! Parts of the environment of chat templates: the filter `tojson`, and limits.

mod json;
mod limits;

pub(super) use json::to_json;
pub(super) use limits::{check_template, limit};
