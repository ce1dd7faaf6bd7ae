//! Messages of a chat as one text, by the template that a model was trained with.

use std::sync::Arc;

use cupola_prep::ChatTemplate;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;

use crate::error::Error;

/// Name of the only template.
const NAME: &str = "chat";
/// Steps of a template's run, so that none runs for ever.
const FUEL: u64 = 10_000_000;

/// A message of a chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Who says it: `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

/// What a text goes on from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// The text.
    Text(String),
    /// Messages, after which the model answers.
    Messages(Vec<Message>),
}

/// A template in Jinja, as Hugging Face's `tokenizer_config.json` has it.
#[derive(Debug, Clone)]
pub struct Template {
    environment: Arc<Environment<'static>>,
    begin: String,
    end: String,
}

impl Template {
    /// Reads it.
    ///
    /// # Errors
    /// [`Error::Chat`] where it is no template.
    pub fn new(chat: &ChatTemplate) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // As transformers renders them.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|error| refused(&error))?);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_function("raise_exception", |why: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
        });
        environment.add_template_owned(NAME, chat.template.clone()).map_err(|error| refused(&error))?;
        Ok(Self { environment: Arc::new(environment), begin: chat.begin.clone(), end: chat.end.clone() })
    }

    /// The text of the messages, up to where the model answers.
    ///
    /// # Errors
    /// [`Error::Chat`] where the template refuses them.
    pub fn render(&self, messages: &[Message]) -> Result<String, Error> {
        let template = self.environment.get_template(NAME).map_err(|error| refused(&error))?;
        let values = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => true,
            bos_token => self.begin.as_str(),
            eos_token => self.end.as_str(),
        };
        template.render(values).map_err(|error| refused(&error))
    }
}

fn refused(error: &minijinja::Error) -> Error {
    Error::Chat { why: error.detail().map_or_else(|| error.to_string(), str::to_owned) }
}

/// Messages one after another, for a model without a template.
pub fn plain(messages: &[Message]) -> String {
    let each = messages.iter().map(|Message { role, content }| format!("{role}: {content}\n"));
    each.chain(["assistant:".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(template: &str) -> Result<Template, Error> {
        Template::new(&ChatTemplate { template: template.into(), begin: "<s>".into(), end: "</s>".into() })
    }

    fn said(role: &str, content: &str) -> Message {
        Message { role: role.into(), content: content.into() }
    }

    #[test]
    fn templates_of_models_are_rendered_as_transformers_renders_them() {
        // SmolLM2's, then one that strips, joins and refuses as Llama 2's does.
        let smol = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
            {{ '<|im_start|>system\nHelp.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' \
            + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}\
            {{ '<|im_start|>assistant\n' }}{% endif %}";
        let text = chat(smol).unwrap().render(&[said("user", "Hi")]).unwrap();
        let expected = "<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
            <|im_start|>assistant\n";
        assert_eq!(text, expected);
        let llama = "{{ bos_token }}{% for m in messages %}
            {% if m['role'] not in ['user', 'assistant'] %}{{ raise_exception('no such role') }}{% endif %}
[INST] {{ m.content.strip() | trim }} [/INST]{{ eos_token if not loop.last }}{% endfor %}";
        let llama = chat(llama).unwrap();
        let text = llama.render(&[said("user", " a "), said("assistant", "b")]).unwrap();
        assert_eq!(text, "<s>[INST] a [/INST]</s>[INST] b [/INST]");
        let error = llama.render(&[said("nobody", "a")]).unwrap_err();
        assert!(error.to_string().contains("no such role"), "{error}");
        assert!(chat("{% for %}").is_err());
    }

    #[test]
    fn a_template_does_not_run_for_ever() {
        let endless = chat("{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}");
        assert!(endless.unwrap().render(&[said("user", "a")]).is_err());
    }
}
