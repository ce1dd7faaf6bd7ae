//! Modules and settings of sentence-transformers.

use cupola_nn::{Array, StateDict};
use cupola_prep::FittedInput;
use cupola_spec::{Layer, Take};
use serde_json::{Value, json};

use super::{BERT, TestFolder};
use crate::hugging_face::from_hugging_face;

fn modules(kinds: &[(&str, &str)]) -> Value {
    let each = kinds.iter().enumerate().map(|(index, (path, kind))| {
        json!({ "idx": index, "name": index.to_string(), "path": path,
            "type": format!("sentence_transformers.models.{kind}") })
    });
    each.collect()
}

/// A BERT with a pooling and a Dense of 4 numbers.
fn with_dense() -> TestFolder {
    let folder = TestFolder::new(BERT);
    folder.write(
        "modules.json",
        &modules(&[("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense")]),
    );
    folder.write(
        "1_Pooling/config.json",
        &json!({ "word_embedding_dimension": 24, "pooling_mode_max_tokens": true }),
    );
    folder.write(
        "2_Dense/config.json",
        &json!({ "in_features": 24, "out_features": 4, "bias": true,
            "activation_function": "torch.nn.modules.activation.Tanh" }),
    );
    let mut weights = StateDict::default();
    weights.insert("linear.weight".into(), Array { shape: vec![4, 24], data: vec![0.5; 96] });
    weights.insert("linear.bias".into(), Array { shape: vec![4], data: vec![0.25; 4] });
    folder.bytes("2_Dense/model.safetensors", &weights.to_safetensors().unwrap());
    folder
}

#[test]
fn modules_become_layers() {
    let model = from_hugging_face(with_dense().path(), None).unwrap();
    assert_eq!(model.architecture.output, 4);
    let trunk = &model.architecture.trunk;
    let [.., pooling, Layer::Linear { out: 4, bias: true }, Layer::Activation { .. }] = trunk.as_slice()
    else {
        panic!("{trunk:?}");
    };
    assert_eq!(*pooling, Layer::Take { at: Take::Max, also: Vec::new() });
    // Without the file, as sentence-transformers does for a plain model, the mean.
    let model = from_hugging_face(TestFolder::new(BERT).path(), None).unwrap();
    assert_eq!(model.architecture.trunk.last(), Some(&Layer::Take { at: Take::Mean, also: Vec::new() }));
}

#[test]
fn modules_that_are_not_supported_are_named() {
    for (kinds, words) in [
        (
            vec![("", "Transformer"), ("1_CNN", "CNN")],
            "modules.json: module `sentence_transformers.models.CNN`",
        ),
        (vec![("1_Pooling", "Pooling")], "modules.json: the first module is not a Transformer"),
        (vec![("", "Transformer"), ("2_Dense", "Dense")], "modules.json: the second module is not a Pooling"),
        (
            vec![("", "Transformer"), ("1_Pooling", "Pooling"), ("1_Pooling", "Pooling")],
            "modules.json: a Pooling follows the Pooling",
        ),
        (vec![("", "Transformer"), ("../1_Pooling", "Pooling")], "modules.json: `../1_Pooling`"),
    ] {
        let folder = with_dense();
        folder.write("modules.json", &modules(&kinds));
        let error = folder.refusal();
        assert!(error.contains(words), "{kinds:?}: {error}");
    }
    let folder = with_dense();
    folder.write("modules.json", &json!([{ "path": "", "type": "my_code.Transformer" }]));
    assert!(folder.refusal().contains("module `my_code.Transformer` is not supported"));
}

#[test]
fn keys_of_modules_are_obeyed_or_refused() {
    for (file, key, value, words) in [
        ("1_Pooling/config.json", "word_embedding_dimension", json!(16), "the tokens are 24 wide"),
        ("1_Pooling/config.json", "pooling_mode", json!("median"), "1_Pooling/config.json: `pooling_mode`"),
        ("1_Pooling/config.json", "pooling_mode_rms_tokens", json!(true), "`pooling_mode_rms_tokens` = true"),
        ("2_Dense/config.json", "in_features", json!(25), "2_Dense/config.json: `in_features` = 25"),
        ("2_Dense/config.json", "out_features", json!(5), "weight `linear.weight` has shape [4, 24]"),
        ("2_Dense/config.json", "activation_function", json!("torch.nn.modules.activation.ELU"), "ELU"),
        ("2_Dense/config.json", "bias", json!(false), "2_Dense/model.safetensors: weight `linear.bias`"),
        ("2_Dense/config.json", "use_residual", json!(true), "2_Dense/config.json: `use_residual` = true"),
        ("2_Dense/config.json", "module_input_name", json!("token_embeddings"), "`module_input_name`"),
        ("sentence_bert_config.json", "transformer_task", json!("fill-mask"), "`transformer_task`"),
        ("config_sentence_transformers.json", "default_prompt_name", json!("query"), "`default_prompt_name`"),
        ("config_sentence_transformers.json", "truncate_dim", json!(2), "`truncate_dim` = 2"),
        (
            "config_sentence_transformers.json",
            "model_type",
            json!("SparseEncoder"),
            "`model_type` = SparseEncoder",
        ),
    ] {
        let folder = with_dense();
        folder.set(file, key, value);
        let error = folder.refusal();
        assert!(error.contains(words), "{file} {key}: {error}");
    }
}

#[test]
fn lengths_cases_and_prompts_are_applied() {
    let folder = with_dense();
    folder.write("sentence_bert_config.json", &json!({ "max_seq_length": 9, "do_lower_case": true }));
    let prompts = json!({ "prompts": { "query": "w3 ", "passage": "w4 " }, "default_prompt_name": "query",
        "similarity_fn_name": "cosine" });
    folder.write("config_sentence_transformers.json", &prompts);
    let model = from_hugging_face(folder.path(), None).unwrap();
    let [FittedInput::Text { length, tokenizer, prompt, .. }] = model.plan.inputs.as_slice() else {
        panic!("{:?}", model.plan.inputs);
    };
    assert_eq!((*length, prompt.as_str()), (9, "w3 "));
    assert_eq!(tokenizer.encode("W5 w6").unwrap(), [6, 7]);
    assert!(model.notes[0].contains("`passage`") && !model.notes[0].contains("`query`"), "{:?}", model.notes);
    // The limit of the tokenizer holds where the transformer has none.
    folder.write("sentence_bert_config.json", &json!({ "max_seq_length": null }));
    folder.write("tokenizer_config.json", &json!({ "model_max_length": 7 }));
    let model = from_hugging_face(folder.path(), None).unwrap();
    assert!(matches!(model.plan.inputs.as_slice(), [FittedInput::Text { length: 7, .. }]));
    folder.set("1_Pooling/config.json", "include_prompt", json!(false));
    assert!(folder.refusal().contains("`include_prompt` = false"));
}

#[test]
fn modules_without_end_are_refused() {
    let folder = with_dense();
    let mut kinds = vec![("", "Transformer"), ("1_Pooling", "Pooling")];
    kinds.resize(1_000, ("2_Normalize", "Normalize"));
    folder.write("modules.json", &modules(&kinds));
    let error = from_hugging_face(folder.path(), None).err().unwrap().to_string();
    assert!(error.contains("at most 64"), "{error}");
}
