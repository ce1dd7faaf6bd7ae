//! Files of a model's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Component, Path, PathBuf};

use cupola_nn::StateDict;
use cupola_prep::FittedTokenizer;
use cupola_registry::sha256_hex;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, refuse_pointer};

/// Files of weights that are not read, the most common first.
const OTHER_WEIGHTS: [&str; 5] = [
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
    "tf_model.h5",
    "flax_model.msgpack",
    "consolidated.safetensors",
];
/// Largest size in bytes of a configuration, a vocabulary or a template.
const MAX_TEXT: u64 = 1 << 28;
/// Mark that some editors write before UTF-8.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// `model.safetensors.index.json`: the file of each weight.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

/// A folder with a model, or with one of its modules.
#[derive(Clone)]
pub struct ModelFolder {
    path: PathBuf,
    /// Path within the model's folder, empty or ending with a slash.
    prefix: String,
}

impl ModelFolder {
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), prefix: String::new() }
    }

    /// A folder within this one; `name` comes from `file` and must not leave the folder.
    pub fn child(&self, name: &str, file: &str) -> Result<Self, Error> {
        if name.is_empty() || name == "." {
            return Ok(Self { path: self.path.clone(), prefix: self.prefix.clone() });
        }
        if Path::new(name).components().any(|part| !matches!(part, Component::Normal(_))) {
            let why = format!("`{name}` is not a path within the folder");
            return Err(Error::invalid_file(file, why, "restore the file from its source"));
        }
        Ok(Self {
            path: self.path.join(name),
            prefix: format!("{}{}/", self.prefix, name.trim_end_matches('/')),
        })
    }

    /// Name of a file for messages.
    pub fn name(&self, file: &str) -> String {
        format!("{}{file}", self.prefix)
    }

    /// Path of a file. A link must not lead out of the folder, except into the blobs of the Hub's cache, where files
    /// of `snapshots/REVISION` are links.
    fn located(&self, name: &str) -> Result<PathBuf, Error> {
        let path = self.path.join(name);
        let (Ok(target), Ok(root)) = (path.canonicalize(), self.root().canonicalize()) else {
            return Ok(path);
        };
        let snapshots = root.parent().filter(|parent| parent.ends_with("snapshots"));
        let blobs = snapshots.and_then(Path::parent).map(|repository| repository.join("blobs"));
        if target.starts_with(&root) || blobs.is_some_and(|blobs| target.starts_with(blobs)) {
            return Ok(path);
        }
        Err(self.unreadable(name, "it is a link to a file outside of the folder"))
    }

    /// Folder of the whole model.
    fn root(&self) -> &Path {
        let depth = Path::new(&self.prefix).components().count();
        self.path.ancestors().nth(depth).unwrap_or(&self.path)
    }

    /// A JSON file; `None` if the folder has none.
    pub fn optional<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let invalid = |source| match serde_json::from_str(&text) {
            Ok(value) => self.invalid_json::<T>(name, &value, source),
            Err(_) => Error::Config { path: self.path.join(name), source },
        };
        serde_json::from_str(&text).map(Some).map_err(invalid)
    }

    /// A JSON file that every model has.
    pub fn required<T: DeserializeOwned>(&self, name: &str) -> Result<T, Error> {
        let remedy = "expected a folder with config.json, model.safetensors and a tokenizer";
        self.optional(name)?.ok_or_else(|| self.missing(name, remedy))
    }

    /// A text file; `None` if the folder has none.
    pub fn text(&self, name: &str) -> Result<Option<String>, Error> {
        let Some(bytes) = self.bytes(name)? else { return Ok(None) };
        let mut text = String::from_utf8(bytes).map_err(|_| self.unreadable(name, "it is not UTF-8"))?;
        if text.starts_with(BYTE_ORDER_MARK) {
            text.remove(0);
        }
        Ok(Some(text))
    }

    /// Content of a file of limited size; `None` if the folder has none.
    pub fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let path = self.located(name)?;
        let bytes = match std::fs::metadata(&path) {
            // A pipe would never end, and a device neither.
            Ok(file) if !file.is_file() => return Err(self.unreadable(name, "it is not a regular file")),
            Ok(file) if file.len() > MAX_TEXT => {
                return Err(self.unreadable(name, "it is larger than 256 MiB"));
            }
            Ok(_) => std::fs::read(&path).map_err(|error| self.unreadable(name, &error.to_string()))?,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(self.unreadable(name, &error.to_string())),
        };
        refuse_pointer(&self.name(name), &bytes)?;
        Ok(Some(bytes))
    }

    /// `true` if the folder has the file.
    pub fn has(&self, name: &str) -> bool {
        self.path.join(name).is_file()
    }

    /// A JSON file as a value, and parsed.
    pub fn parse<T: DeserializeOwned>(&self, name: &str, value: &Value) -> Result<T, Error> {
        T::deserialize(value).map_err(|source| self.invalid_json::<T>(name, value, source))
    }

    /// Error for a JSON value of another type. It names the key, found by parsing each alone: serde does not.
    fn invalid_json<T: DeserializeOwned>(
        &self,
        name: &str,
        value: &Value,
        source: serde_json::Error,
    ) -> Error {
        let error_of = |value: &Value| T::deserialize(value).err().map(|error| error.to_string());
        let (found, kind) = (error_of(value), value.get("model_type"));
        let mut keys = value.as_object().into_iter().flatten();
        let wrong = keys.find(|(key, value)| {
            let kind = kind.map(|kind| ("model_type".to_owned(), kind.clone()));
            let alone = kind.into_iter().chain([((*key).clone(), (*value).clone())]).collect();
            found.is_some() && error_of(&Value::Object(alone)) == found
        });
        match (wrong, found) {
            (Some((key, _)), Some(why)) => self.unreadable(name, &format!("invalid `{key}`: {why}")),
            _ => Error::Config { path: self.path.join(name), source },
        }
    }

    /// Weights and their SHA-256, from one file or from the shards that an index names.
    pub fn weights(&self) -> Result<(StateDict, String), Error> {
        let single = "model.safetensors";
        let index_name = "model.safetensors.index.json";
        let index: Option<ShardIndex> = self.optional(index_name)?;
        let names = match index {
            _ if self.has(single) => BTreeSet::from([single.to_owned()]),
            Some(index) => index.weight_map.into_values().collect(),
            None => return Err(self.without_weights()),
        };
        let (mut weights, mut digests) = (StateDict::default(), Vec::new());
        for name in names {
            let mut parts = Path::new(&name).components();
            if !matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) {
                let why = format!("`{name}` is not the name of a file in the folder");
                let file = self.name(index_name);
                return Err(Error::invalid_file(&file, why, "restore the file from its source"));
            }
            let path = self.located(&name)?;
            if path.exists() && !path.is_file() {
                return Err(self.unreadable(&name, "it is not a regular file"));
            }
            let bytes = std::fs::read(path).map_err(|error| match error.kind() {
                ErrorKind::NotFound => self.missing(&name, "download all files that the index names"),
                _ => self.unreadable(&name, &error.to_string()),
            })?;
            digests.push(sha256_hex(&bytes));
            weights.extend(self.parse_weights(&name, &bytes)?);
        }
        let digest =
            if digests.len() == 1 { digests.remove(0) } else { sha256_hex(digests.concat().as_bytes()) };
        Ok((weights, digest))
    }

    fn parse_weights(&self, name: &str, bytes: &[u8]) -> Result<StateDict, Error> {
        refuse_pointer(&self.name(name), bytes)?;
        StateDict::from_any_floats(bytes).map_err(|error| match error {
            cupola_nn::Error::Safetensors { why } => self.unreadable(name, &why),
            error => error.into(),
        })
    }

    fn without_weights(&self) -> Error {
        match OTHER_WEIGHTS.iter().find(|name| self.has(name)) {
            Some(name) => {
                let remedy = "load the model in transformers and save it with \
                              `save_pretrained(folder, safe_serialization=True)`";
                let why = "weights of this format are not read";
                Error::invalid_file(&self.name(name), why, remedy)
            }
            None => self.missing(
                "model.safetensors",
                "expected a folder with config.json, model.safetensors and a tokenizer",
            ),
        }
    }

    /// Error for a file that the folder lacks.
    pub fn missing(&self, name: &str, remedy: &str) -> Error {
        Error::MissingFile { folder: self.path.clone(), name: name.to_owned(), remedy: remedy.to_owned() }
    }

    fn unreadable(&self, name: &str, why: &str) -> Error {
        Error::invalid_file(&self.name(name), why, "restore the file from its source")
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
