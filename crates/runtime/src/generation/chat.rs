//! Chat templates: messages as one text, in the format that a model was trained with.

mod check;

use std::sync::Arc;

use cupola_prep::ChatTemplate;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, ErrorKind, Value, context};
use serde::Serialize;
use serde_json::Value as Json;

use super::template::{check_template, limit, render, to_json};
use crate::error::Error;

pub use self::check::check_chat_template;

const TEMPLATE_NAME: &str = "chat";

/// Role of instructions in `OpenAI`'s newer models; templates that do not know it get [`SYSTEM`].
const DEVELOPER: &str = "developer";
/// Role of instructions.
pub(super) const SYSTEM: &str = "system";

/// Message of a chat, as templates see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PromptMessage {
    /// Author: `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// Text of the message.
    pub content: String,
    /// Name of the author, or of the tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Id of the call that a message of a tool answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// Calls of an assistant: `{"id", "type": "function", "function": {"name", "arguments": {...}}}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Json>,
}

/// Chat that a model answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatPrompt {
    /// Messages in order.
    pub messages: Vec<PromptMessage>,
    /// Tools that the model may call: `{"type": "function", "function": {"name", "description", "parameters"}}`.
    pub tools: Vec<Json>,
}

/// Beginning of a text that a model continues.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Plain text.
    Text(String),
    /// Ids of the tokenizer, to which nothing is added.
    Tokens(Vec<u32>),
    /// A chat.
    Chat(ChatPrompt),
}

/// Renderer of a Jinja template, as in Hugging Face's `tokenizer_config.json`.
#[derive(Debug, Clone)]
pub struct ChatRenderer {
    environment: Arc<Environment<'static>>,
    syntax: SyntaxConfig,
    template: Arc<str>,
    /// `true` if the template has a role of its own for developers.
    knows_developers: bool,
    bos_token: String,
    eos_token: String,
}

impl ChatRenderer {
    /// Compiles the template.
    ///
    /// # Errors
    /// [`Error::Chat`] for an invalid template.
    pub fn new(chat: &ChatTemplate) -> Result<Self, Error> {
        let mut environment = Environment::new();
        // The options that transformers renders templates with.
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let syntax = syntax.map_err(|error| invalid(&error))?;
        check_template(&chat.template, syntax.clone()).map_err(|error| invalid(&error))?;
        environment.set_syntax(syntax.clone());
        limit(&mut environment);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", |why: String| -> Result<String, minijinja::Error> {
            Err(minijinja::Error::new(ErrorKind::InvalidOperation, why))
        });
        let renderer = Self {
            environment: Arc::new(environment),
            syntax,
            template: chat.template.as_str().into(),
            knows_developers: chat.template.contains(DEVELOPER),
            bos_token: chat.begin.clone(),
            eos_token: chat.end.clone(),
        };
        renderer.try_out()?;
        Ok(renderer)
    }

    /// Renders a short chat. A template may reject it, but not exceed a limit with it.
    fn try_out(&self) -> Result<(), Error> {
        let message = PromptMessage { role: "user".into(), content: "a".into(), ..PromptMessage::default() };
        let chat = ChatPrompt { messages: vec![message], tools: Vec::new() };
        match self.rendered(&chat) {
            Err(error) if [ErrorKind::OutOfFuel, ErrorKind::SyntaxError].contains(&error.kind()) => {
                Err(invalid(&error))
            }
            _ => Ok(()),
        }
    }

    /// Renders the messages up to where the model answers.
    ///
    /// # Errors
    /// [`Error::Chat`] if the template rejects the messages.
    pub fn render(&self, chat: &ChatPrompt) -> Result<String, Error> {
        self.rendered(chat).map_err(|error| invalid(&error))
    }

    fn rendered(&self, chat: &ChatPrompt) -> Result<String, minijinja::Error> {
        let mut messages = chat.messages.clone();
        if !self.knows_developers {
            let developers = messages.iter_mut().filter(|message| message.role == DEVELOPER);
            developers.for_each(|message| SYSTEM.clone_into(&mut message.role));
        }
        // Templates ask whether there are tools by comparing with none, as transformers passes them.
        let tools = if chat.tools.is_empty() { Value::from(()) } else { Value::from(Serde(&chat.tools)) };
        let values = context! {
            messages => Value::from(Serde(&messages)),
            tools => tools,
            add_generation_prompt => true,
            bos_token => self.bos_token.as_str(),
            eos_token => self.eos_token.as_str(),
        };
        render(&self.environment, (TEMPLATE_NAME, &self.template), self.syntax.clone(), values)
    }
}

