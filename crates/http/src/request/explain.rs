//! Reasons why a body is not rows, in terms of what its sender wrote. Only bodies that failed to parse get here.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

/// Longest word that a message quotes.
const LONGEST_WORD: usize = 24;

/// Reason why a body is not `{"rows": [...]}`; `why`, the parser's message, if there is nothing to add to it.
pub(super) fn explain(body: &[u8], why: &str) -> String {
    if let Some(reason) = not_text(body).or_else(|| wrong_shape(body)) {
        return reason;
    }
    let syntax = serde_json::from_slice::<IgnoredAny>(body).err();
    syntax.and_then(|error| wrong_word(body, &error)).unwrap_or_else(|| with_remedy(why))
}

/// Reason why a body is not JSON lines.
pub(super) fn explain_lines(body: &[u8], why: &str) -> String {
    if let Some(reason) = not_text(body) {
        return reason;
    }
    let mut values = serde_json::Deserializer::from_slice(body).into_iter::<IgnoredAny>();
    let syntax = values.find_map(Result::err);
    let word = syntax.and_then(|error| Some((error.line(), wrong_word(body, &error)?)));
    word.map_or_else(|| with_remedy(why), |(line, reason)| format!("line {line}: {reason}"))
}

/// Reason for bodies that are no text in UTF-8.
fn not_text(body: &[u8]) -> Option<String> {
    if body.trim_ascii().is_empty() {
        return Some("the body is empty".to_owned());
    }
    if body.starts_with(b"\x1f\x8b") {
        return Some("the body is compressed; send `Content-Encoding: gzip` with it".to_owned());
    }
    if body.starts_with(b"\xff\xfe") || body.starts_with(b"\xfe\xff") {
        return Some("the body is UTF-16; send UTF-8".to_owned());
    }
    let error = std::str::from_utf8(body).err()?;
    Some(format!("the body is not UTF-8 from byte {} on; send UTF-8", error.valid_up_to() + 1))
}

/// Reason for valid JSON of another shape.
fn wrong_shape(body: &[u8]) -> Option<String> {
    serde_json::from_slice::<IgnoredAny>(body).ok()?;
    let found = match body.trim_ascii_start().first()? {
        b'[' => "found a list; send it as `rows`: {\"rows\": [...]}",
        b'"' => "found a string; send an object",
        b'{' => match serde_json::from_slice::<Outline>(body).ok()?.rows {
            Kind::Object => "`rows` is one object; send a list: {\"rows\": [{column: value}]}",
            Kind::List { of_lists: true } => "a row is a list; send objects with the names of the columns",
            Kind::Null => "`rows` is null; send a list of rows",
            Kind::List { of_lists: false } | Kind::Other => return None,
        },
        _ => "found a number, a boolean or null; send an object",
    };
    Some(found.to_owned())
}

/// Words that other languages write and JSON does not have, with what to send instead.
const WORDS: [(&[&str], &str); 4] = [
    (&["NaN", "nan", "NAN", "NA", "None", "undefined", "NULL", "Null", "nil"], "null for a missing value"),
    (&["Infinity", "inf", "Inf", "INF", "infinity"], "a finite number, or null for a missing value"),
    (&["True", "TRUE"], "true"),
    (&["False", "FALSE"], "false"),
];

/// Reason for a syntax error at a word or quote that JSON does not have.
fn wrong_word(body: &[u8], error: &serde_json::Error) -> Option<String> {
    let line = body.split(|byte| *byte == b'\n').nth(error.line().checked_sub(1)?)?;
    let at = error.column().saturating_sub(1).min(line.len().checked_sub(1)?);
    let place = format!("line {} column {}", error.line(), error.column());
    if line[at] == b'\'' {
        return Some(format!("found a single quote at {place}; JSON strings have double quotes"));
    }
    let of_word = |byte: &u8| byte.is_ascii_alphabetic() || *byte == b'-';
    let start = line[..at].iter().rposition(|byte| !of_word(byte)).map_or(0, |before| before + 1);
    let length = line[start..].iter().take_while(|byte| of_word(byte)).count().min(LONGEST_WORD);
    let word = std::str::from_utf8(&line[start..start + length]).ok()?;
    let bare = word.trim_start_matches('-');
    let (_, instead) = WORDS.iter().find(|(words, _)| words.contains(&bare))?;
    Some(format!("`{word}` at {place} is not JSON; send {instead}"))
}

