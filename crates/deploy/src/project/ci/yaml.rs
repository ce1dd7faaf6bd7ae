//! YAML of typed values.

use serde::{Serialize, Serializer};
use serde_saphyr::LitStr;

use crate::project::error::ProjectError;

/// Text of a value with a comment before it.
pub(super) fn to_yaml(
    file: &'static str,
    comment: &str,
    value: &impl Serialize,
) -> Result<String, ProjectError> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    let text = serde_saphyr::to_string_with_options(value, options)
        .map_err(|error| ProjectError::Yaml { file, reason: error.to_string() })?;
    let comment: String =
        comment.lines().map(|line| format!("# {line}").trim_end().to_owned() + "\n").collect();
    Ok(format!("{comment}{text}"))
}

/// Serializes pairs as a map in their order.
pub(super) fn ordered<K: Serialize, V: Serialize, S: Serializer>(
    pairs: &[(K, V)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(key, value)| (key, value)))
}

/// Serializes a script of several lines as a literal block.
#[allow(clippy::ref_option, reason = "serde passes a reference")]
pub(super) fn script<S: Serializer>(script: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    match script {
        Some(text) if text.contains('\n') => LitStr(text).serialize(serializer),
        script => script.serialize(serializer),
    }
}
