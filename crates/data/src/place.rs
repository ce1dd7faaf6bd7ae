//! What the text of a source names.

use url::Url;

use crate::error::Error;

/// A place that rows come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A path, a glob or a folder of this machine.
    Local(String),
    /// A file, an API or a page on a web server.
    Web(Url),
    /// Objects of an S3-compatible store; the path may be a glob.
    Objects(Url),
    /// A database that is asked by SQL.
    Database(Url),
    /// A version of a dataset of the home; the newest one where none is named.
    Dataset { name: String, version: Option<u64> },
}

impl Place {
    /// Reads a source's text, with its variables filled in.
    pub fn of(shown: &str, text: &str) -> Result<Self, Error> {
        if let Some(name) = text.strip_prefix("dataset:") {
            let (name, version) = match name.split_once(':') {
                Some((name, version)) => {
                    let version = version.parse().map_err(|_| Error::Place {
                        text: shown.to_owned(),
                        why: format!("`{version}` is no version; write dataset:NAME:1"),
                    })?;
                    (name, Some(version))
                }
                None => (name, None),
            };
            return Ok(Self::Dataset { name: name.to_owned(), version });
        }
        let url = || {
            Url::parse(text).map_err(|error| Error::Place {
                text: shown.to_owned(),
                why: format!("{error}; check the URL"),
            })
        };
        let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme).to_lowercase();
        match scheme.as_str() {
            "http" | "https" => Ok(Self::Web(url()?)),
            "s3" => Ok(Self::Objects(url()?)),
            "postgres" | "postgresql" | "mysql" | "mariadb" | "sqlite" => Ok(Self::Database(url()?)),
            _ if text.contains("://") => Err(Error::Place {
                text: shown.to_owned(),
                why: format!(
                    "`{scheme}://` is not known; write a path, http(s)://, s3://, postgres://, mysql://, sqlite: or dataset:"
                ),
            }),
            _ => Ok(Self::Local(text.to_owned())),
        }
    }
}
