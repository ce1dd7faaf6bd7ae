//! Names that clusters and registries accept.

use super::error::ManifestError;

/// Longest name of a deployment. The names of its parts add up to 9 characters, and a label of DNS has 63.
const NAME_LIMIT: usize = 52;
/// Longest label of DNS.
const LABEL_LIMIT: usize = 63;
/// Start of the name of a deployment whose model begins with a digit.
const PREFIX: &str = "model";

/// Name of a deployment from that of a model: a label of DNS that begins with a letter (RFC 1035), as the name of a
/// service must.
pub(super) fn service_name(model: &str) -> String {
    let lower = model.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let mut name = words.join("-");
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name = format!("{PREFIX}-{name}");
    }
    name.truncate(NAME_LIMIT);
    name.trim_matches('-').to_owned()
}

/// Checks a name that the user has chosen for the deployment.
pub(super) fn check_service_name(name: &str) -> Result<(), ManifestError> {
    if name == service_name(name) {
        return Ok(());
    }
    let why = format!("invalid name of a deployment `{name}`");
    Err(ManifestError::option(
        why,
        "give --name 1 to 52 small letters, digits and single `-`, beginning with a letter",
    ))
}

/// Checks the name of an object of a cluster, such as a namespace or a secret.
pub(super) fn check_label(option: &str, name: &str) -> Result<(), ManifestError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inner = name.chars().all(|c| plain(c) || c == '-');
    if inner && name.len() <= LABEL_LIMIT && name.starts_with(plain) && name.ends_with(plain) {
        return Ok(());
    }
    let remedy = format!("give {option} small letters, digits and `-`, at most {LABEL_LIMIT}");
    Err(ManifestError::option(format!("invalid name `{name}`"), remedy))
}

/// Checks a host name such as `models.example.org`.
pub(super) fn check_host(host: &str) -> Result<(), ManifestError> {
    let labels = host.split('.').all(|label| check_label("", label).is_ok());
    if labels && host.contains('.') && host.len() <= 253 {
        return Ok(());
    }
    let remedy = "give --hostname as models.example.org, in small letters and without a port";
    Err(ManifestError::option(format!("invalid host name `{host}`"), remedy))
}

/// Default image of a package: the model's name in lower case and its version, as `cupola deploy image` calls it.
pub(super) fn image_of(model: &str, version: u64) -> String {
    let lower = model.to_ascii_lowercase();
    let words: Vec<&str> =
        lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let name = if words.is_empty() { PREFIX.to_owned() } else { words.join("-") };
    format!("{name}:{version}")
}

/// Checks the name of an image: `[REGISTRY/]NAME[:TAG][@sha256:DIGEST]`.
pub(super) fn check_image(option: &str, image: &str) -> Result<(), ManifestError> {
    let (name, digest) = image.split_once('@').map_or((image, None), |(name, digest)| (name, Some(digest)));
    let is_digest = |text: &str| {
        text.strip_prefix("sha256:").is_some_and(|hex| {
            hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        })
    };
    let (path, tag) = match name.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag)),
        _ => (name, None),
    };
    let is_tag = |tag: &str| {
        (1..=128).contains(&tag.len())
            && tag.chars().all(|c| c.is_ascii_alphanumeric() || "_.-".contains(c))
            && !tag.starts_with(['.', '-'])
    };
    let mut parts = path.split('/').enumerate();
    let is_part = |(index, part): (usize, &str)| {
        let host = index == 0 && path.contains('/');
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let edge = |c: char| plain(c) || host && c.is_ascii_alphanumeric();
        let inner = |c: char| edge(c) || "._-".contains(c) || host && c == ':';
        part.starts_with(edge) && part.ends_with(edge) && part.chars().all(inner)
    };
    if parts.all(is_part) && path.len() <= 255 && tag.is_none_or(is_tag) && digest.is_none_or(is_digest) {
        return Ok(());
    }
    let remedy = format!(
        "give {option} as REGISTRY/NAME:TAG in small letters, such as registry.example.org/ml/digits:3"
    );
    Err(ManifestError::option(format!("invalid image `{image}`"), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_models_become_labels_of_dns() {
        for (model, name) in [
            ("digits", "digits"),
            ("Digits_CNN", "digits-cnn"),
            ("3d_shapes", "model-3d-shapes"),
            ("__a--b__", "a-b"),
            ("___", "model"),
        ] {
            assert_eq!(service_name(model), name);
            check_service_name(name).unwrap();
        }
        let long = service_name(&"a_".repeat(32));
        assert!(long.len() <= NAME_LIMIT && !long.ends_with('-'), "{long}");
        for wrong in ["", "Digits", "3d", "a_b", "a-", "a--b", "a b", "ä", &"a".repeat(53)] {
            assert!(check_service_name(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn images_are_checked_by_the_grammar_of_registries() {
        let digest = format!("r.example.org/digits@sha256:{}", "0".repeat(64));
        for image in
            ["digits", "digits:3", "localhost:5000/ml/digits:V1_x", "R.example.org/a__b-c:1", &digest]
        {
            check_image("--image", image).unwrap();
        }
        let digest = format!("digits@sha256:{}", "G".repeat(64));
        for image in [
            "",
            "a b",
            "Digits:3",
            "a/",
            "/a",
            "a:",
            "a:-x",
            "a:b c",
            "a@sha256:0",
            "a\n",
            "{{ x }}",
            &digest,
        ] {
            assert!(check_image("--image", image).is_err(), "{image:?}");
        }
        check_image("--image", &image_of("Digits_CNN", 3)).unwrap();
    }

    #[test]
    fn hosts_and_labels_are_checked() {
        check_host("models.example.org").unwrap();
        for host in ["", "a", "a..b", "A.b", "a.b:80", "https://a.b", "-a.b", "a_b.c"] {
            assert!(check_host(host).is_err(), "{host}");
        }
        check_label("--namespace", "ml-1").unwrap();
        for name in ["", "ML", "a_b", "-a", "a-", "a.b", &"a".repeat(64)] {
            assert!(check_label("--namespace", name).is_err(), "{name}");
        }
    }
}
