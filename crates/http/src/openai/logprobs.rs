//! Log-probabilities as responses show them.

use cupola_runtime::TokenLogprobs;
use serde_json::{Map, Value, json};

/// Tokens of a chat with their log-probabilities.
pub(super) fn of_chat(logprobs: &[TokenLogprobs]) -> Value {
    let entry = |token: &str, logprob: Option<f64>| {
        // A token that ends within a character has no bytes of valid UTF-8.
        let bytes = (!token.contains('\u{fffd}')).then_some(token.as_bytes());
        json!({ "token": token, "logprob": logprob, "bytes": bytes })
    };
    let each = logprobs.iter().map(|one| {
        let mut value = entry(&one.token, one.logprob);
        value["top_logprobs"] = one.top.iter().map(|(token, logprob)| entry(token, Some(*logprob))).collect();
        value
    });
    json!({ "content": each.collect::<Value>(), "refusal": null })
}

/// Tokens of a completion with their log-probabilities.
pub(super) fn of_text(logprobs: &[TokenLogprobs]) -> Value {
    json!({
        "tokens": logprobs.iter().map(|one| one.token.as_str()).collect::<Vec<_>>(),
        "token_logprobs": logprobs.iter().map(|one| one.logprob).collect::<Vec<_>>(),
        "top_logprobs": logprobs.iter().map(likeliest).collect::<Vec<_>>(),
        "text_offset": logprobs.iter().map(|one| one.offset).collect::<Vec<_>>(),
    })
}

/// Likeliest tokens, and the token itself if it is not among them; null for the first token of a prompt.
fn likeliest(one: &TokenLogprobs) -> Value {
    let Some(own) = one.logprob else { return Value::Null };
    let mut tokens = Map::new();
    // Tokens may read alike; the likeliest one counts.
    for (token, logprob) in &one.top {
        tokens.entry(token.as_str()).or_insert_with(|| (*logprob).into());
    }
    if !tokens.is_empty() {
        tokens.entry(one.token.as_str()).or_insert_with(|| own.into());
    }
    Value::Object(tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_legacy_format_begins_with_null_and_has_the_token_itself() {
        let top = vec![("b".to_owned(), -0.5), ("b".to_owned(), -1.5)];
        let first = TokenLogprobs { token: "a".to_owned(), offset: 0, logprob: None, top: Vec::new() };
        let second = TokenLogprobs { token: "c".to_owned(), offset: 1, logprob: Some(-2.5), top };
        let expected = json!({
            "tokens": ["a", "c"], "token_logprobs": [null, -2.5],
            "top_logprobs": [null, { "b": -0.5, "c": -2.5 }], "text_offset": [0, 1],
        });
        assert_eq!(of_text(&[first, second.clone()]), expected);
        let chat = of_chat(&[second]);
        assert_eq!(
            chat["content"][0]["top_logprobs"][1],
            json!({ "token": "b", "logprob": -1.5, "bytes": [98] })
        );
    }
}
