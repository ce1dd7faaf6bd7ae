//! A request that a reader can run: of a real row if the package has one, else of values that fit its signature.

use std::fmt::Write as _;

use cupola_prep::{ColumnType, InputColumn, RequestExample, Signature};
use cupola_registry::Package;
use serde_json::{Map, Value, json};

use super::load;
use super::package::LoadedPackage;
use crate::engines::EngineReport;
use crate::error::Error;

/// Letters of the longest body that stands on the command line.
const LINE_LETTERS: usize = 2_000;
/// Tokens that the example of a language model asks for.
const TOKENS: u64 = 64;

/// Request of one model, for commands, documentation and the page.
#[derive(Debug, Clone, PartialEq)]
pub struct ExampleRequest {
    /// Path of the request.
    pub path: String,
    /// JSON body.
    pub body: Value,
    /// `true` if the rows are from the data, `false` if they are made of the signature.
    pub real: bool,
    signature: Signature,
}

impl ExampleRequest {
    /// Request of a package, without its engine.
    ///
    /// # Errors
    /// [`Error::Record`] and [`Error::Package`] for damaged files.
    pub fn of_package(package: &Package) -> Result<Self, Error> {
        let report = EngineReport::untimed("none".to_owned(), "the package is only described");
        let mut loaded = LoadedPackage::new(load::plan(package)?, report)?;
        loaded.example = load::example(package)?;
        Ok(Self::of(&package.manifest.name, &loaded))
    }

    /// Request of the model that is served under `name`.
    pub fn of(name: &str, package: &LoadedPackage) -> Self {
        let signature = package.signature.clone();
        let sealed = package.example.as_ref().filter(|example| !example.rows.is_empty());
        let (path, body) = match package.generates() {
            None => {
                let rows = sealed.map_or_else(|| made_up(&signature), |example| example.rows.clone());
                (format!("/v1/models/{name}/predict"), json!({ "rows": rows }))
            }
            Some("chat") => {
                let messages = json!([{ "role": "user", "content": "Hello! What can you do?" }]);
                let body = json!({ "model": name, "messages": messages, "max_tokens": TOKENS });
                ("/v1/chat/completions".to_owned(), body)
            }
            Some(_) => {
                let prompt = fitting(package, sealed.and_then(prompt).unwrap_or("Once upon a time"));
                let body = json!({ "model": name, "prompt": prompt, "max_tokens": TOKENS });
                ("/v1/completions".to_owned(), body)
            }
        };
        Self { path, body, real: sealed.is_some(), signature }
    }

    /// Body of a request for predictions, which a language model answers too.
    pub fn predict_body(&self) -> Value {
        if self.rows().is_empty() { json!({ "rows": made_up(&self.signature) }) } else { self.body.clone() }
    }

    /// Rows of the body; none for a language model.
    fn rows(&self) -> &[Value] {
        self.body["rows"].as_array().map_or(&[], Vec::as_slice)
    }

    /// The file in base64, if a row is one picture and nothing else.
    fn picture(&self) -> Option<&str> {
        match (self.signature.inputs.as_slice(), self.rows()) {
            ([InputColumn { name, kind: ColumnType::File, .. }], [row]) => {
                row[name].as_str().filter(|file| !file.is_empty())
            }
            _ => None,
        }
    }

    /// Command for a shell with curl; `server` is `localhost:8080` or a URL.
    pub fn curl(&self, server: &str) -> String {
        let url = format!("{server}{}", self.path);
        if let Some(file) = self.picture().filter(|file| media_type(file).is_some()) {
            let kind = media_type(file).unwrap_or_default();
            let name = if kind == "image/png" { "example.png" } else { "example.jpg" };
            return format!(
                "echo '{file}' | base64 -d > {name}\ncurl -s {url} -H 'content-type: {kind}' --data-binary @{name}"
            );
        }
        let head = format!("curl -s {url} -H 'content-type: application/json'");
        let line = self.body.to_string();
        if line.len() <= LINE_LETTERS {
            return format!("{head} -d '{}'", line.replace('\'', r"'\''"));
        }
        // The marker stands alone on a line, which no line of JSON does.
        format!("{head} --data-binary @- <<'JSON'\n{}\nJSON", self.body_lines())
    }

    /// The body with a row on each line.
    fn body_lines(&self) -> String {
        let rows: Vec<String> = self.rows().iter().map(Value::to_string).collect();
        if rows.is_empty() {
            self.body.to_string()
        } else {
            format!("{{\"rows\": [\n{}\n]}}", rows.join(",\n"))
        }
    }

    /// Program for Python's standard library.
    pub fn python(&self, server: &str) -> String {
        let address = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
        format!(
            "import json, urllib.request\n\nbody = {}\nrequest = urllib.request.Request(\"{address}{}\", json.dumps(body).encode(), \
             {{\"content-type\": \"application/json\"}})\nprint(json.load(urllib.request.urlopen(request)))",
            python_value(&self.body),
            self.path
        )
    }

    /// The rows as CSV with a header; `None` for a language model.
    pub fn csv(&self) -> Option<String> {
        let rows = self.rows();
        if rows.is_empty() {
            return None;
        }
        let names = || self.signature.inputs.iter().map(|input| input.name.as_str());
        let mut out = names().map(csv_field).collect::<Vec<_>>().join(",");
        for row in rows {
            let text = |name: &str| match &row[name] {
                Value::Null => String::new(),
                Value::String(text) => csv_field(text),
                other => csv_field(&other.to_string()),
            };
            out.push('\n');
            out.push_str(&names().map(text).collect::<Vec<_>>().join(","));
        }
        Some(out)
    }
}

