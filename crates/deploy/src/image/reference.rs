//! Names of images, as registries and container runtimes read them.

use std::fmt;

use cupola_registry::Manifest;

use super::error::ImageError;

/// Most characters of a tag.
const TAG_LIMIT: usize = 128;
/// Most characters of a name with its registry.
const NAME_LIMIT: usize = 255;
/// Tag where none is given.
const DEFAULT_TAG: &str = "latest";

/// `[REGISTRY/]NAME:TAG`, by the grammar of the OCI distribution specification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageReference {
    /// Host and port of the registry, if given.
    registry: Option<String>,
    name: String,
    tag: String,
}

impl ImageReference {
    /// Parses a name, with or without registry and tag.
    ///
    /// # Errors
    /// [`ImageError::Reference`].
    pub fn parse(text: &str) -> Result<Self, ImageError> {
        let invalid = |reason| ImageError::Reference { text: text.to_owned(), reason };
        if text.contains('@') {
            return Err(invalid("the digest follows from the content"));
        }
        // A colon before the last slash is that of a port.
        let (path, tag) = match text.rsplit_once(':') {
            Some((path, tag)) if !tag.contains('/') => (path, tag),
            _ => (text, DEFAULT_TAG),
        };
        let host = |part: &&str| part.contains(['.', ':']) || *part == "localhost";
        let (registry, name) = match path.split_once('/').filter(|(first, _)| host(first)) {
            Some((registry, name)) => (Some(registry), name),
            None => (None, path),
        };
        if !name.split('/').all(is_component) {
            return Err(invalid(
                "the name must be lower-case letters and digits, separated by `.`, `_`, `-` or `/`",
            ));
        }
        if registry.is_some_and(|host| !is_host(host)) {
            return Err(invalid("the registry must be HOST or HOST:PORT"));
        }
        if !is_tag(tag) {
            return Err(invalid("the tag must be up to 128 letters, digits, `_`, `.` and `-`"));
        }
        if path.len() > NAME_LIMIT {
            return Err(invalid("the name is longer than 255 characters"));
        }
        Ok(Self { registry: registry.map(str::to_owned), name: name.to_owned(), tag: tag.to_owned() })
    }

    /// Name of the image of a package where none is given: the model's name in lower case, and its version.
    pub fn of_package(manifest: &Manifest) -> Self {
        let lower = manifest.name.to_lowercase();
        let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let name = if words.is_empty() { "model".to_owned() } else { words.join("-") };
        Self { registry: None, name, tag: manifest.version.to_string() }
    }

    /// Tag of the image.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// Name and tag with the registry that Docker takes a name without one from.
    pub fn qualified(&self) -> String {
        let (name, tag) = (&self.name, &self.tag);
        match &self.registry {
            Some(registry) => format!("{registry}/{name}:{tag}"),
            None if name.contains('/') => format!("docker.io/{name}:{tag}"),
            None => format!("docker.io/library/{name}:{tag}"),
        }
    }

    /// Name of a file for the image: the last part of its name, and the tag.
    pub fn file_stem(&self) -> String {
        let name = self.name.rsplit('/').next().unwrap_or_default();
        format!("{name}-{}", self.tag)
    }
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(registry) = &self.registry {
            write!(f, "{registry}/")?;
        }
        write!(f, "{}:{}", self.name, self.tag)
    }
}

/// `true` for words of lower-case letters and digits with one of `.`, `_`, `__` or any number of `-` between them.
fn is_component(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let separators = text.split(is_word).filter(|separator| !separator.is_empty());
    let allowed = |found: &str| matches!(found, "." | "_" | "__") || found.chars().all(|c| c == '-');
    text.starts_with(is_word) && text.ends_with(is_word) && separators.into_iter().all(allowed)
}

fn is_tag(text: &str) -> bool {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    (1..=TAG_LIMIT).contains(&text.len())
        && text.starts_with(is_word)
        && text.chars().all(|c| is_word(c) || c == '.' || c == '-')
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_docker_reads_them() {
        for (text, shown, qualified) in [
            ("digits", "digits:latest", "docker.io/library/digits:latest"),
            ("ml/digits:3", "ml/digits:3", "docker.io/ml/digits:3"),
            ("localhost/digits:3", "localhost/digits:3", "localhost/digits:3"),
            ("localhost:5000/digits", "localhost:5000/digits:latest", "localhost:5000/digits:latest"),
            (
                "r.example.org/a/b-c__d.e:V1.2_x",
                "r.example.org/a/b-c__d.e:V1.2_x",
                "r.example.org/a/b-c__d.e:V1.2_x",
            ),
        ] {
            let found = ImageReference::parse(text).unwrap();
            assert_eq!((found.to_string().as_str(), found.qualified().as_str()), (shown, qualified));
        }
        assert_eq!(ImageReference::parse("r.example.org/ml/digits:3").unwrap().file_stem(), "digits-3");
    }

    #[test]
    fn names_that_registries_refuse_are_refused() {
        let long = "a".repeat(129);
        for text in [
            "",
            ":3",
            "Digits",
            "a//b",
            "/a",
            "a/",
            "a..b",
            "a___b",
            "-a",
            "a-",
            "a b",
            "ä",
            "a:",
            "a:.x",
            "a:-x",
            "a@sha256:0",
            "r.example.org:x/a",
            "r.-x.org/a",
            "a.b/",
            "../a:1",
            "a:b:c",
        ] {
            assert!(matches!(ImageReference::parse(text), Err(ImageError::Reference { .. })), "{text:?}");
        }
        assert!(ImageReference::parse(&format!("a:{long}")).is_err());
        assert!(ImageReference::parse(&"a/".repeat(200)).is_err());
    }
}