fn with_remedy(why: &str) -> String {
    if why.contains("number out of range") {
        format!("{why}; send a number below 1.8e308")
    } else if why.contains("recursion limit") {
        format!("{why}; nest values less than 128 deep")
    } else {
        why.to_owned()
    }
}

/// Body of which only the kind of its rows is read.
#[derive(Deserialize)]
struct Outline {
    rows: Kind,
}

/// Kind of a JSON value.
enum Kind {
    Object,
    List {
        /// `true` if the first element is a list too.
        of_lists: bool,
    },
    Null,
    Other,
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_str<E>(self, _: &str) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Kind, A::Error> {
        let first = list.next_element::<Self::Value>()?;
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::List { of_lists: matches!(first, Some(Kind::List { .. })) })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Kind, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Kind::Object)
    }
}

#[cfg(test)]
mod tests {
    use cupola_runtime::{json_lines, json_rows};

    use super::*;

    #[test]
    fn bodies_are_explained_by_what_they_have_instead_of_rows() {
        let of = |body: &[u8]| explain(body, &json_rows(body).unwrap_err().to_string());
        for (body, words) in [
            (&b" "[..], "is empty"),
            (b"\x1f\x8b\x08\x00", "Content-Encoding: gzip"),
            (b"\xff\xfe{\x00", "UTF-16"),
            (b"{\"rows\": [{\"a\": \"\xe9\"}]}", "not UTF-8 from byte 18 on"),
            (b"[{\"a\": 1}]", "found a list; send it as `rows`"),
            (b"\"a\"", "found a string"),
            (b"3", "found a number"),
            (b"{\"rows\": {\"a\": 1}}", "`rows` is one object"),
            (b"{\"rows\": [[1, 2]]}", "a row is a list"),
            (b"{\"rows\": null}", "`rows` is null"),
            (b"{\"rowz\": []}", "unknown field `rowz`"),
            (b"{\"rows\": [{\"a\": NaN}]}", "`NaN` at line 1 column 17 is not JSON; send null"),
            (b"{\"rows\": [\n{\"a\": -Infinity}]}", "`-Infinity` at line 2 column"),
            (b"{\"rows\": [{\"a\": None}]}", "`None`"),
            (b"{\"rows\": [{\"a\": True}]}", "send true"),
            (b"{'rows': []}", "double quotes"),
            (b"{\"rows\": [{\"a\": 1e999}]}", "number out of range"),
            (b"{\"rows\": [{\"a\": 1}", "EOF while parsing"),
        ] {
            let reason = of(body);
            assert!(reason.contains(words), "{}: {reason}", String::from_utf8_lossy(body));
        }
        let deep = [&b"{\"rows\": [{\"a\": "[..], &b"[".repeat(1000), &b"]".repeat(1000), b"}]}"].concat();
        assert!(of(&deep).contains("nest values less"), "{}", of(&deep));
        let lines = b"{\"a\": 1}\n{\"a\": nan}\n";
        let reason = explain_lines(lines, &json_lines(lines).unwrap_err().to_string());
        assert!(reason.starts_with("line 2: `nan`"), "{reason}");
    }

    #[test]
    fn no_body_breaks_the_explanation() {
        let seeds: [&[u8]; 3] = [b"{\"rows\": [{\"a\": NaN}]}", b"{'rows': [[-Infinity]]}", b"{\"a\": 1}\n-"];
        cupola_testkit::fuzz(&seeds, |body| {
            explain(body, "why");
            explain_lines(body, "why");
        });
    }
}