/// Beginning of a text that leaves half of the context of a language model free, in whole words if one fits.
fn fitting<'a>(package: &LoadedPackage, text: &'a str) -> &'a str {
    let most = package.context_length().unwrap_or(usize::MAX) / 2;
    let fits = |end: &usize| package.token_ids(&text[..*end], usize::MAX).is_ok_and(|ids| ids.len() <= most);
    let words = text.char_indices().filter(|(_, letter)| letter.is_whitespace()).map(|(at, _)| at);
    let words: Vec<usize> = words.chain([text.len()]).filter(|end| *end > 0).collect();
    let letters = || text.char_indices().map(|(at, letter)| at + letter.len_utf8()).rev();
    let end = words.into_iter().rev().find(fits).or_else(|| letters().find(fits));
    end.map_or(text, |end| &text[..end])
}

/// First text of an example.
fn prompt(example: &RequestExample) -> Option<&str> {
    example.rows.first()?.values().find_map(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// Rows that fit a signature: as many as a window has.
fn made_up(signature: &Signature) -> Vec<Map<String, Value>> {
    let value = |column: &InputColumn| match (&column.categories, column.kind) {
        (Some(categories), _) if !categories.is_empty() => Value::from(categories[0].clone()),
        (_, ColumnType::Number) => Value::from(0.0),
        (_, ColumnType::Date) => Value::from("2024-12-31"),
        (_, ColumnType::Category | ColumnType::Text) => Value::from("text"),
        (_, ColumnType::File) => Value::from(""),
    };
    let row: Map<String, Value> =
        signature.inputs.iter().map(|column| (column.name.clone(), value(column))).collect();
    vec![row; signature.window.unwrap_or(1)]
}

/// Type of a picture in base64, by its first bytes; `None` for another file.
fn media_type(base64: &str) -> Option<&'static str> {
    let starts = |text: &str| base64.starts_with(text);
    if starts("iVBORw0KGgo") {
        Some("image/png")
    } else if starts("/9j/") {
        Some("image/jpeg")
    } else {
        None
    }
}

/// JSON value as a literal of Python.
fn python_value(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Array(items) => {
            let separator = if items.iter().any(Value::is_object) { ",\n    " } else { ", " };
            let items: Vec<String> = items.iter().map(python_value).collect();
            format!("[{}]", items.join(separator))
        }
        Value::Object(entries) => {
            let mut out = String::from("{");
            for (at, (key, value)) in entries.iter().enumerate() {
                let comma = if at == 0 { "" } else { ", " };
                // Writing to a String does not fail.
                let _ = write!(out, "{comma}{}: {}", Value::from(key.as_str()), python_value(value));
            }
            out + "}"
        }
        other => other.to_string(),
    }
}

/// Field of CSV, in quotes where it has a character that would end it.
fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) || text.trim() != text {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[allow(clippy::needless_pass_by_value, reason = "callers write the rows in place")]
    fn request(inputs: &Value, rows: Value) -> ExampleRequest {
        let signature = serde_json::from_value(json!({ "inputs": inputs, "outputs": [] })).unwrap();
        ExampleRequest {
            path: "/v1/models/a/predict".to_owned(),
            body: json!({ "rows": rows }),
            real: true,
            signature,
        }
    }

    fn column(name: &str, kind: &str) -> Value {
        json!({ "name": name, "type": kind, "nullable": true })
    }

    #[test]
    fn texts_survive_the_shell_python_and_csv() {
        let inputs = json!([column("size", "number"), column("it's", "text")]);
        let one = request(&inputs, json!([{ "size": null, "it's": "a \"b\", 'c'" }]));
        assert_eq!(
            one.curl("localhost:8080"),
            r#"curl -s localhost:8080/v1/models/a/predict -H 'content-type: application/json' -d '{"rows":[{"it'\''s":"a \"b\", '\''c'\''","size":null}]}'"#
                .replace(r#"{"it'\''s":"a \"b\", '\''c'\''","size":null}"#, &one.body["rows"][0].to_string().replace('\'', r"'\''"))
        );
        assert!(
            one.python("localhost:1").contains("None") && one.python("https://a").contains("\"https://a/v1/")
        );
        assert_eq!(one.csv().unwrap(), "size,it's\n,\"a \"\"b\"\", 'c'\"");
    }

    #[test]
    fn a_long_body_has_a_line_for_each_row() {
        let rows = vec![json!({ "size": 1 }); 400];
        let curl = request(&json!([column("size", "number")]), json!(rows)).curl("localhost:8080");
        assert!(
            curl.contains("<<'JSON'\n{\"rows\": [\n{\"size\":1},\n") && curl.ends_with("\n]}\nJSON"),
            "{curl}"
        );
        let body = curl.split_once('\n').unwrap().1.strip_suffix("\nJSON").unwrap();
        assert_eq!(serde_json::from_str::<Value>(body).unwrap()["rows"].as_array().unwrap().len(), 400);
    }

    #[test]
    fn a_picture_is_sent_as_a_file() {
        let curl =
            request(&json!([column("image", "file")]), json!([{ "image": "iVBORw0KGgoAAA" }])).curl("h:1");
        assert!(
            curl.contains("base64 -d > example.png")
                && curl.contains("'content-type: image/png' --data-binary @example.png"),
            "{curl}"
        );
    }
}
