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
    /// A topic of Kafka.
    Topic(Topic),
    /// A table of Delta Lake.
    Lake(Lake),
    /// A version of a dataset of the home; the newest one where none is named.
    Dataset { name: String, version: Option<u64> },
}

/// A topic and the brokers that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Topic {
    /// `HOST:PORT`, several of them with commas.
    pub brokers: String,
    pub name: String,
}

/// A table of Delta Lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lake {
    /// A folder, or an `s3://` URL.
    pub place: String,
    /// The newest one where none is named.
    pub version: Option<u64>,
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
        if let Some(table) = text.strip_prefix("delta:") {
            return Lake::of(shown, table).map(Self::Lake);
        }
        if let Some(topic) = text.strip_prefix("kafka://") {
            return Topic::of(shown, topic).map(Self::Topic);
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
                    "`{scheme}://` is not known; write a path, http(s)://, s3://, postgres://, mysql://, sqlite:, kafka://, delta: or dataset:"
                ),
            }),
            _ => Ok(Self::Local(text.to_owned())),
        }
    }
}

impl Topic {
    /// `HOST:PORT[,HOST:PORT...]/TOPIC`
    fn of(shown: &str, text: &str) -> Result<Self, Error> {
        let fits = |name: &str| {
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        match text.split_once('/') {
            Some((brokers, name)) if !brokers.is_empty() && fits(name) => {
                Ok(Self { brokers: brokers.to_owned(), name: name.to_owned() })
            }
            _ => Err(Error::Place {
                text: shown.to_owned(),
                why: "brokers and a topic are needed; write kafka://HOST:9092/TOPIC".to_owned(),
            }),
        }
    }
}

impl Lake {
    /// `PLACE[@VERSION]`
    fn of(shown: &str, text: &str) -> Result<Self, Error> {
        let (place, version) = match text.rsplit_once('@') {
            Some((place, version)) if !version.contains('/') => {
                let version = version.parse().map_err(|_| Error::Place {
                    text: shown.to_owned(),
                    why: format!("`{version}` is no version; write delta:TABLE@0"),
                })?;
                (place, Some(version))
            }
            _ => (text, None),
        };
        Ok(Self { place: place.to_owned(), version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_and_tables_are_told_apart() {
        let topic = Topic { brokers: "a:9092,b:9092".into(), name: "clicks.v1".into() };
        assert_eq!(Place::of("", "kafka://a:9092,b:9092/clicks.v1").unwrap(), Place::Topic(topic));
        let lake = |place: &str, version| Place::Lake(Lake { place: place.into(), version });
        assert_eq!(Place::of("", "delta:lake/flights@3").unwrap(), lake("lake/flights", Some(3)));
        assert_eq!(Place::of("", "delta:s3://b/t").unwrap(), lake("s3://b/t", None));
        for wrong in ["kafka://a:9092", "kafka:///t", "kafka://a/../t", "delta:t@x"] {
            assert!(Place::of("", wrong).is_err(), "{wrong}");
        }
    }
}