fn invalid(error: &minijinja::Error) -> Error {
    Error::Chat { why: error.detail().map_or_else(|| error.to_string(), str::to_owned) }
}

/// Messages one after another, for a model without a template. Calls are written as Hermes and Qwen write them.
pub(super) fn without_template(messages: &[PromptMessage]) -> String {
    let each = messages.iter().map(|PromptMessage { role, content, tool_calls, .. }| {
        let calls = tool_calls.iter().map(|call| format!("<tool_call>{}</tool_call>", call["function"]));
        format!("{role}: {content}{}\n", calls.collect::<String>())
    });
    each.chain(["assistant:".to_owned()]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(template: &str) -> Result<ChatRenderer, Error> {
        ChatRenderer::new(&ChatTemplate {
            template: template.into(),
            begin: "<s>".into(),
            end: "</s>".into(),
        })
    }

    fn message(role: &str, content: &str) -> PromptMessage {
        PromptMessage { role: role.into(), content: content.into(), ..PromptMessage::default() }
    }

    fn messages<const N: usize>(messages: [PromptMessage; N]) -> ChatPrompt {
        ChatPrompt { messages: messages.into(), tools: Vec::new() }
    }

    #[test]
    fn templates_of_models_are_rendered_as_transformers_renders_them() {
        // SmolLM2's, then one that strips, joins and rejects as Llama 2's does.
        let smol = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
            {{ '<|im_start|>system\nHelp.<|im_end|>\n' }}{% endif %}{{'<|im_start|>' + message['role'] + '\n' \
            + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}\
            {{ '<|im_start|>assistant\n' }}{% endif %}";
        let text = chat(smol).unwrap().render(&messages([message("user", "Hi")])).unwrap();
        let expected = "<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n\
            <|im_start|>assistant\n";
        assert_eq!(text, expected);
        let llama = "{{ bos_token }}{% for m in messages %}
            {% if m['role'] not in ['user', 'assistant'] %}{{ raise_exception('no such role') }}{% endif %}
[INST] {{ m.content.strip() | trim }} [/INST]{{ eos_token if not loop.last }}{% endfor %}";
        let llama = chat(llama).unwrap();
        let text = llama.render(&messages([message("user", " a "), message("assistant", "b")])).unwrap();
        assert_eq!(text, "<s>[INST] a [/INST]</s>[INST] b [/INST]");
        let error = llama.render(&messages([message("nobody", "a")])).unwrap_err();
        assert!(error.to_string().contains("no such role"), "{error}");
        assert!(chat("{% for %}").is_err());
    }

    #[test]
    fn tools_and_calls_are_json_as_python_writes_it() {
        let template = "{% if tools is not none %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}\
            {% for m in messages %}{{ m.role }}:{{ m.content }}{% if m.tool_calls %}{% for call in m.tool_calls %}\
            {{ call.function.arguments | tojson }}{{ call.function.arguments | tojson(indent=2) }}{% endfor %}{% endif %}\
            {% endfor %}";
        let tool = serde_json::json!({ "type": "function", "function": { "name": "melt", "parameters": {
            "type": "object", "properties": { "z": { "enum": ["<iron>", "Käse", 1.5, null, true] }, "a": {} } } } });
        let call =
            serde_json::json!({ "function": { "name": "melt", "arguments": { "z": [1, []], "a": "'&'" } } });
        let assistant = PromptMessage { tool_calls: vec![call], ..message("assistant", "") };
        let prompt = ChatPrompt { messages: vec![message("developer", "d"), assistant], tools: vec![tool] };
        let text = chat(template).unwrap().render(&prompt).unwrap();
        // Output of `json.dumps(value, ensure_ascii=False)`, with and without `indent=2`.
        let expected = "{\"type\": \"function\", \"function\": {\"name\": \"melt\", \"parameters\": {\"type\": \"object\", \
            \"properties\": {\"z\": {\"enum\": [\"<iron>\", \"Käse\", 1.5, null, true]}, \"a\": {}}}}}\n\
            system:dassistant:{\"z\": [1, []], \"a\": \"'&'\"}{\n  \"z\": [\n    1,\n    []\n  ],\n  \"a\": \"'&'\"\n}";
        assert_eq!(text, expected);
        let plain = ChatPrompt { tools: Vec::new(), ..prompt };
        assert!(chat(template).unwrap().render(&plain).unwrap().starts_with("system:d"));
        assert!(without_template(&plain.messages).contains("<tool_call>{\"name\":\"melt\""));
    }

    #[test]
    fn an_endless_template_is_stopped() {
        assert!(
            chat("{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}").is_err()
        );
    }

    #[test]
    fn templates_that_make_much_of_little_are_refused() {
        let doubled = "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
        let texts = "{% set ns = namespace(x='ab') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}";
        for hostile in [
            "{{ '{:>9000000000}'.format('a') }}".to_owned(),
            "{{ '{:.900000000f}'.format(1.5) }}".to_owned(),
            "{{ '{:{}}'.format('a', 9000000000) }}".to_owned(),
            "{{ '%900000000s' | format('a') }}".to_owned(),
            "{{ 'a' * 90000000000 }}".to_owned(),
            "{{ 'a' * 99999999 * 10 }}".to_owned(),
            "{{ ('a' * 1000000) | replace('a', 'b' * 1000000) }}".to_owned(),
            "{{ ('a' * 1000000).replace('a', 'b' * 1000000) }}".to_owned(),
            "{{ ('b' * 1000000).join(['a'] * 1000000) }}".to_owned(),
            "{{ (['a'] * 99999999) | join('b' * 1000000) }}".to_owned(),
            "{{ ['a' * 100000] * 99999999 }}".to_owned(),
            "{{ ('a\n' * 1000000) | indent(1000000) }}".to_owned(),
            "{{ ([1] * 99999999) | tojson }}".to_owned(),
            format!("{doubled}{{{{ ns.x }}}}"),
            format!("{doubled}{{{{ ns.x | string }}}}"),
            format!("{doubled}{{{{ ns.x | tojson }}}}"),
            format!("{doubled}{{{{ ns.x | join }}}}"),
            format!("{texts}{{{{ ns.x }}}}"),
            "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns }}".to_owned(),
            "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ {ns.x: 1} }}".to_owned(),
            "{% set ns = namespace() %}{% set ns.x = [ns] %}{{ ns.x == [ns] }}".to_owned(),
            "{% set ns = namespace(x=[]) %}{% for i in range(90000) %}{% set ns.x = [ns.x] %}{% endfor %}a"
                .to_owned(),
            format!("{doubled}a"),
            doubled.replace("[ns.x, ns.x]", "ns.x + ns.x"),
            doubled.replace("[ns.x, ns.x]", "{'a': ns.x, 'b': ns.x}"),
            doubled.replace("[ns.x, ns.x]", "ns.x | zip(ns.x) | list"),
            doubled.replace("[ns.x, ns.x]", "dict(a=ns.x, b=ns.x)"),
            doubled.replace("[ns.x, ns.x]", "(ns.x, ns.x)"),
            "{% for a in [1] %}{{ loop.cycle() }}{% endfor %}".to_owned(),
            "{#".repeat(100_000),
            "{{ 'a\n' | indent(1000000000) }}".to_owned(),
            "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('aaaa') }}".to_owned(),
            format!("{{{{ 1{} }}}}", "+1".repeat(50_000)),
            format!("{{{{ a{} }}}}", "[0]".repeat(50_000)),
            format!("{{% if a %}}{}{{% endif %}}", "{% elif a %}".repeat(10_000)),
            "a".repeat(1 << 20),
        ] {
            let shown: String = hostile.chars().take(80).collect();
            let refused = chat(&hostile).and_then(|chat| chat.render(&messages([message("user", "a")])));
            assert!(matches!(refused, Err(Error::Chat { .. })), "{shown}");
        }
    }

    #[test]
    fn a_long_chat_is_within_the_limits() {
        let template = "{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content.strip() | trim }}\
            {% else %}{{ m.content.split('</think>')[-1] ~ ', ' }}{% endif %}{% endfor %}{{ ['a', 1] | join(', ') }}";
        let chat = chat(template).unwrap();
        let long = "word ".repeat(200);
        let turns = (0..1_000).map(|turn| message(if turn % 2 == 0 { "user" } else { "assistant" }, &long));
        let prompt = ChatPrompt { messages: turns.collect(), tools: Vec::new() };
        let text = chat.render(&prompt).unwrap();
        assert!(text.len() > 900_000 && text.ends_with("a, 1"));
    }
}
