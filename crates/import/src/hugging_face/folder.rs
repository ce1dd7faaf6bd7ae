//! Files of a model's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cupola_nn::StateDict;
use cupola_prep::FittedTokenizer;
use cupola_registry::sha256_hex;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// `model.safetensors.index.json`: the file of each weight.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// A folder with a model.
pub struct ModelFolder<'a> {
    path: &'a Path,
}

impl<'a> ModelFolder<'a> {
    pub fn new(path: &'a Path) -> Self {
        Self { path }
    }

    /// A JSON file; `None` if the folder has none.
    pub fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let path = self.path.join(name);
        serde_json::from_str(&text).map(Some).map_err(|source| Error::Config { path, source })
    }

    /// A JSON file that every model has.
    pub fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        self.optional(name)?.ok_or_else(|| self.missing(name))
    }

    /// A text file; `None` if the folder has none.
    pub fn text(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.path.join(name)).ok()
    }

    /// Weights and their SHA-256, from one file or from the shards that an index names.
    pub fn weights(&self) -> Result<(StateDict, String), Error> {
        let single = "model.safetensors".to_owned();
        let index: Option<ShardIndex> = self.optional("model.safetensors.index.json")?;
        let names = match index {
            Some(index) if !self.path.join(&single).exists() => index.weight_map.into_values().collect(),
            _ => BTreeSet::from([single]),
        };
        let (mut weights, mut digests) = (StateDict::default(), Vec::new());
        for name in names {
            let bytes = std::fs::read(self.path.join(&name)).map_err(|_| self.missing(&name))?;
            digests.push(sha256_hex(&bytes));
            weights.extend(StateDict::from_any_floats(&bytes)?);
        }
        let digest =
            if digests.len() == 1 { digests.remove(0) } else { sha256_hex(digests.concat().as_bytes()) };
        Ok((weights, digest))
    }

    pub fn tokenizer(&self) -> Result<FittedTokenizer, Error> {
        let path = self.path.join("tokenizer.json");
        Ok(FittedTokenizer::read(&path.to_string_lossy())?)
    }

    fn missing(&self, name: &str) -> Error {
        Error::MissingFile { folder: self.path.to_owned(), name: name.to_owned() }
    }
}

/// Number of the tokenizer's tokens; the weights may have rows for more, which no text uses.
pub fn vocabulary(tokenizer: &FittedTokenizer, weights: usize) -> Result<usize, Error> {
    let found = tokenizer.vocabulary() - 1;
    if found > weights {
        return Err(Error::Vocabulary { tokenizer: found, weights });
    }
    Ok(found)
}
