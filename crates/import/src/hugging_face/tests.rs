//! Folders that are followed, or refused by file and key.

mod files;
mod generation;
mod sentences;
mod tokenizers;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::folder::ModelFolder;
use super::from_hugging_face;

const LLAMA: (&str, &[u8]) =
    (include_str!("../golden/llama.json"), include_bytes!("../golden/llama.safetensors"));
const BERT: (&str, &[u8]) =
    (include_str!("../golden/bert_classes.json"), include_bytes!("../golden/bert_classes.safetensors"));

/// Folder of a golden model whose tokens are the words `w0` to `w36`.
struct TestFolder(TempDir);

impl TestFolder {
    fn empty() -> Self {
        Self(cupola_testkit::temporary())
    }

    fn new((config, weights): (&str, &[u8])) -> Self {
        let folder = Self::empty();
        let mut case: Value = serde_json::from_str(config).unwrap();
        folder.write("config.json", &case["config"].take());
        folder.bytes("model.safetensors", weights);
        let words: serde_json::Map<String, Value> = (0..37).map(|i| (format!("w{i}"), i.into())).collect();
        folder.write(
            "tokenizer.json",
            &json!({
                "version": "1.0",
                "model": { "type": "WordLevel", "vocab": words, "unk_token": "w0" },
                "pre_tokenizer": { "type": "WhitespaceSplit" },
            }),
        );
        folder
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn model(&self) -> ModelFolder {
        ModelFolder::new(self.path())
    }

    fn write(&self, name: &str, value: &Value) {
        self.bytes(name, value.to_string().as_bytes());
    }

    fn bytes(&self, name: &str, bytes: &[u8]) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Changes a key of a JSON file.
    fn set(&self, name: &str, key: &str, value: Value) {
        let path = self.path().join(name);
        let mut file: Value = std::fs::read_to_string(&path)
            .map_or_else(|_| json!({}), |text| serde_json::from_str(&text).unwrap());
        file[key] = value;
        self.write(name, &file);
    }

    fn remove(&self, name: &str) {
        std::fs::remove_file(self.path().join(name)).unwrap();
    }

    /// Message of an import that is refused.
    #[track_caller]
    fn refusal(&self) -> String {
        from_hugging_face(self.path(), None).expect_err("it is refused").to_string()
    }
}
