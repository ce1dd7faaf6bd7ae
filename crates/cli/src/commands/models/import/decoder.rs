//! Decoders: a text goes on.

use std::path::Path;

use anyhow::Result;
use cupola_nn::{Decoder, StateDict};
use cupola_prep::{Chat, FittedTokenizer, Plan};
use cupola_registry::sha256_hex;
use cupola_runtime::Gguf;
use serde::Deserialize;

use super::{Imported, read, tokenizer, vocabulary};
use crate::args::ImportArgs;
use crate::failure::Mistake;

/// Tokens of a text where none are asked for: keys and values of longer ones take much memory.
const LENGTH: usize = 2_048;

/// `config.json` and `generation_config.json`, as far as they tell where texts end.
#[derive(Default, Deserialize)]
struct Ends {
    #[serde(default)]
    eos_token_id: Option<OneOrMany<u32>>,
}

/// `tokenizer_config.json`
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    chat_template: Option<OneOrMany<Named>>,
    #[serde(default)]
    bos_token: Option<Token>,
    #[serde(default)]
    eos_token: Option<Token>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn list(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A template, or one of several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Named {
    Plain(String),
    Of { name: String, template: String },
}

/// A token, or what is told of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Plain(String),
    Of { content: String },
}

/// A GPT-2, Llama, Mistral or Qwen2 in a folder.
pub fn read_folder(
    folder: &Path,
    args: &ImportArgs,
    sizes: &Decoder,
    weights: StateDict,
    digest: String,
) -> Result<Imported> {
    let ends: Option<Ends> = read(folder, "generation_config.json")?;
    let ends = match ends.and_then(|ends| ends.eos_token_id) {
        Some(ends) => Some(ends),
        None => read::<Ends>(folder, "config.json")?.and_then(|ends| ends.eos_token_id),
    };
    let ends =
        ends.map(OneOrMany::list).unwrap_or_default().into_iter().map(|id| id.saturating_add(1)).collect();
    let own = Own { tokenizer: tokenizer(folder)?, ends, chat: chat(folder)? };
    own.imported(args, sizes, weights, digest)
}

/// A GGUF file.
pub fn read_gguf(path: &Path, args: &ImportArgs) -> Result<Imported> {
    let shown = path.display();
    let bytes =
        std::fs::read(path).map_err(|error| Mistake(format!("{shown}: {error}; name a GGUF file")))?;
    let Gguf { sizes, weights, tokenizer, ends, chat } =
        Gguf::read(&bytes).map_err(|why| Mistake(format!("{shown}: {why}")))?;
    let digest = sha256_hex(&bytes);
    Own { tokenizer, ends, chat }.imported(args, &Decoder::Llama(sizes), weights, digest)
}

/// What of a model is no weight.
struct Own {
    tokenizer: FittedTokenizer,
    ends: Vec<u32>,
    chat: Option<Chat>,
}

impl Own {
    fn imported(
        self,
        args: &ImportArgs,
        sizes: &Decoder,
        weights: StateDict,
        digest: String,
    ) -> Result<Imported> {
        let length = args.length.map_or(LENGTH, |length| length as usize).min(sizes.length());
        let vocabulary = vocabulary(&self.tokenizer, sizes.vocabulary())?;
        let talks = self.chat.is_some();
        let (architecture, weights) = sizes.import(weights, length, vocabulary)?;
        let plan = Plan::language(self.tokenizer, length, self.ends, self.chat);
        let name = &args.name;
        let next = if talks {
            format!(
                "cupola serve --model {name}; then ask /v1/chat/completions, or try it on the server's page"
            )
        } else {
            format!("cupola generate --model {name} --prompt \"A furnace\"")
        };
        Ok(Imported { architecture, weights, plan, digest, layers: sizes.blocks(), next })
    }
}

/// How messages become a text, where the folder tells.
fn chat(folder: &Path) -> Result<Option<Chat>> {
    let config: TokenizerConfig = read(folder, "tokenizer_config.json")?.unwrap_or_default();
    let token = |token: Option<Token>| match token {
        Some(Token::Plain(text) | Token::Of { content: text }) => text,
        None => String::new(),
    };
    let templates = config.chat_template.map(OneOrMany::list).unwrap_or_default();
    let mut chosen = None;
    for template in templates {
        match template {
            Named::Plain(template) => chosen = Some(template),
            Named::Of { name, template } if name == "default" => chosen = Some(template),
            Named::Of { .. } => {}
        }
    }
    // A file of its own, where newer models have it.
    let own = std::fs::read_to_string(folder.join("chat_template.jinja")).ok();
    let (begin, end) = (token(config.bos_token), token(config.eos_token));
    Ok(own.or(chosen).map(|template| Chat { template, begin, end }))
}
