//! Files of weights, and configurations of other models.

use cupola_nn::StateDict;
use serde_json::json;

use super::{BERT, LLAMA, TestFolder};
use crate::hugging_face::from_hugging_face;

/// A safetensors file of one weight.
fn file(name: &str, kind: &str, shape: &[usize], data: &[u8]) -> Vec<u8> {
    let header =
        json!({ name: { "dtype": kind, "shape": shape, "data_offsets": [0, data.len()] } }).to_string();
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

#[test]
fn shards_are_joined_and_a_missing_one_is_named() {
    let folder = TestFolder::new(LLAMA);
    let single = from_hugging_face(folder.path(), None).unwrap();
    let all = StateDict::from_any_floats(LLAMA.1).unwrap();
    let names: Vec<String> = all.names().map(str::to_owned).collect();
    let mut map = serde_json::Map::new();
    for (at, names) in names.chunks(names.len().div_ceil(3)).enumerate() {
        let (mut part, file) = (StateDict::default(), format!("model-{at}.safetensors"));
        for name in names {
            part.insert(name.clone(), all.get(name).unwrap().clone());
            map.insert(name.clone(), file.clone().into());
        }
        folder.bytes(&file, &part.to_safetensors().unwrap());
    }
    folder.remove("model.safetensors");
    folder.write("model.safetensors.index.json", &json!({ "weight_map": map }));
    assert_eq!(from_hugging_face(folder.path(), None).unwrap().weights, single.weights);
    folder.remove("model-1.safetensors");
    let error = folder.refusal();
    assert!(error.contains("model-1.safetensors") && error.contains("download"), "{error}");
    for name in ["../model.safetensors", "/etc/passwd", ""] {
        folder.write("model.safetensors.index.json", &json!({ "weight_map": { "a": name } }));
        let error = folder.refusal();
        assert!(error.contains("model.safetensors.index.json"), "{name}: {error}");
    }
}

#[test]
fn floats_of_all_widths_are_read_and_other_types_are_named() {
    let halves: Vec<u8> = [0x3c00_u16, 0xc000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let brain: Vec<u8> = [0x3f80_u16, 0xc000].iter().flat_map(|bits| bits.to_le_bytes()).collect();
    let doubles: Vec<u8> = [1.0_f64, -2.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    for (kind, data) in [("F16", halves), ("BF16", brain), ("F64", doubles)] {
        let found = StateDict::from_any_floats(&file("a", kind, &[2], &data)).unwrap();
        assert_eq!(found.get("a").unwrap().data, [1.0, -2.0], "{kind}");
    }
    // Indices are no weights.
    assert_eq!(StateDict::from_any_floats(&file("a", "I64", &[1], &[0; 8])).unwrap().names().count(), 0);
    let error = StateDict::from_any_floats(&file("a", "F8_E4M3", &[2], &[0; 2])).unwrap_err().to_string();
    assert!(error.contains("`a`") && error.contains("F8_E4M3"), "{error}");
}

#[test]
fn norms_may_have_their_first_names() {
    let folder = TestFolder::new(BERT);
    let single = from_hugging_face(folder.path(), None).unwrap();
    let (all, mut renamed) = (StateDict::from_any_floats(BERT.1).unwrap(), StateDict::default());
    for name in all.names() {
        let first = name.replace("LayerNorm.weight", "LayerNorm.gamma");
        renamed.insert(first.replace("LayerNorm.bias", "LayerNorm.beta"), all.get(name).unwrap().clone());
    }
    assert!(renamed.names().any(|name| name.ends_with("LayerNorm.beta")));
    folder.bytes("model.safetensors", &renamed.to_safetensors().unwrap());
    assert_eq!(from_hugging_face(folder.path(), None).unwrap().weights, single.weights);
}

#[test]
fn small_files_may_have_a_mark_and_may_not_be_pointers_or_pipes() {
    let folder = TestFolder::new(LLAMA);
    let single = from_hugging_face(folder.path(), None).unwrap();
    for name in ["config.json", "tokenizer.json"] {
        let text = std::fs::read(folder.path().join(name)).unwrap();
        folder.bytes(name, &["\u{feff}".as_bytes(), &text].concat());
    }
    assert_eq!(from_hugging_face(folder.path(), None).unwrap().weights, single.weights);
    folder.bytes("tokenizer.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let error = folder.refusal();
    assert!(error.starts_with("tokenizer.json: ") && error.contains("git lfs pull"), "{error}");
    for name in ["config.json", "model.safetensors"] {
        let folder = TestFolder::new(LLAMA);
        folder.remove(name);
        std::fs::create_dir(folder.path().join(name)).unwrap();
        let error = folder.refusal();
        assert!(error.contains(name), "{error}");
    }
    #[cfg(unix)]
    for name in ["config.json", "tokenizer.json", "generation_config.json"] {
        let folder = TestFolder::new(LLAMA);
        std::fs::remove_file(folder.path().join(name)).unwrap_or_default();
        std::os::unix::fs::symlink("/dev/zero", folder.path().join(name)).unwrap();
        let error = folder.refusal();
        assert!(error.starts_with(name) && error.contains("a link to a file outside"), "{error}");
    }
}

#[test]
fn weights_of_other_formats_are_named_with_the_remedy() {
    let folder = TestFolder::new(LLAMA);
    folder.remove("model.safetensors");
    assert!(folder.refusal().contains("has no model.safetensors"));
    folder.bytes("pytorch_model.bin", b"PK");
    let error = folder.refusal();
    assert!(error.starts_with("pytorch_model.bin: ") && error.contains("safe_serialization=True"), "{error}");
    folder.bytes("model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n");
    let error = folder.refusal();
    assert!(error.contains("Git LFS pointer") && error.contains("git lfs pull"), "{error}");
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n";
    for name in ["config.json", "tokenizer.json"] {
        let folder = TestFolder::new(LLAMA);
        folder.bytes(name, pointer);
        let error = folder.refusal();
        assert!(error.contains(name) && error.contains("git lfs pull"), "{error}");
    }
    folder.bytes("model.safetensors", b"nothing");
    assert!(folder.refusal().starts_with("model.safetensors: "));
    let folder = TestFolder::new(LLAMA);
    folder.write("adapter_config.json", &json!({ "peft_type": "LORA" }));
    assert!(folder.refusal().starts_with("adapter_config.json: "));
}

#[test]
fn configurations_are_refused_by_key() {
    for (model, key, value, words) in [
        (LLAMA, "model_type", json!("mamba"), "config.json: `model_type` = \"mamba\""),
        (LLAMA, "architectures", json!(["LlamaForSequenceClassification"]), "config.json: `architectures`"),
        (BERT, "architectures", json!(["BertForTokenClassification"]), "config.json: `architectures`"),
        (BERT, "hidden_act", json!("quick_gelu"), "config.json: `hidden_act`"),
        (LLAMA, "hidden_size", json!("wide"), "config.json: invalid `hidden_size`: "),
        (LLAMA, "num_hidden_layers", json!(-1), "config.json: invalid `num_hidden_layers`: "),
        (BERT, "layer_norm_eps", json!("small"), "config.json: invalid `layer_norm_eps`: "),
        (LLAMA, "vocab_size", json!(30), "the tokenizer has 37 tokens"),
    ] {
        let folder = TestFolder::new(model);
        folder.set("config.json", key, value);
        let error = folder.refusal();
        assert!(error.contains(words), "{key}: {error}");
    }
}
