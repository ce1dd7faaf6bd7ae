//! Texts with their secrets filled in, and the way back: messages and files show `${NAME}` where a value stands.

use std::path::{Path, PathBuf};

use cupola_spec::{masked_source, plain_secret};
use url::Url;

use super::value;
use crate::error::Error;

/// Shortest value that messages hide; shorter ones are parts of ordinary words.
const SHORTEST_HIDDEN: usize = 4;

/// Values of secrets by name.
#[derive(Debug, Clone, Default)]
pub struct Secrets(Vec<(String, String)>);

/// Text whose secrets are filled in.
#[derive(Debug, Clone)]
pub struct FilledText {
    shown: String,
    text: String,
    secrets: Secrets,
}

impl FilledText {
    /// Replaces the secrets of `shown`, as [`fill_secrets`](super::fill_secrets) does.
    ///
    /// # Errors
    /// [`Error::Secret`] with the name, never with a value.
    pub fn of(shown: &str, roots: &[PathBuf], home: &Path) -> Result<Self, Error> {
        let mut secrets = Secrets::default();
        let text = secrets.fill(shown, roots, home)?;
        Ok(Self { shown: shown.to_owned(), text, secrets })
    }

    /// Address of a source or a remote with its secrets filled in.
    ///
    /// # Errors
    /// [`Error::Location`] for a password or token that is not written as `${NAME}`; [`Error::Secret`].
    pub fn address(shown: &str, roots: &[PathBuf], home: &Path) -> Result<Self, Error> {
        // A version from before they were refused may have one, which is masked when it is read.
        if plain_secret(shown).is_some() || shown.contains(":...@") {
            return Err(Error::Location {
                text: masked_source(shown),
                why: "an address is stored and shown, so it must not contain a password or token; write `${NAME}` in its place and set NAME in the environment".to_owned(),
            });
        }
        Self::of(shown, roots, home)
    }

    /// Text without secrets, for files that this program writes and for tests.
    pub fn plain(text: &str) -> Self {
        Self { shown: text.to_owned(), text: text.to_owned(), secrets: Secrets::default() }
    }

    /// Text as typed, for messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Text with the values of its secrets.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Values that were filled in.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }
}

