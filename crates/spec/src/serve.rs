//! `serve.toml`: which models a server has, how requests are shared out, what it may be asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::Problems;
use crate::config::document::Placed;
use crate::config::schema;

/// The config of a server. What the command line says comes first.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Serve {
    /// Models.
    #[serde(default, rename = "model")]
    pub models: Vec<ServedModel>,
    /// Certificates: the server then speaks TLS alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// Origins of web pages that may ask, such as `https://shop.example`; `*` is all of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cors: Vec<String>,
    /// What is written down of requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<RequestLog>,
    /// Public keys of minisign: only packages that one of them signed are served.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trusted: Vec<String>,
    /// Whose tokens are taken beside keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
}

/// A model of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedModel {
    /// NAME, NAME@ALIAS, NAME:VERSION or a folder. An alias that moves is followed.
    pub serve: String,
    /// Another version that gets a share of the requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// Another version that gets the same requests; its answers are compared and not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
}

/// A version that gets a share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Canary {
    /// As of the model itself.
    pub serve: String,
    /// Its share of the requests.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub weight: f64,
    /// A header of the request, such as `x-user-id`: equal values always get the same version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sticky: Option<String>,
}

/// Certificates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// The chain of certificates, PEM.
    pub cert: String,
    /// The private key, PEM.
    pub key: String,
    /// Certificates of those who may ask, PEM: everybody else is turned away (mutual TLS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clients: Option<String>,
}

/// Tokens of an identity provider (`OpenID` Connect).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Jwt {
    /// Who issues them: what `iss` has to be.
    pub issuer: String,
    /// What `aud` has to be, or to have among others.
    pub audience: String,
    /// The issuer's public keys (a JWK set): a URL or a file. Without it the issuer is asked where they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<String>,
    /// The claim that has the scopes, which are those of keys: a text of words, or a list.
    #[serde(default = "scope")]
    pub scopes: String,
    /// Requests a second of each subject at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
}

fn scope() -> String {
    "scope".to_owned()
}

/// What is written down of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RequestLog {
    /// The folder of Parquet files, relative to the home.
    #[serde(default = "predictions")]
    pub folder: String,
    /// Share of the requests that are written down with their rows and answers.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub share: f64,
}

fn predictions() -> String {
    "predictions".to_owned()
}

/// Reads a server's config.
///
/// # Errors
/// All problems at once, each with line, column, key and remedy.
pub fn parse_serve(origin: &str, text: &str) -> Result<Serve, Problems> {
    let file = Placed::parse(origin, text).map_err(|problem| Problems(vec![problem]))?;
    let problems = schema::check_serve(&file);
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    serde_json::from_value(file.value.clone())
        .map_err(|error| Problems(vec![file.problem("", format!("{error}; see `cupola schema --serve`"))]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_read_and_a_mistyped_key_is_named() {
        let text = "[[model]]\nserve = 'a@champion'\nshadow = 'a:3'\n[model.canary]\nserve = 'a@next'\nweight = 0.1\n";
        let serve = parse_serve("serve.toml", text).unwrap();
        assert_eq!(serve.models[0].canary.as_ref().unwrap().serve, "a@next");
        let wrong =
            parse_serve("serve.toml", "[[model]]\nserve = 'a'\nshadows = 'b'\n").unwrap_err().to_string();
        assert!(wrong.contains("shadow") && wrong.contains("serve.toml:3"), "{wrong}");
        assert!(parse_serve("serve.toml", "[[model]]\nserve='a'\ncanary={serve='b',weight=2.0}").is_err());
    }
}
