//! Options of a `generation_config.json` hold where a request leaves them out; chats in the terminal.

use std::io::Write;
use std::process::Stdio;

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

/// Chat template that marks roles with tokens of the vocabulary.
const TEMPLATE: &str = "{% for m in messages %}{{ {'system': 'w1', 'user': 'w2', 'assistant': 'w3'}[m.role] }} \
    {{ m.content | trim }} {% endfor %}w3";

fn chat_model(home: &TestHome) {
    let (config, weights) = golden!("qwen2");
    folder(home, config, weights, &json!({}));
    home.write("model/tokenizer_config.json", json!({ "chat_template": TEMPLATE }).to_string());
    let imported = home.json(&["models", "import", "--from", "hf", "model", "--name", "other"]);
    assert_eq!(imported["next"], json!(["cupola chat --model other"]));
}

/// Output of a chat whose input is piped.
fn piped(home: &TestHome, args: &[&str], input: &str) -> std::process::Output {
    let mut all = vec!["chat", "--model", "other", "--device", "flex", "--temperature", "0", "--tokens", "4"];
    all.extend(args);
    let mut command = home.command(&all);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

#[test]
fn a_chat_in_the_terminal_has_the_answers_of_the_server() {
    let home = TestHome::new();
    chat_model(&home);
    let output = piped(&home, &["--json", "--system", "w5"], "w7 w8\n\nw9\n");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    let messages = done["messages"].as_array().unwrap();
    let roles: Vec<&str> = messages.iter().map(|m| m["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["system", "user", "assistant", "user", "assistant"]);
    let server = home.serve(&["--model", "other"]);
    for answer in [2, 4] {
        let body =
            json!({ "model": "other", "messages": messages[..answer], "max_tokens": 4, "temperature": 0 });
        let response = server.post("/v1/chat/completions", body.to_string(), &[]).json();
        assert_eq!(response["choices"][0]["message"]["content"], messages[answer]["content"], "{response}");
    }
    // `generate` applies the template too, unless it is told not to.
    let generate = |more: &[&str]| {
        let mut args =
            vec!["generate", "--model", "other", "--device", "flex", "--temperature", "0", "--tokens", "4"];
        args.extend(more);
        home.json(&args)["text"].as_str().unwrap().to_owned()
    };
    assert_eq!(generate(&["--prompt", "w7 w8", "--system", "w5"]), messages[2]["content"].as_str().unwrap());
    assert!(generate(&["--prompt", "w7 w8", "--raw"]).starts_with("w7 w8"));
    let refused = home.run(&["generate", "--model", "other", "--raw", "--system", "w5"]);
    assert_eq!(refused.code, Some(2));
}

#[test]
fn a_piped_chat_is_one_line_one_turn() {
    let home = TestHome::new();
    chat_model(&home);
    let text = |args: &[&str], input: &str| {
        let output = piped(&home, args, input);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = text(&[], "w7 w8\n");
    let same = text(&[], "w7 w8\n/reset\nw7 w8\n/quit\nw9\n");
    assert_eq!(same, format!("{first}{first}"), "a reset forgets, and nothing follows /quit");
    assert_eq!(
        text(&[], "/system w5\nw7 w8"),
        text(&["--system", "w5"], "w7 w8\n"),
        "the last line may lack its end"
    );
    assert_eq!(text(&[], ""), "");
    let unknown = piped(&home, &[], "/forget\n");
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("unknown command `/forget`; expected /quit"));
    // A message that no context holds is an error; an old chat gives way to a new message.
    let long = "w7 ".repeat(60);
    assert_eq!(piped(&home, &[], &long).status.code(), Some(2));
    let many = format!("{0}\n{0}\n{0}\n", "w7 ".repeat(20).trim());
    let output = piped(&home, &[], &many);
    assert_eq!(output.status.code(), Some(0));
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warned.contains("the 2 oldest messages are left out"), "{warned}");
}

#[test]
fn only_a_language_model_talks() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    let output = home.run(&["chat", "--model", "blobs", "--device", "flex"]);
    assert_eq!(output.code, Some(2));
    assert!(output.stderr.contains("`blobs:1` is not a language model"), "{}", output.stderr);
}
