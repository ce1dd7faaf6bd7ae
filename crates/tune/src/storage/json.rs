//! JSON as Python writes it: `NaN`, `Infinity` and `-Infinity` are numbers.

use serde_json::Value;

const WORDS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Parses a line. Numbers that are not finite become texts, which [`number`] reads.
pub(super) fn parse(line: &str) -> Result<Value, serde_json::Error> {
    serde_json::from_str(line).or_else(|error| {
        if WORDS.iter().any(|word| line.contains(word)) {
            serde_json::from_str(&quote_words(line))
        } else {
            Err(error)
        }
    })
}

/// A number, finite or not.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        value => value.as_f64(),
    }
}

/// A number as Python writes it.
pub(super) fn written(number: f64) -> String {
    if number.is_nan() {
        "NaN".to_owned()
    } else if number.is_infinite() {
        if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned()
    } else {
        Value::from(number).to_string()
    }
}

/// The line with the words of numbers outside of texts in quotes.
fn quote_words(line: &str) -> String {
    let mut quoted = String::with_capacity(line.len() + 8);
    let (mut inside, mut escaped) = (false, false);
    let mut rest = line;
    while let Some(letter) = rest.chars().next() {
        if !inside && let Some(word) = WORDS.iter().find(|word| rest.starts_with(**word)) {
            quoted.push('"');
            quoted.push_str(word);
            quoted.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        match letter {
            '"' if !escaped => inside = !inside,
            _ => {}
        }
        escaped = inside && letter == '\\' && !escaped;
        quoted.push(letter);
        rest = &rest[letter.len_utf8()..];
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_python_are_read_and_texts_stay() {
        let line = r#"{"a":NaN,"b":[-Infinity,Infinity,1.5],"NaN":"say \"NaN\" \\"}"#;
        let value = parse(line).unwrap();
        assert!(number(&value["a"]).unwrap().is_nan());
        assert_eq!(number(&value["b"][0]), Some(f64::NEG_INFINITY));
        assert_eq!(number(&value["b"][1]), Some(f64::INFINITY));
        assert_eq!(number(&value["b"][2]), Some(1.5));
        assert_eq!(value["NaN"], "say \"NaN\" \\");
        assert!(parse("{\"a\":Nan}").is_err());
    }

    #[test]
    fn written_numbers_are_those_that_are_read() {
        for value in [0.1, -3.0, 1e-300, f64::INFINITY, f64::NEG_INFINITY] {
            let line = format!("[{}]", written(value));
            assert_eq!(number(&parse(&line).unwrap()[0]), Some(value));
        }
        assert!(number(&parse(&format!("[{}]", written(f64::NAN))).unwrap()[0]).unwrap().is_nan());
    }
}
