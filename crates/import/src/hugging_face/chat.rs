//! Chat template of a folder.

use cupola_prep::ChatTemplate;
use serde_json::Value;

use super::folder::ModelFolder;
use super::tokenizer::TokenizerConfig;
use crate::error::Error;

/// Name of the template that transformers takes unless another is asked for.
const DEFAULT: &str = "default";

/// Chat template, if the folder has one: `chat_template.jinja`, `chat_template.json`, or one in
/// `tokenizer_config.json`.
///
/// # Errors
/// [`Error::UnsupportedKey`] for templates of which none is the default.
pub(super) fn chat_template(
    folder: &ModelFolder,
    config: &TokenizerConfig,
) -> Result<Option<ChatTemplate>, Error> {
    let template = match folder.text("chat_template.jinja")? {
        Some(template) => Some(template),
        None => match folder.optional::<Value>("chat_template.json")? {
            Some(value) => of_value(value.get("chat_template"), &folder.name("chat_template.json"))?,
            None => of_value(config.get("chat_template"), &config.file)?,
        },
    };
    let token = |key: &str| config.token(key).unwrap_or_default().to_owned();
    let (begin, end) = (token("bos_token"), token("eos_token"));
    Ok(template.map(|template| ChatTemplate { template, begin, end }))
}

/// A template, or the default of several with names.
fn of_value(value: Option<&Value>, file: &str) -> Result<Option<String>, Error> {
    let refused = |found: &Value| {
        let remedy = "expected a template, or a list with one that is named `default`";
        Err(Error::unsupported_key(file, "chat_template", &found.to_string(), remedy))
    };
    match value {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(template)) => Ok(Some(template.clone())),
        Some(found @ Value::Array(templates)) => {
            let default = templates.iter().find(|template| template["name"] == DEFAULT);
            match default.and_then(|default| default["template"].as_str()) {
                Some(template) => Ok(Some(template.to_owned())),
                None if templates.is_empty() => Ok(None),
                None => refused(found),
            }
        }
        Some(found @ Value::Object(templates)) => match templates.get(DEFAULT).and_then(Value::as_str) {
            Some(template) => Ok(Some(template.to_owned())),
            None => refused(found),
        },
        Some(found) => refused(found),
    }
}
