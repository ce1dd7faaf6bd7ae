//! Parts of the environment of chat templates: the filter `tojson`, and limits.

mod json;
mod limits;
mod program;

pub(super) use json::to_json;
pub(super) use limits::{check_template, limit};
pub(super) use program::render;
