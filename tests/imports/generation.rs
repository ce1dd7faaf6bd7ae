//! Options of a `generation_config.json` hold where a request leaves them out.

use serde_json::{Value, json};

use super::{best, folder, logits, words};
use crate::support::TestHome;

#[test]
fn requests_have_the_options_of_the_model_unless_they_name_their_own() {
    let home = TestHome::new();
    let (config, weights) = golden!("qwen2");
    let case = folder(&home, config, weights, &json!({}));
    let mut expected = logits(&case["logits"][4]);
    let likeliest = best(&expected);
    expected[likeliest] = f64::NEG_INFINITY;
    let second = best(&expected);
    let options = json!({ "do_sample": false, "max_new_tokens": 3, "suppress_tokens": [likeliest] });
    home.write("model/generation_config.json", options.to_string());
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let ask = |more: Value| {
        let mut body = json!({ "model": "other", "prompt": words(&case["texts"][4]) });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let response = server.post("/v1/completions", body.to_string(), &[]).json();
        let text = response["choices"][0]["text"].as_str().unwrap().to_owned();
        (text, response["usage"]["completion_tokens"].as_u64().unwrap())
    };
    let (text, count) = ask(json!({}));
    assert_eq!(count, 3, "{text}");
    assert!(text.starts_with(&format!(" w{second} ")), "{text}, expected w{second} first");
    assert_eq!(ask(json!({ "temperature": 0, "max_tokens": 3 })).0, text);
    assert_eq!(ask(json!({ "max_tokens": 1 })), (format!(" w{second}"), 1));
}

#[test]
fn a_repetition_penalty_makes_tokens_of_the_prompt_unlikely() {
    let home = TestHome::new();
    let (config, weights) = golden!("qwen2");
    let case = folder(&home, config, weights, &json!({}));
    // Logits of the tokens that the prompt has, as transformers penalises them.
    let (prompt, mut expected) = (&case["texts"][5], logits(&case["logits"][5]));
    for token in prompt.as_array().unwrap() {
        let at = usize::try_from(token.as_u64().unwrap()).unwrap();
        let own = logits(&case["logits"][5])[at];
        expected[at] = if own < 0.0 { own * 50.0 } else { own / 50.0 };
    }
    home.write("model/generation_config.json", json!({ "repetition_penalty": 50.0 }).to_string());
    home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    let server = home.serve(&["--model", "other"]);
    let body = json!({ "model": "other", "prompt": words(prompt), "max_tokens": 1, "temperature": 0 });
    let response = server.post("/v1/completions", body.to_string(), &[]).json();
    assert_eq!(response["choices"][0]["text"], format!(" w{}", best(&expected)));
}