impl Secrets {
    /// Replaces the secrets of a text and remembers their values.
    pub(crate) fn fill(&mut self, text: &str, roots: &[PathBuf], home: &Path) -> Result<String, Error> {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some(start) = rest.find("${") {
            let Some(end) = rest[start..].find('}') else { break };
            let name = &rest[start + 2..start + end];
            let value = value(name, roots, home)?;
            out.push_str(&rest[..start]);
            out.push_str(&value);
            if !value.is_empty() {
                self.0.push((name.to_owned(), value));
            }
            rest = &rest[start + end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Error with the names of secrets in place of their values, for errors about a text that they were filled into.
    pub(crate) fn hide_in(&self, error: Error) -> Error {
        if self.0.is_empty() {
            return error;
        }
        let text = |text: String| self.hide(&text);
        let hidden = |path: PathBuf| PathBuf::from(self.hide(&path.to_string_lossy()));
        match error {
            Error::Missing { path, near } => Error::Missing { path: text(path), near: text(near) },
            Error::Pattern { pattern, why } => Error::Pattern { pattern: text(pattern), why: text(why) },
            Error::Format { path } => Error::Format { path: hidden(path) },
            Error::Mixed { first, second } => Error::Mixed { first: hidden(first), second: hidden(second) },
            Error::Io { path, source } => Error::Io { path: hidden(path), source },
            Error::Pointer { path } => Error::Pointer { path: hidden(path) },
            Error::Compressed { path, kind, why, bytes } => {
                Error::Compressed { path: hidden(path), kind, why: text(why), bytes }
            }
            Error::Row { path, row, why } => Error::Row { path: text(path), row, why: text(why) },
            Error::Header { file, why } => Error::Header { file: text(file), why: text(why) },
            Error::Location { text: shown, why } => Error::Location { text: text(shown), why: text(why) },
            Error::Remote { location, why } => Error::Remote { location: text(location), why: text(why) },
            Error::Database { location, why } => Error::Database { location: text(location), why: text(why) },
            Error::Engine { path, why } => Error::Engine { path: text(path), why: text(why) },
            Error::Empty { path, after } => Error::Empty { path: text(path), after },
            other => {
                let message = other.to_string();
                let shown = self.hide(&message);
                if shown == message { other } else { Error::Resolver(shown.into()) }
            }
        }
    }

    /// Text for people: `${NAME}` in place of values, however they are encoded.
    pub(crate) fn hide(&self, text: &str) -> String {
        let long = |(_, value): &&(String, String)| value.len() >= SHORTEST_HIDDEN;
        self.0.iter().filter(long).fold(text.to_owned(), |text, (name, value)| {
            let shown = format!("${{{name}}}");
            spellings(value).iter().fold(text, |text, spelling| text.replace(spelling, &shown))
        })
    }

    /// Name for a file: values are replaced, and so is what a file name should not contain.
    pub(crate) fn hide_in_name(&self, name: &str) -> String {
        let hidden = self.hide(name);
        if hidden == name {
            return hidden;
        }
        let safe = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
        hidden.chars().map(safe).collect()
    }

    /// URL for a file: a character that no URL has in place of each value. `None` if a value may be left in it.
    pub(crate) fn conceal(&self, url: &str) -> Option<String> {
        if !url.is_ascii() {
            return None;
        }
        let marks = self.marks();
        let concealed =
            marks.iter().fold(url.to_owned(), |text, (mark, spelling)| text.replace(spelling, mark));
        let rest = concealed.replace(|c: char| !c.is_ascii(), " ");
        let decoded: String = url::form_urlencoded::parse(rest.replace('&', "%26").as_bytes())
            .flat_map(|(key, value)| [key, "=".into(), value])
            .collect();
        let left = |value: &str| decoded.contains(value) || rest.contains(value);
        (!self.0.iter().any(|(_, value)| left(value))).then_some(concealed)
    }

    /// URL that was concealed. Nothing but these values is filled in.
    pub(crate) fn reveal(&self, concealed: &str) -> String {
        let marks = self.marks();
        marks.iter().rev().fold(concealed.to_owned(), |text, (mark, spelling)| text.replace(mark, spelling))
    }

    /// Character for private use and text of each spelling of each value.
    fn marks(&self) -> Vec<(String, String)> {
        let each = self.0.iter().flat_map(|(_, value)| spellings(value));
        ('\u{e000}'..='\u{f8ff}').map(String::from).zip(each).collect()
    }
}

/// Value as it is and as the parts of a URL encode it, the longest text first.
fn spellings(value: &str) -> Vec<String> {
    let mut found = vec![value.to_owned(), url::form_urlencoded::byte_serialize(value.as_bytes()).collect()];
    if let Ok(mut url) = Url::parse("https://host/") {
        url.set_query(Some(value));
        found.extend(url.query().map(str::to_owned));
        url.set_path(value);
        found.push(url.path().trim_start_matches('/').to_owned());
        if url.set_password(Some(value)).is_ok() {
            found.extend(url.password().map(str::to_owned));
        }
    }
    found.retain(|text| !text.is_empty());
    found.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(values: &[&str]) -> Secrets {
        Secrets(values.iter().enumerate().map(|(i, value)| (format!("S{i}"), (*value).to_owned())).collect())
    }

    #[test]
    fn values_are_hidden_however_they_are_encoded() {
        let one = secrets(&["p/w d+1&x"]);
        for text in ["no file /run/p/w d+1&x", "https://h/?k=p%2Fw+d%2B1%26x", "https://me:p%2Fw%20d+1&x@h/"]
        {
            let hidden = one.hide(text);
            assert!(
                hidden.contains("${S0}") && !hidden.contains("d+1") && !hidden.contains("%2B1"),
                "{hidden}"
            );
        }
        assert_eq!(secrets(&["ab"]).hide("about"), "about");
        assert_eq!(secrets(&["s3cret"]).hide_in_name("s3cret.csv"), "__S0_.csv");
        assert_eq!(secrets(&["s3cret"]).hide_in_name("rows 1.csv"), "rows 1.csv");
    }

    #[test]
    fn a_concealed_url_comes_back_and_holds_no_value() {
        let two = secrets(&["tök en/1", "1"]);
        let mut url = Url::parse("https://host/api/list").unwrap();
        url.query_pairs_mut().append_pair("key", "tök en/1").append_pair("page", "2");
        let concealed = two.conceal(url.as_str()).unwrap();
        assert!(!concealed.contains("%C3%B6k") && !concealed.contains('1'), "{concealed}");
        assert_eq!(two.reveal(&concealed), url.as_str());
        // An encoding that is not known: the URL is not stored.
        assert_eq!(secrets(&["abc"]).conceal("https://host/?key=%61bc"), None);
        // A server cannot have the values of other names filled in.
        let plain = secrets(&["abc"]);
        assert_eq!(plain.reveal("https://host/?x=${HOME}"), "https://host/?x=${HOME}");
    }

    #[test]
    fn addresses_with_plain_passwords_are_refused_without_showing_them() {
        let error = FilledText::address("postgres://me:hunter2@db/x", &[], Path::new(".")).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("postgres://me:...@db/x") && error.contains("${NAME}"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}
