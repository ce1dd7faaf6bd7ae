//! Pooling of sentence-transformers.

use cupola_spec::Take;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;

const FILE: &str = "config.json";
/// Names of the poolings, the flags of older files, and the vectors that they take; in the order in which several
/// vectors are put side by side.
const MODES: [(&str, &str, Take); 6] = [
    ("cls", "pooling_mode_cls_token", Take::First),
    ("max", "pooling_mode_max_tokens", Take::Max),
    ("mean", "pooling_mode_mean_tokens", Take::Mean),
    ("mean_sqrt_len_tokens", "pooling_mode_mean_sqrt_len_tokens", Take::MeanSqrt),
    ("weightedmean", "pooling_mode_weightedmean_tokens", Take::WeightedMean),
    ("lasttoken", "pooling_mode_lasttoken", Take::Last),
];

/// Vectors that a Pooling takes of tokens of `width`, at least one.
///
/// # Errors
/// A missing file, and keys that are not supported.
pub(super) fn read(folder: &ModelFolder, width: usize) -> Result<Vec<Take>, Error> {
    let config: Map<String, Value> = folder.required(FILE)?;
    let file = folder.name(FILE);
    for key in ["word_embedding_dimension", "embedding_dimension"] {
        let Some(found) = config.get(key) else { continue };
        if found.as_u64() != u64::try_from(width).ok() {
            let remedy = format!("the tokens are {width} wide; take all files from one model");
            return Err(Error::unsupported_key(&file, key, &found.to_string(), &remedy));
        }
    }
    let takes = if let Some(modes) = config.get("pooling_mode") {
        named(&file, modes)?
    } else {
        let set = |flag: &str| config.get(flag).and_then(Value::as_bool).unwrap_or(false);
        MODES.iter().filter(|(_, flag, _)| set(flag)).map(|(_, _, take)| *take).collect()
    };
    let known = |key: &str| MODES.iter().any(|(_, flag, _)| *flag == key);
    let unknown = config.iter().find(|(key, value)| {
        key.starts_with("pooling_mode_") && !known(key) && **value != Value::Bool(false) && !value.is_null()
    });
    if let Some((key, value)) = unknown {
        return Err(Error::unsupported_key(&file, key, &value.to_string(), "choose another pooling"));
    }
    Ok(if takes.is_empty() { vec![Take::Mean] } else { takes })
}

/// As [`read`], but the mean without the file.
pub(super) fn read_optional(folder: &ModelFolder, width: usize) -> Result<Vec<Take>, Error> {
    if folder.has(FILE) { read(folder, width) } else { Ok(vec![Take::Mean]) }
}

/// `true` if a Pooling leaves the tokens of a prompt out.
pub(super) fn leaves_prompt_out(folder: &ModelFolder) -> Result<bool, Error> {
    let config: Option<Map<String, Value>> = folder.optional(FILE)?;
    Ok(config.and_then(|config| config.get("include_prompt")?.as_bool()) == Some(false))
}

/// Vectors of one name or of a list of names.
fn named(file: &str, modes: &Value) -> Result<Vec<Take>, Error> {
    let names = match modes {
        Value::Array(names) => names.as_slice(),
        one => std::slice::from_ref(one),
    };
    let each = names.iter().map(|name| {
        let found = MODES.iter().find(|(mode, _, _)| name.as_str() == Some(mode));
        found.map(|(_, _, take)| *take).ok_or_else(|| {
            let remedy = format!("expected {}", MODES.map(|(mode, _, _)| mode).join(", "));
            Error::unsupported_key(file, "pooling_mode", &name.to_string(), &remedy)
        })
    });
    each.collect()
}
